#pragma once

#include <string_view>

#include "ringkernel/export.hpp"

namespace ringkernel {

RK_API std::string_view version();  // "0.1.0", of the library that is loaded

}  // namespace ringkernel
