// What `check --compile` and `build` say of handlers that were compiled.
#pragma once

#include <ringkernel/build.hpp>
#include <string>
#include <string_view>

#include "console.hpp"

namespace ringk {

struct Complaints {
  size_t errors = 0, warnings = 0;
  ExitCode code = ExitCode::Ok;
};

// Says on standard error what failed, once for a kernel and kind of processor: an error, or a
// warning where the kernel runs on the CPU all the same.
Complaints say_failures(const ringkernel::BuildReport& report, const Console& console);

// A line for each handler and processor; `usage`: with what it takes of a GPU.
std::string build_table(const ringkernel::BuildReport& report, bool usage);

}  // namespace ringk
