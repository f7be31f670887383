// The log of a run: what handlers say with ctx.log, on standard error, as text or JSON lines. As
// JSON lines, what the run itself has to say is among them: one reader reads the whole of it.
#pragma once

#include <string_view>

#include "ringkernel/error.hpp"

namespace ringkernel::launcher {

// Level and format come from RINGK_LOG and RINGK_LOG_FORMAT. Any thread.
void log_from_kernel(std::string_view topology, std::string_view kernel, int level,
                     std::string_view text, double value);

// As JSON lines. Any thread.
bool log_is_json();
// REQUIRES: log_is_json(). Written whatever the level, as it is as text. `level`: 0 debug to 3
// error.
void log_from_run(std::string_view topology, int level, std::string_view text);

// InvalidConfig: one of the two variables has a value that means nothing.
Result<void> check_log_variables();

}  // namespace ringkernel::launcher
