// The module of a handler whose code the host has not compiled.
#pragma once

#include "handlers/handler_spec.hpp"

namespace ringkernel::handlers {

// What the handler is declared to accept, emit and own is as `spec` has it, its State, hooks and
// step as `code` has them. Lives until the process ends: blocks may run it until then.
const HandlerModule* declared_module(const HandlerSpec& spec, const HandlerModule& code);

}  // namespace ringkernel::handlers
