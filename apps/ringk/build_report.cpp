#include "build_report.hpp"

#include <set>
#include <utility>
#include <vector>

#include "text_table.hpp"

namespace ringk {

using ringkernel::BuildReport;
using ringkernel::BuiltHandler;

Complaints say_failures(const BuildReport& report, const Console& console) {
  Complaints complaints;
  std::set<std::pair<std::string, bool>> said;
  for (const BuiltHandler& built : report.handlers) {
    if (!built.error) continue;
    const bool gpu = built.target != "cpu";
    if (!said.emplace(gpu ? built.kernel : built.error->where, gpu).second) continue;
    if (!gpu) {
      complaints.code = console.failed(*built.error);
      ++complaints.errors;
      continue;
    }
    // A file that is not there is not there for the host either, which has said so.
    if (built.error->code != ringkernel::ErrorCode::CompilationError && complaints.errors > 0)
      continue;
    const std::string text = "does not compile for CUDA (" + built.target + ")";
    if (built.required) {
      Error error = *built.error;
      error.message = text + ":\n" + error.message;
      const ExitCode code = console.failed(error);
      if (complaints.code == ExitCode::Ok) complaints.code = code;
      ++complaints.errors;
    } else {
      console.say("ringk: warning: " + built.kernel + ": " + text + ", and will run on the CPU:\n" +
                  built.error->message);
      ++complaints.warnings;
    }
  }
  if (!report.skipped.empty()) console.say("compiling for CUDA is skipped: " + report.skipped);
  return complaints;
}

std::string build_table(const BuildReport& report, bool usage) {
  std::vector<std::vector<std::string>> rows{{"KERNEL", "TARGET", "RESULT"}};
  if (usage) rows[0].insert(rows[0].end(), {"REGISTERS", "SHARED", "STACK", "SPILLED"});
  for (const BuiltHandler& built : report.handlers) {
    auto& row = rows.emplace_back();
    row = {built.kernel, built.target,
           built.error      ? "failed"
           : built.compiled ? "compiled"
                            : "ready"};
    if (usage && built.target != "cpu" && !built.error)
      row.insert(row.end(), {std::to_string(built.registers), std::to_string(built.shared_memory),
                             std::to_string(built.stack), std::to_string(built.spilled)});
  }
  return text_table(rows);
}

}  // namespace ringk
