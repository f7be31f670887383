// Symbols of a library that is opened at run time.
#pragma once

#include <dlfcn.h>

namespace ringkernel::handlers {

// False: it has none of this name.
template <class F>
bool find_symbol(void* library, const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(library, name));
  return function != nullptr;
}

}  // namespace ringkernel::handlers
