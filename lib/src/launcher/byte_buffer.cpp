#include "launcher/byte_buffer.hpp"

#include <algorithm>
#include <cstring>

namespace ringkernel::launcher {
namespace {

// What one long line made the buffer grow to is given back after it.
constexpr size_t kUsual = size_t{1} << 20;

}  // namespace

void ByteBuffer::move_to(size_t capacity) {
  const size_t size = end_ - begin_;
  if (capacity == capacity_) {
    if (size > 0) std::memmove(data_.get(), data_.get() + begin_, size);
  } else {
    auto moved = std::make_unique_for_overwrite<char[]>(capacity + padding_);
    if (size > 0) std::memcpy(moved.get(), data_.get() + begin_, size);
    data_ = std::move(moved);
    capacity_ = capacity;
  }
  begin_ = 0;
  end_ = size;
}

std::span<char> ByteBuffer::room(size_t n) {
  const size_t size = end_ - begin_;
  if (capacity_ > kUsual && size + n <= kUsual) {
    move_to(kUsual);
  } else if (capacity_ - end_ < n) {
    move_to(size + n <= capacity_ ? capacity_ : std::max(size + n, 2 * capacity_));
  }
  return {data_.get() + end_, capacity_ - end_};
}

}  // namespace ringkernel::launcher
