// suspend and resume.
#include <memory>
#include <string>

#include "command.hpp"
#include "values.hpp"

namespace ringk {
namespace {

using Verb = Result<void> (ringkernel::Client::*)(const std::string& kernel);

Action declare(CLI::App& app, Verb verb, const char* done) {
  const auto text = std::make_shared<std::string>();
  app.add_option("TARGET", *text, "the topology, or one of its kernels: NAME/KERNEL")
      ->required()
      ->check(check_target);
  return [text, verb, done](Console& console) {
    const Target target = Target::parse(*text);
    auto client = connect(target.name);
    if (!client) return console.failed(client.error());
    if (const auto changed = ((*client).*verb)(target.part); !changed) {
      return console.failed(changed.error());
    }
    console.say(target.text() + ": " + done);
    return ExitCode::Ok;
  };
}

}  // namespace

Action declare_suspend(CLI::App& app) {
  return declare(app, &ringkernel::Client::suspend, "suspended");
}

Action declare_resume(CLI::App& app) {
  return declare(app, &ringkernel::Client::resume, "resumed");
}

}  // namespace ringk
