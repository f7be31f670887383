#include <unistd.h>

#include <memory>
#include <optional>
#include <ringkernel/status_document.hpp>
#include <ringkernel/status_expression.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "command.hpp"
#include "values.hpp"

namespace ringk {
namespace {

using ringkernel::Client;
using ringkernel::ErrorCode;
using ringkernel::StatusDocument;
using ringkernel::StatusExpression;

struct StatusArguments {
  std::string target;
  std::string format = "table";
  bool json = false;
  std::string watch;
  std::string wait;
  std::string timeout;
  std::vector<std::string> fail_if;
};

class Status {
 public:
  Status(const StatusArguments& options, const Console& console)
      : options_(options), console_(console), target_(Target::parse(options.target)) {}

  ExitCode run() {
    for (const std::string& text : options_.fail_if) {
      auto expression = StatusExpression::parse(text);
      if (!expression) {
        return console_.failed(ExitCode::Usage,
                               "--fail-if '" + text + "': " + expression.error().message);
      }
      expressions_.push_back(std::move(*expression));
    }
    if (target_.name.empty()) {
      if (const ExitCode code = find_only(); code != ExitCode::Ok) return code;
    }
    auto client = connect(target_.name, limit_of(options_.timeout));
    if (!client) {
      // What does not run has stopped.
      const bool not_running = client.error().code == ErrorCode::NotFound;
      return options_.wait == "stopped" && not_running ? ExitCode::Ok
                                                       : console_.failed(client.error());
    }
    if (options_.wait == "stopped") return wait_stopped(*client);
    if (const ExitCode code = wait(*client); code != ExitCode::Ok) return code;
    return options_.watch.empty() ? show(*client) : watch(*client);
  }

 private:
  ExitCode find_only() {
    const auto names = ringkernel::running_topologies();
    if (!names) return console_.failed(names.error());
    if (names->empty()) return console_.failed(ExitCode::Unavailable, "no topology is running");
    if (names->size() > 1) {
      std::string text = "more than one topology is running; name one of:";
      for (const std::string& name : *names) text += " " + name;
      return console_.misused(text, "status");
    }
    target_.name = names->front();
    return ExitCode::Ok;
  }

  ExitCode wait_stopped(Client& client) {
    const auto code = client.wait_stopped(limit_of(options_.timeout));
    if (!code && code.error().code == ErrorCode::Timeout) return late();
    if (!code && code.error().code == ErrorCode::Closed) {
      return console_.failed(ExitCode::Crashed,
                             "'" + target_.name + "' ended without a word: it crashed");
    }
    if (!code) return console_.failed(code.error());
    if (*code != 0) console_.say(target_.name + ": stopped, exit " + std::to_string(*code));
    return static_cast<ExitCode>(*code);
  }

  ExitCode wait(Client& client) {
    if (options_.wait.empty()) return ExitCode::Ok;
    const auto limit = limit_of(options_.timeout);
    const auto waited =
        options_.wait == "ready" ? client.wait_ready(limit) : client.wait_idle(limit);
    if (waited) return ExitCode::Ok;
    return waited.error().code == ErrorCode::Timeout ? late() : console_.failed(waited.error());
  }

  ExitCode late() const {
    return console_.failed(
        ExitCode::TemporaryFail,
        "'" + target_.name + "' is not " + options_.wait + " after " + options_.timeout);
  }

  Result<StatusDocument> get(Client& client) const {
    auto text = client.status(limit_of(options_.timeout));
    if (!text) return tl::unexpected(text.error());
    auto document = StatusDocument::parse(std::move(*text));
    if (!document || target_.part.empty()) return document;
    return document->kernel(target_.part);
  }

  std::string view(const StatusDocument& document, const StatusDocument* previous) const {
    if (options_.format == "json") return document.json() + "\n";
    if (options_.format == "prom") return document.prometheus();
    return document.table(previous, console_.colour_data());
  }

  // Ok, Failed when one of the expressions holds, Usage when one does not fit the document.
  ExitCode judge(const StatusDocument& document) const {
    ExitCode code = ExitCode::Ok;
    for (size_t i = 0; i < expressions_.size(); ++i) {
      const auto holds = expressions_[i].holds(document);
      const std::string text = "--fail-if '" + options_.fail_if[i] + "'";
      if (!holds) return console_.failed(ExitCode::Usage, text + ": " + holds.error().message);
      if (!*holds) continue;
      console_.say(target_.text() + ": " + options_.fail_if[i]);
      code = ExitCode::Failed;
    }
    return code;
  }

  ExitCode show(Client& client) const {
    const auto document = get(client);
    if (!document) return console_.failed(document.error());
    if (const ExitCode code = console_.data(view(*document, nullptr)); code != ExitCode::Ok) {
      return code;
    }
    return judge(*document);
  }

  ExitCode watch(Client& client) const {
    const auto period = parse_duration(options_.watch).value();
    const bool redraw = options_.format == "table" && isatty(STDOUT_FILENO) == 1;
    std::optional<StatusDocument> previous;
    for (;; std::this_thread::sleep_for(period)) {
      auto document = get(client);
      // It was there and has stopped: there is no more to watch.
      if (!document && previous && document.error().code == ErrorCode::Closed) return ExitCode::Ok;
      if (!document) return console_.failed(document.error());
      std::string text = view(*document, previous ? &*previous : nullptr);
      if (redraw) {
        text.insert(0, "\x1b[H\x1b[2J");
      } else if (previous && options_.format == "table") {
        text.insert(0, "\n");
      }
      if (const ExitCode code = console_.data(text); code != ExitCode::Ok) return code;
      if (const ExitCode code = judge(*document); code != ExitCode::Ok) return code;
      previous = std::move(document.value());
    }
  }

  const StatusArguments& options_;
  const Console& console_;
  Target target_;
  std::vector<StatusExpression> expressions_;
};

}  // namespace

Action declare_status(CLI::App& app) {
  const auto options = std::make_shared<StatusArguments>();
  app.add_option("TARGET", options->target,
                 "the topology, or one of its kernels: NAME/KERNEL; may be left out when one runs")
      ->check(check_target);
  auto* format = app.add_option("-o,--output", options->format, "table, json or prom")
                     ->check(CLI::IsMember({"table", "json", "prom"}))
                     ->type_name("FORMAT");
  app.add_flag("--json", options->json, "the same as -o json")->excludes(format);
  app.add_flag("--watch{1s}", options->watch, "again and again; --watch=5s: every five seconds")
      ->check(check_duration);
  app.add_option("--wait", options->wait, "wait until it is ready, idle or stopped")
      ->check(CLI::IsMember({"ready", "idle", "stopped"}))
      ->type_name("STATE");
  app.add_option("--timeout", options->timeout, "wait no longer than this")
      ->check(check_duration)
      ->type_name("DURATION");
  app.add_option("--fail-if", options->fail_if, "exit 1 when this holds: 'score.failed > 0'")
      ->type_name("EXPR")
      ->expected(1)
      ->take_all();
  return [options](Console& console) {
    if (options->json) options->format = "json";
    return Status(*options, console).run();
  };
}

}  // namespace ringk
