// The name of what a handler compiles to that is the same on every machine: of its text and of
// everything that this includes, not of the folders they stand in nor of the compiler. By it a
// machine without the compiler finds what another machine has made.
#pragma once

#include <string>

#include "handlers/handler_spec.hpp"

namespace ringkernel::handlers {

// `target`: "cpu", "sm_90"; `text`: the translation unit's; `include`: the folder of this library's
// headers. Empty: there is none, because the flags mean another thing on every machine, or what is
// included cannot be followed.
std::string portable_name(const HandlerSpec& spec, const std::string& target,
                          const std::string& text, const std::string& include);

}  // namespace ringkernel::handlers
