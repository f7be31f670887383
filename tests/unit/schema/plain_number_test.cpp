#include "schema/plain_number.hpp"

#include <doctest/doctest.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>

#include "schema/json_codec.hpp"
#include "schema/text_buffer.hpp"

using namespace ringkernel::schema;

namespace {

// As it stands in a line: with bytes behind it that can be read.
struct Padded {
  explicit Padded(const std::string& number)
      : text(number + "," + std::string(JsonReader::kPadding, '7')), size(number.size()) {}
  const char* begin() const { return text.data(); }
  const char* end() const { return text.data() + size; }
  std::string text;
  size_t size;
};

std::string whole(const std::string& number) {
  const Padded padded(number);
  uint64_t value = 0;
  return plain_whole(padded.begin(), value) == padded.end() ? std::to_string(value) : "left";
}

void check_double(const std::string& number) {
  const Padded padded(number);
  double value = 0;
  if (plain_double(padded.begin(), padded.end(), value) != padded.end()) return;
  const double expected = std::strtod(number.c_str(), nullptr);
  CHECK_MESSAGE(std::memcmp(&value, &expected, sizeof value) == 0, number);
}

template <class T>
std::string written(T number) {
  TextBuffer text;
  text.append_number(number);
  return std::string(text.view());
}

}  // namespace

TEST_CASE("whole numbers of every length are read, and left alone where they do not fit") {
  std::string number;
  for (int digits = 1; digits <= 19; ++digits) {
    number += static_cast<char>('0' + digits % 10);
    CHECK(whole(number) == number);
  }
  CHECK(whole("0") == "0");
  CHECK(whole("18446744073709551615") == "18446744073709551615");
  CHECK(whole("18446744073709551616") == "left");
  CHECK(whole("99999999999999999999") == "left");
  CHECK(whole("100000000000000000000") == "left");
  CHECK(whole("1000000000000000000000000000000") == "left");
}

TEST_CASE("what is spelt otherwise than JSON's whole numbers is left alone") {
  for (const char* number : {"", "-", "00", "01", "+1", "1.0", "1e3", ".5", "x", "-1", "1 1"})
    CHECK(whole(number) == "left");
}

TEST_CASE("a double is the nearest one, however it is spelt") {
  for (const char* number :
       {"0", "1", "0.1", "-0.5", "250.11", "9007199254740992", "9007199254740993", "1e22", "1e23",
        "123456789012345678", "1234567890123456789012", "0.30000000000000004", "4.35", "1e-320",
        "2.2250738585072011e-308", "1.7976931348623157e308", "0.000000000000000000000000000001",
        "12345678901234567890.12345678901234567890", "8101.1810000000005"})
    check_double(number);
  std::mt19937_64 random(1);
  std::array<char, 400> text{};
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t bits = random();
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    for (const double each : {value, static_cast<double>(bits >> 11) / 1e4}) {
      if (!(std::abs(each) <= std::numeric_limits<double>::max())) continue;
      for (const auto format : {std::chars_format::scientific, std::chars_format::fixed}) {
        const auto end = std::to_chars(text.data(), text.data() + text.size(), each, format).ptr;
        check_double({text.data(), end});
      }
    }
  }
}

TEST_CASE("what is no JSON number is no double") {
  for (const char* number : {"", "-", ".", "1.", ".5", "01", "-01.5", "1e", "1e+", "1.e3", "+1",
                             "inf", "nan", "0x10", "1e999", "1.5.5"}) {
    const Padded padded(number);
    double value = 0;
    CHECK(plain_double(padded.begin(), padded.end(), value) != padded.end());
  }
}

TEST_CASE("numbers are written with as many digits as they have") {
  std::mt19937_64 random(1);
  for (int bits = 0; bits < 64; ++bits) {
    for (const uint64_t number :
         {uint64_t{1} << bits, (uint64_t{1} << bits) - 1, random() >> bits}) {
      CHECK(written(number) == std::to_string(number));
      const auto with_sign = static_cast<int64_t>(number);
      CHECK(written(with_sign) == std::to_string(with_sign));
      CHECK(written(-(with_sign / 2)) == std::to_string(-(with_sign / 2)));
    }
  }
  uint64_t ten = 1;
  for (int digits = 1; digits < 20; ++digits, ten *= 10) {
    CHECK(written(ten) == std::to_string(ten));
    CHECK(written(ten - 1) == std::to_string(ten - 1));
  }
  CHECK(written(std::numeric_limits<uint64_t>::max()) == "18446744073709551615");
  CHECK(written(std::numeric_limits<int64_t>::min()) == "-9223372036854775808");
}
