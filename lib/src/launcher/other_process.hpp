// Work that must leave nothing behind in this process: a driver that is opened here is of no use to
// the processes that are forked later, and those run the kernels.
#pragma once

#include <functional>

#include "ringkernel/error.hpp"

namespace ringkernel::launcher {

// What `work` returns in a forked process. IoError: there is none, or it ended without a word.
// REQUIRES: no other thread exists.
Result<void> in_other_process(const std::function<Result<void>()>& work);

}  // namespace ringkernel::launcher
