// Text that is being put together: one look at the room for each piece, and words stored whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "schema/text_words.hpp"

namespace ringkernel::schema {

class TextBuffer {
 public:
  std::string_view view() const { return {begin_.get(), static_cast<size_t>(at_ - begin_.get())}; }
  void clear() { at_ = begin_.get(); }

  // Where at least `n` bytes can be put, and stored over up to kBeyond past them.
  char* room(size_t n) {
    if (n + kBeyond > static_cast<size_t>(end_ - at_)) grow(n + kBeyond);
    return at_;
  }
  // What was put there ends at `at`.
  void put(char* at) { at_ = at; }

  void append(char c) {
    *room(1) = c;
    ++at_;
  }
  void append(std::string_view text) {
    copy_text(room(text.size()), text.data(), text.size());
    at_ += text.size();
  }
  // `text` can be read up to the next multiple of eight bytes.
  void append_padded(const char* text, size_t n) {
    char* const to = room(n);
    for (size_t i = 0; i < n; i += 8) store_word(to + i, load_word(text + i));
    at_ += n;
  }
  void append_number(uint64_t number);
  void append_number(int64_t number);

 private:
  static constexpr size_t kBeyond = 8;
  void append_leading(uint32_t number);  // below 10^8, without zeroes before it
  void grow(size_t n);

  std::unique_ptr<char[]> begin_;
  char* at_ = nullptr;
  char* end_ = nullptr;
};

}  // namespace ringkernel::schema
