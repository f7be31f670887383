#include "core/array_type.hpp"

namespace ringkernel {
namespace {

std::string joined(const std::vector<uint64_t>& extents, const char* between) {
  std::string text;
  for (const uint64_t extent : extents)
    text += (text.empty() ? "" : between) + std::to_string(extent);
  return text;
}

const char* numpy_name(Scalar scalar) {
  constexpr const char* kNames[] = {"bool",  "uint8", "uint16", "uint32",  "uint64", "int8",
                                    "int16", "int32", "int64",  "float32", "float64"};
  return kNames[static_cast<size_t>(scalar)];
}

}  // namespace

std::optional<uint64_t> bytes_of(const ArrayType& type) {
  uint64_t bytes = size_of(type.element);
  for (const uint64_t extent : type.extents)
    if (extent == 0) return 0;
  for (const uint64_t extent : type.extents) {
    if (extent > kMostBufferBytes / bytes) return std::nullopt;
    bytes *= extent;
  }
  return bytes;
}

std::string to_string(const ArrayType& type) {
  return std::string(to_string(type.element)) + "[" + joined(type.extents, ",") + "]";
}

std::string numpy_text(const ArrayType& type) {
  return std::string(numpy_name(type.element)) + " (" + joined(type.extents, ", ") +
         (type.extents.size() == 1 ? ",)" : ")");
}

}  // namespace ringkernel
