// From handler specifications to modules that blocks can run: built-ins as they ship, others
// compiled by the host compiler or taken from the artefact cache.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "handlers/handler_spec.hpp"
#include "ringkernel/error.hpp"

namespace ringkernel::handlers {

struct LoadOptions {
  std::string cache_folder;  // empty: RINGK_CACHE_DIR, else $XDG_CACHE_HOME/ringk, ~/.cache/ringk
  std::string compiler;      // empty: $CXX, else g++, else clang++
};

struct LoadedHandler {
  const HandlerModule* module = nullptr;  // lives until the process ends
  std::vector<std::byte> params;          // module->params_size bytes
  bool compiled = false;                  // false: a built-in, or found in the cache
};

// In the order of `specs`; what has to be compiled is compiled side by side, at most one compiler
// per core. The error of the first one that fails, in order:
// CompilationError (the compiler's own sentences, at the user's file and line), NotFound (no
// handler file), CompilerNotFound (there is none, and the cache holds nothing that another machine
// has made of the same sources), ValidationError (the handler
// does not fit its declaration; an unusable cache is no error: it compiles without).
Result<std::vector<LoadedHandler>> load_handlers(std::span<const HandlerSpec> specs,
                                                 const LoadOptions& options = {});

// The bytes of `struct Params` for these fields.
std::vector<std::byte> params_bytes(const std::vector<schema::Field>& params);

}  // namespace ringkernel::handlers
