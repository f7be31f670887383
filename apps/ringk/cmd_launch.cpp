#include <unistd.h>

#include <memory>
#include <optional>
#include <ringkernel/client.hpp>
#include <ringkernel/launcher.hpp>
#include <ringkernel/service.hpp>
#include <string>
#include <utility>
#include <vector>

#include "command.hpp"
#include "topology_options.hpp"

namespace ringk {
namespace {

using ringkernel::Client;
using ringkernel::Detached;
using ringkernel::ErrorCode;
using ringkernel::LaunchedAs;
using ringkernel::LaunchRequest;
using ringkernel::Topology;
using ringkernel::Voice;

struct LaunchArguments {
  std::string file;
  TopologyArguments topology;
  LaunchRequest request;
  std::vector<std::string> in, out;  // NAME=FILE
  bool replace = false;
  bool if_absent = false;
};

class Launch {
 public:
  Launch(LaunchArguments& options, Console& console) : options_(options), console_(console) {}

  ExitCode run() {
    auto topology = load_valid(options_.file, options_.topology, console_);
    if (!topology) return topology.error();
    if (const auto checked = ringkernel::check_launch(*topology, options_.request); !checked) {
      return console_.failed(checked.error());
    }
    if (options_.if_absent) {
      if (auto running = Client::connect(topology->name())) return already_runs(*running);
    }
    if (options_.replace) {
      if (const ExitCode code = stop_running(*topology); code != ExitCode::Ok) return code;
    }
    return options_.request.service ? run_service(*topology) : run_here(*topology);
  }

 private:
  // As a launch, it returns when the topology is ready.
  ExitCode already_runs(Client& running) const {
    if (const auto ready = running.wait_ready(); !ready) return console_.failed(ready.error());
    console_.say(running.name() + ": already runs");
    return ExitCode::Ok;
  }

  // The handlers first: what does not compile must not end what runs.
  ExitCode stop_running(const Topology& topology) const {
    auto running = Client::connect(topology.name());
    if (!running) {
      const bool absent = running.error().code == ErrorCode::NotFound;
      return absent ? ExitCode::Ok : console_.failed(running.error());
    }
    if (const auto compiled = ringkernel::compile_handlers(topology); !compiled) {
      return console_.failed(compiled.error());
    }
    const auto code = running->stop();
    // Closed: it was ending by itself, or crashed in the attempt; either way it is gone.
    if (!code && code.error().code != ErrorCode::Closed) return console_.failed(code.error());
    console_.say(topology.name() + ": stopped the one that ran" +
                 (code && *code == 0 ? ""
                  : code             ? ", exit " + std::to_string(*code)
                                     : ", which ended without a word"));
    return ExitCode::Ok;
  }

  void speak(Voice voice, std::string_view text) {
    switch (voice) {
      case Voice::Progress:
        console_.progress(text);
        break;
      case Voice::Notice:
        console_.say(text);
        break;
      case Voice::Warning:
        console_.say(std::string("warning: ").append(text));
        break;
      case Voice::Error:
        (void)console_.failed(ExitCode::Failed, text);
        break;
    }
  }

  ExitCode launch(const Topology& topology) {
    options_.request.say = [this](Voice voice, std::string_view text) { speak(voice, text); };
    return ringkernel::launch(topology, options_.request);
  }

  ExitCode run_here(const Topology& topology) {
    options_.request.progress = isatty(STDERR_FILENO) == 1;
    return launch(topology);
  }

  ExitCode run_service(const Topology& topology) {
    std::optional<Detached> child;
    auto in_caller = Detached::detach(child);
    if (!in_caller) return console_.failed(in_caller.error());
    if (*in_caller) {
      if (**in_caller != ExitCode::NameTaken || !options_.if_absent) return **in_caller;
      // Somebody was quicker.
      auto running = Client::connect(topology.name());
      return running ? already_runs(*running) : console_.failed(running.error());
    }
    options_.request.if_absent = options_.if_absent;
    options_.request.on_ready = [&](const LaunchedAs& as) {
      if (!as.output.empty()) console_.say(as.name + ": output goes to " + as.output);
      console_.say(as.name + ": dead letters go to " + as.dead_letters);
      console_.say(as.name + ": the log is " + as.log);
      return child->ready(as.log);
    };
    const ExitCode code = launch(topology);
    child->failed(code);  // no effect once it was ready
    return code;
  }

  LaunchArguments& options_;
  Console& console_;
};

// "-" of a service would be /dev/null.
bool uses_standard_streams(const std::vector<std::pair<std::string, std::string>>& redirects) {
  for (const auto& [name, file] : redirects) {
    if (file == "-") return true;
  }
  return false;
}

}  // namespace

Action declare_launch(CLI::App& app) {
  const auto options = std::make_shared<LaunchArguments>();
  LaunchRequest& request = options->request;
  app.add_option("FILE", options->file, "the topology ('-': standard input)")->required();
  app.add_flag("-d,--detach", request.service, "in the background; returns when it is ready");
  app.add_option("--in", options->in, "let an input read FILE ('-': standard input)")
      ->type_name("NAME=FILE")
      ->check(check_pair)
      ->expected(1)
      ->take_all();
  app.add_option("--out", options->out, "let an output write FILE ('-': standard output)")
      ->type_name("NAME=FILE")
      ->check(check_pair)
      ->expected(1)
      ->take_all();
  auto* replace =
      app.add_flag("--replace", options->replace, "stop a running topology of that name first");
  app.add_flag("--if-absent", options->if_absent, "succeed where one of that name runs already")
      ->excludes(replace);
  app.add_option("--summary", request.summary,
                 "write the last status document to FILE ('-': standard output)")
      ->type_name("FILE");
  app.add_option("--workers", request.workers, "worker threads (default: the cores allowed)")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  options->topology.declare(app);
  return [options](Console& console) {
    LaunchRequest& asked = options->request;
    for (const std::string& pair : options->in) asked.in.push_back(split_pair(pair));
    for (const std::string& pair : options->out) asked.out.push_back(split_pair(pair));
    if (asked.service && (uses_standard_streams(asked.in) || uses_standard_streams(asked.out) ||
                          asked.summary == "-")) {
      return console.misused("with -d there is no standard input or output for '-'", "launch");
    }
    return Launch(*options, console).run();
  };
}

}  // namespace ringk
