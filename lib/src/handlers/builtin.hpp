// Handlers that ship with the library and need no compiler: they pass messages on as they are.
#pragma once

#include "handlers/handler_spec.hpp"
#include "ringkernel/error.hpp"

namespace ringkernel::handlers {

// The module lives until the process ends. ValidationError: the declaration does not fit.
Result<const HandlerModule*> make_builtin(const HandlerSpec& spec);

}  // namespace ringkernel::handlers
