#include "schema/text_buffer.hpp"

#include <algorithm>
#include <utility>

namespace ringkernel::schema {

void TextBuffer::grow(size_t n) {
  const std::string_view old = view();
  const auto room = static_cast<size_t>(end_ - begin_.get());
  const size_t size = std::max({old.size() + n, 2 * room, size_t{1024}});
  auto grown = std::make_unique_for_overwrite<char[]>(size);
  if (!old.empty()) std::memcpy(grown.get(), old.data(), old.size());
  at_ = grown.get() + old.size();
  end_ = grown.get() + size;
  begin_ = std::move(grown);
}

void TextBuffer::append_leading(uint32_t number) {
  const uint64_t word = digits_of(number);
  // The last zero of a zero stays.
  const uint64_t others = (word ^ '0' * kEveryByte) | uint64_t{1} << 56;
  const size_t zeroes = first_of(others);
  store_word(at_, word >> (8 * zeroes));
  at_ += 8 - zeroes;
}

void TextBuffer::append_number(uint64_t number) {
  constexpr uint64_t kEight = 100'000'000;
  room(24);
  if (number < kEight) return append_leading(static_cast<uint32_t>(number));
  const auto last = static_cast<uint32_t>(number % kEight);
  number /= kEight;
  if (number < kEight) {
    append_leading(static_cast<uint32_t>(number));
  } else {
    append_leading(static_cast<uint32_t>(number / kEight));
    store_word(at_, digits_of(static_cast<uint32_t>(number % kEight)));
    at_ += 8;
  }
  store_word(at_, digits_of(last));
  at_ += 8;
}

void TextBuffer::append_number(int64_t number) {
  auto magnitude = static_cast<uint64_t>(number);
  if (number < 0) {
    append('-');
    magnitude = 0 - magnitude;
  }
  append_number(magnitude);
}

}  // namespace ringkernel::schema
