#include <algorithm>
#include <memory>
#include <ringkernel/machine.hpp>
#include <string>
#include <vector>

#include "command.hpp"
#include "text_table.hpp"
#include "values.hpp"

namespace ringk {
namespace {

using ringkernel::MachineCheck;
using Outcome = MachineCheck::Outcome;

std::string view(const std::vector<MachineCheck>& checks) {
  std::vector<std::vector<std::string>> rows{{"CHECK", "OUTCOME", "DETAIL"}};
  for (const MachineCheck& check : checks) {
    const char* outcome = check.outcome == Outcome::Ok        ? "ok"
                          : check.outcome == Outcome::Missing ? "missing"
                                                              : "failed";
    // What a compiler says has many lines; the first names the matter.
    rows.push_back({check.name, outcome, check.detail.substr(0, check.detail.find('\n'))});
  }
  return text_table(rows);
}

ExitCode doctor(bool json, const Console& console) {
  const std::vector<MachineCheck> checks = ringkernel::check_machine();
  const ExitCode written = console.data(json ? ringkernel::to_json(checks) + "\n" : view(checks));
  if (written != ExitCode::Ok) return written;
  const bool usable = std::none_of(checks.begin(), checks.end(), [](const MachineCheck& check) {
    return check.outcome == Outcome::Failed;
  });
  return usable ? ExitCode::Ok
                : console.failed(ExitCode::Unavailable, "this machine cannot run ringk as it is");
}

}  // namespace

Action declare_doctor(CLI::App& app) {
  const auto format = std::make_shared<Format>();
  declare_format(app, *format);
  return [format](Console& console) { return doctor(format->json(), console); };
}

}  // namespace ringk
