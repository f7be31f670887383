// Names of the built-in handlers.
//   echo     emits what it accepts, on its only port
//   discard  takes messages and forgets them
#pragma once

#include <array>
#include <string_view>

namespace ringkernel::schema {

inline constexpr std::array<std::string_view, 2> kBuiltins = {"echo", "discard"};

}  // namespace ringkernel::schema
