#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ringkernel/export.hpp"

namespace ringkernel {

// The one of `known` that `name` was most likely meant to be; "" where none is near. Two letters
// swapped, one missing, one too many or one wrong count as one mistake; one mistake is near, and
// one more for every four letters.
RK_API std::string nearest_name(std::string_view name, const std::vector<std::string>& known);

}  // namespace ringkernel
