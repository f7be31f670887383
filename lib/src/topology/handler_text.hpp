// What a handler's C++ says, as far as the checks need it before any compiler has read it.
#pragma once

#include <string_view>

namespace ringkernel::topology {

// Whether the text defines `State` (struct, class, union or using), comments and strings aside.
// What a macro or another header defines is left to the compiler.
bool defines_state(std::string_view cpp);

}  // namespace ringkernel::topology
