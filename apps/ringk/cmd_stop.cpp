#include <memory>
#include <string>
#include <vector>

#include "command.hpp"
#include "values.hpp"

namespace ringk {
namespace {

using ringkernel::ErrorCode;

struct StopArguments {
  std::string target;
  std::string timeout;
  bool if_running = false;
  bool all = false;
};

// Stops one topology; the exit code is that of its run.
ExitCode stop_one(const std::string& name, const StopArguments& options, const Console& console) {
  auto client = connect(name, limit_of(options.timeout));
  if (!client) {
    if (options.if_running && client.error().code == ErrorCode::NotFound) return ExitCode::Ok;
    return console.failed(client.error());
  }
  const auto code = client->stop(limit_of(options.timeout));
  if (!code && code.error().code == ErrorCode::Timeout) {
    return console.failed(ExitCode::TemporaryFail,
                          "'" + name + "' is still draining after " + options.timeout);
  }
  if (!code && code.error().code == ErrorCode::Closed) {
    return console.failed(ExitCode::Crashed, "'" + name + "' ended without a word: it crashed");
  }
  if (!code) return console.failed(code.error());
  console.say(name + ": stopped" + (*code == 0 ? "" : ", exit " + std::to_string(*code)));
  return static_cast<ExitCode>(*code);
}

ExitCode stop_all(const StopArguments& options, const Console& console) {
  const auto names = ringkernel::running_topologies();
  if (!names) return console.failed(names.error());
  StopArguments each = options;
  each.if_running = true;
  ExitCode worst = ExitCode::Ok;
  for (const std::string& name : *names) {
    worst = ringkernel::first_of(worst, stop_one(name, each, console));
  }
  return worst;
}

ExitCode stop_kernel(const Target& target, const StopArguments& options, const Console& console) {
  auto client = connect(target.name, limit_of(options.timeout));
  if (!client) {
    if (options.if_running && client.error().code == ErrorCode::NotFound) return ExitCode::Ok;
    return console.failed(client.error());
  }
  const auto terminated = client->terminate(target.part, limit_of(options.timeout));
  if (!terminated) return console.failed(terminated.error());
  console.say(target.text() + ": terminated");
  return ExitCode::Ok;
}

}  // namespace

Action declare_stop(CLI::App& app) {
  const auto options = std::make_shared<StopArguments>();
  app.add_option("TARGET", options->target, "the topology, or one of its kernels: NAME/KERNEL")
      ->check(check_target);
  app.add_flag("--all", options->all, "every running topology");
  app.add_flag("--if-running", options->if_running, "succeed where it does not run");
  app.add_option("--timeout", options->timeout, "wait no longer than this")
      ->check(check_duration)
      ->type_name("DURATION");
  return [options](Console& console) {
    if (options->all != options->target.empty()) {
      return console.misused("name a topology, or say --all", "stop");
    }
    if (options->all) return stop_all(*options, console);
    const Target target = Target::parse(options->target);
    return target.part.empty() ? stop_one(target.name, *options, console)
                               : stop_kernel(target, *options, console);
  };
}

}  // namespace ringk
