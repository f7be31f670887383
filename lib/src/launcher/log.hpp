// The log of a run: what handlers say with ctx.log, on standard error, as text or JSON lines.
#pragma once

#include <string_view>

namespace ringkernel::launcher {

// Level and format come from RINGK_LOG and RINGK_LOG_FORMAT. Any thread.
void log_from_kernel(std::string_view topology, std::string_view kernel, int level,
                     std::string_view text, double value);

}  // namespace ringkernel::launcher
