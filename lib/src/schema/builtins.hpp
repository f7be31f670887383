// The built-in handlers.
#pragma once

#include <array>
#include <string_view>

namespace ringkernel::schema {

struct Builtin {
  std::string_view name;
  std::string_view description;
};

inline constexpr std::array<Builtin, 2> kBuiltins = {{
    {"echo", "emits what it accepts, on its only port"},
    {"discard", "takes messages and forgets them"},
}};

}  // namespace ringkernel::schema
