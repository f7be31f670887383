// Handlers that ship with the library: they pass messages on as they are. The host needs no
// compiler for them.
#pragma once

#include "handlers/handler_spec.hpp"
#include "ringkernel/error.hpp"

namespace ringkernel::handlers {

// The module lives until the process ends. ValidationError: the declaration does not fit.
Result<const HandlerModule*> make_builtin(const HandlerSpec& spec);

// The same handler as inline code, for a GPU. ValidationError: the declaration does not fit.
Result<HandlerSpec> builtin_as_code(const HandlerSpec& spec);

}  // namespace ringkernel::handlers
