// What a buffer is: elements of one type in C order, and how many along each dimension.
#pragma once

#include <string>
#include <vector>

#include "core/scalar.hpp"

namespace ringkernel {

struct ArrayType {
  Scalar element = Scalar::F32;
  std::vector<uint64_t> extents;

  bool operator==(const ArrayType&) const = default;
};

// No machine has more for one array.
inline constexpr uint64_t kMostBufferBytes = uint64_t{1} << 40;

// Nothing where they are more than kMostBufferBytes.
std::optional<uint64_t> bytes_of(const ArrayType& type);

std::string to_string(const ArrayType& type);   // "f32[1024,1024]"
std::string numpy_text(const ArrayType& type);  // "float32 (1024, 1024)"

}  // namespace ringkernel
