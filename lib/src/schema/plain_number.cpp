#include "schema/plain_number.hpp"

#include <charconv>
#include <system_error>

namespace ringkernel::schema {
namespace {

// What is no short decimal fraction, and has been seen to be a number up to `ended`.
const char* converted(const char* at, const char* ended, double& number) {
  const auto result = std::from_chars(at, ended, number);
  // Whether a zero is one, or the number too small to be another, takes more care.
  return result.ec == std::errc() && result.ptr == ended && number != 0 ? ended : nullptr;
}

}  // namespace

const char* plain_double(const char* at, const char* end, double& number) {
  constexpr double kExactTens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
                                   1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19};
  constexpr uint64_t kExact = uint64_t{1} << 53;
  const char* const begin = at;
  const bool negative = *at == '-';
  if (negative) ++at;
  const auto rest_of_digits = [end](const char* from) {
    while (from < end && *from >= '0' && *from <= '9') ++from;
    return from;
  };
  uint64_t digits = 0;
  const char* const first = at;
  at = plain_digits(at, digits);
  auto count = static_cast<size_t>(at - first);
  if (count == 0 || (*first == '0' && count > 1)) return nullptr;
  if (count > kSafeDigits) at = rest_of_digits(at);
  size_t places = 0;
  if (*at == '.') {
    uint64_t fraction = 0;
    const char* const point = at;
    at = plain_digits(at + 1, fraction);
    places = static_cast<size_t>(at - point) - 1;
    if (places == 0) return nullptr;
    count += places;
    if (count > kSafeDigits)
      at = rest_of_digits(at);
    else
      digits = digits * kTens[places] + fraction;
  }
  if (*at == 'e' || *at == 'E') {
    ++at;
    if (*at == '+' || *at == '-') ++at;
    const char* const power = at;
    at = rest_of_digits(at);
    const auto length = static_cast<size_t>(at - power);
    return length == 0 || length > kSafeDigits ? nullptr : converted(begin, at, number);
  }
  if (count > kSafeDigits || digits > kExact) return converted(begin, at, number);
  // Both are exact, so their quotient is rounded once.
  number = static_cast<double>(digits) / kExactTens[places];
  if (negative) number = -number;
  return at;
}

}  // namespace ringkernel::schema
