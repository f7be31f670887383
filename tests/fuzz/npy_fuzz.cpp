// Headers of .npy files: what is read can be written and read again, and nothing is read past the
// end.
#include "core/npy.hpp"
#include "fuzz/fuzz.hpp"
#include "ringkernel/device/module.hpp"

using namespace ringkernel;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  const auto header = parse_npy_header(bytes);
  if (!header) {
    fuzz::require(header.error().code == ErrorCode::ValidationError, "one code for all mistakes");
    return 0;
  }
  fuzz::require(header->size <= size, "the header is in the file");
  fuzz::require(bytes_of(header->type).has_value(), "a size that can be reckoned with");
  if (header->type.extents.size() > kMostExtents) return 0;
  const auto again = parse_npy_header(npy_header(header->type));
  fuzz::require(again.has_value() && again->type == header->type, "the same array");
  return 0;
}
