// Numbers as they mostly stand in JSON, read and checked in one go. Up to JsonReader::kPadding
// bytes past `at` can be read. Null: it is none, or one that takes more care.
#pragma once

#include <cstddef>
#include <cstdint>

#include "schema/text_words.hpp"

namespace ringkernel::schema {

// As many digits fit 64 bits, whatever they are.
constexpr size_t kSafeDigits = 19;
constexpr uint64_t kTens[kSafeDigits + 1] = {1,
                                             10,
                                             100,
                                             1'000,
                                             10'000,
                                             100'000,
                                             1'000'000,
                                             10'000'000,
                                             100'000'000,
                                             1'000'000'000,
                                             10'000'000'000,
                                             100'000'000'000,
                                             1'000'000'000'000,
                                             10'000'000'000'000,
                                             100'000'000'000'000,
                                             1'000'000'000'000'000,
                                             10'000'000'000'000'000,
                                             100'000'000'000'000'000,
                                             1'000'000'000'000'000'000,
                                             10'000'000'000'000'000'000U};

// The digits from `at` on, 24 at most, and the number they are where they are kSafeDigits at most.
inline const char* plain_digits(const char* at, uint64_t& number) {
  uint64_t word = load_word(at);
  size_t n = digit_count(word);
  number = n == 0 ? 0 : number_of(word, n);
  for (int words = 1; n == 8 && words < 3; ++words) {
    at += 8;
    word = load_word(at);
    n = digit_count(word);
    if (n > 0) number = number * kTens[n] + number_of(word, n);
  }
  return at + n;
}

// A whole number without a sign.
inline const char* plain_whole(const char* at, uint64_t& number) {
  const char* const ended = plain_digits(at, number);
  const auto n = static_cast<size_t>(ended - at);
  if (n == 0 || (*at == '0' && n > 1) || n > kSafeDigits + 1) return nullptr;
  if (n > kSafeDigits) {
    number = number_of(load_word(at), 8) * kTens[8] + number_of(load_word(at + 8), 8);
    if (__builtin_mul_overflow(number, kTens[4], &number) ||
        __builtin_add_overflow(number, number_of(load_word(at + 16), 4), &number))
      return nullptr;
  }
  return ended;
}

// Up to `end`. The nearest double.
const char* plain_double(const char* at, const char* end, double& number);

}  // namespace ringkernel::schema
