// From a compiled artefact to its module, checked against what the topology declares.
#pragma once

#include <string>

#include "handlers/handler_spec.hpp"
#include "ringkernel/error.hpp"

namespace ringkernel::handlers {

// The module lives until the process ends: its code is never unloaded. ValidationError: it was
// built with other headers or for another declaration; IoError: it cannot be loaded.
Result<const HandlerModule*> load_module(const std::string& artefact, const HandlerSpec& spec);

}  // namespace ringkernel::handlers
