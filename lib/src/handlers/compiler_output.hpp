// What a compiler said, cut down to what its user can act on.
#pragma once

#include <string>

namespace ringkernel::handlers {

struct CompiledFiles {
  std::string generated;  // the translation unit
  std::string included;   // the handler's file as the unit includes it
  std::string source;     // and as the user spells it
};

// Places in the user's file under the user's name for it; without the chain of includes and
// instantiations; some forty lines at most.
std::string users_part(const std::string& output, const CompiledFiles& files);

}  // namespace ringkernel::handlers
