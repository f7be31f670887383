// Bytes that have been read and not yet used, in one piece.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace ringkernel::launcher {

class ByteBuffer {
 public:
  // `padding` bytes past the last one can be read; their content is free.
  explicit ByteBuffer(size_t padding) : padding_(padding) {}

  // Where at least `n` more bytes can be put; views into the buffer end here.
  std::span<char> room(size_t n);
  void filled(size_t n) { end_ += n; }

  std::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
  size_t size() const { return end_ - begin_; }
  void use(size_t n) {
    begin_ += n;
    // From the start again, while that is in the cache.
    if (begin_ == end_) begin_ = end_ = 0;
  }

 private:
  void move_to(size_t capacity);

  size_t padding_;
  std::unique_ptr<char[]> data_;
  size_t capacity_ = 0;  // without the padding
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace ringkernel::launcher
