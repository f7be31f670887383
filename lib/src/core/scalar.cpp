#include "core/scalar.hpp"

#include <algorithm>

namespace ringkernel {

std::string_view to_string(Scalar scalar) { return kScalarNames[static_cast<size_t>(scalar)]; }

std::optional<Scalar> scalar_from_string(std::string_view name) {
  const auto* found = std::find(kScalarNames.begin(), kScalarNames.end(), name);
  if (found == kScalarNames.end()) return std::nullopt;
  return static_cast<Scalar>(found - kScalarNames.begin());
}

uint32_t size_of(Scalar scalar) {
  switch (scalar) {
    case Scalar::Bool:
    case Scalar::U8:
    case Scalar::I8:
      return 1;
    case Scalar::U16:
    case Scalar::I16:
      return 2;
    case Scalar::U32:
    case Scalar::I32:
    case Scalar::F32:
      return 4;
    case Scalar::U64:
    case Scalar::I64:
    case Scalar::F64:
      return 8;
  }
  return 0;
}

}  // namespace ringkernel
