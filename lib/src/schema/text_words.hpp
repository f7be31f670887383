// Text, eight bytes at a time.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ringkernel::schema {

constexpr uint64_t kEveryByte = 0x0101'0101'0101'0101;
constexpr uint64_t kHighBits = 0x80 * kEveryByte;

// The first byte of the text is the lowest one of the word.
inline uint64_t load_word(const char* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

// The high bit of each byte that a JSON string cannot have as it is: quotes, backslashes, control
// characters. Right for the lowest one that is set and for "none"; above it, others may be set.
inline uint64_t special_bytes(uint64_t word) {
  const uint64_t quotes = word ^ ('"' * kEveryByte);
  const uint64_t backslashes = word ^ ('\\' * kEveryByte);
  const uint64_t below = (quotes - kEveryByte) & ~quotes;
  const uint64_t slashes = (backslashes - kEveryByte) & ~backslashes;
  const uint64_t controls = (word - 0x20 * kEveryByte) & ~word;
  return (below | slashes | controls) & kHighBits;
}

inline size_t first_of(uint64_t bits) { return static_cast<size_t>(std::countr_zero(bits)) / 8; }

// How many digits the text starts with, 8 at most.
inline size_t digit_count(uint64_t word) {
  // A byte is a digit where it differs from '0' by less than 10. Right for the lowest that is none.
  const uint64_t difference = word ^ '0' * kEveryByte;
  const uint64_t others = (difference | (difference + (0x80 - 10) * kEveryByte)) & kHighBits;
  return others == 0 ? 8 : first_of(others);
}

// The number that the first `n` digits of the text are, 0 < n <= 8.
inline uint64_t number_of(uint64_t word, size_t n) {
  word <<= 64 - 8 * n;
  // Neighbours are joined: 8 digits to 4 numbers of two, to 2 of four, to one.
  word = (word & 0x0F * kEveryByte) * (1 + (10 << 8)) >> 8;
  word = (word & 0x00FF'00FF'00FF'00FF) * (1 + (100 << 16)) >> 16;
  return (word & 0x0000'FFFF'0000'FFFF) * (1 + (uint64_t{10'000} << 32)) >> 32;
}

// The text of a number below 10^8: eight digits, zeroes first.
inline uint64_t digits_of(uint32_t number) {
  // Each number is parted in two: one of 8 digits, 2 of four, 4 of two.
  uint64_t word = number / 10'000 | uint64_t{number % 10'000} << 32;
  const uint64_t hundreds = (word * 10'486 >> 20) & 0x0000'007F'0000'007F;
  word = hundreds | (word - hundreds * 100) << 16;
  const uint64_t tens = (word * 103 >> 10) & 0x000F'000F'000F'000F;
  return (tens | (word - tens * 10) << 8) + '0' * kEveryByte;
}

inline void store_word(char* to, uint64_t word) {
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  std::memcpy(to, &word, sizeof word);
}

// The first `n` < 8 bytes, with blanks after them; no more than those are read.
inline uint64_t load_few(const char* at, size_t n) {
  const auto byte = [at](size_t i) {
    return uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
  };
  uint64_t word = ' ' * kEveryByte << (8 * n);
  if (n >= 4) {
    uint32_t first = 0, last = 0;
    std::memcpy(&first, at, 4);
    std::memcpy(&last, at + n - 4, 4);
    if constexpr (std::endian::native == std::endian::big) {
      first = __builtin_bswap32(first);
      last = __builtin_bswap32(last);
    }
    word |= first | uint64_t{last} << (8 * (n - 4));
  } else if (n > 0) {
    word |= byte(0) | byte(n / 2) | byte(n - 1);
  }
  return word;
}

// Few bytes as a rule, for which a call would cost more than the copy.
inline void copy_text(char* to, const char* from, size_t n) {
  if (n > 16) {
    std::memcpy(to, from, n);
  } else if (n >= 8) {
    std::memcpy(to, from, 8);
    std::memcpy(to + n - 8, from + n - 8, 8);
  } else if (n >= 4) {
    std::memcpy(to, from, 4);
    std::memcpy(to + n - 4, from + n - 4, 4);
  } else if (n > 0) {
    to[0] = from[0];
    to[n / 2] = from[n / 2];
    to[n - 1] = from[n - 1];
  }
}

}  // namespace ringkernel::schema
