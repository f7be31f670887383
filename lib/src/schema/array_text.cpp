#include "schema/array_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "ringkernel/device/module.hpp"
#include "ringkernel/nearest_name.hpp"
#include "schema/type_text.hpp"

namespace ringkernel::schema {
namespace {

bool is_of_word(char c) { return isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Also where they are more than an integer counts.
std::string bytes_text(const ArrayType& type) {
  long double bytes = size_of(type.element);
  for (const uint64_t extent : type.extents) bytes *= static_cast<long double>(extent);
  std::array<char, 64> text{};
  snprintf(text.data(), text.size(), bytes < 1e18L ? "%.0Lf" : "%.3Lg", bytes);
  return text.data();
}

class ArrayText {
 public:
  ArrayText(std::string_view text, const std::vector<std::pair<std::string, int64_t>>& constants)
      : text_(text), constants_(constants) {}

  tl::expected<ArrayType, DeclarationError> parse() {
    if (read()) return type_;
    return tl::unexpected(error_);
  }

 private:
  bool failed(size_t at, std::string code, std::string message, std::string suggestion = {}) {
    error_ = {"", at, std::move(code), std::move(message), std::move(suggestion)};
    return false;
  }
  static std::string did_you_mean(std::string_view word, const std::vector<std::string>& names) {
    const std::string best = nearest_name(word, names);
    return best.empty() ? best : "did you mean '" + best + "'?";
  }
  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool take(char c) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  // A name, or a number in any spelling.
  std::string_view word() {
    skip_spaces();
    const size_t begin = at_;
    while (at_ < text_.size() &&
           (is_of_word(text_[at_]) || text_[at_] == '+' || text_[at_] == '-' || text_[at_] == '.'))
      ++at_;
    return text_.substr(begin, at_ - begin);
  }

  bool read() {
    skip_spaces();
    const size_t begin = at_;
    const std::string_view element = word();
    const auto scalar = scalar_from_string(element);
    if (!scalar)
      return failed(begin, "unknown-type",
                    element.empty() ? "expected a type, such as f32[1024]"
                                    : "a buffer has elements of type bool, u8 to u64, i8 to i64, "
                                      "f32 or f64, not '" +
                                          std::string(element) + "'",
                    did_you_mean(element, {kScalarNames.begin(), kScalarNames.end()}));
    type_.element = *scalar;
    if (!take('['))
      return failed(at_, "bad-type",
                    "a buffer needs its size: " + std::string(element) + "[1024] or " +
                        std::string(element) + "[64,64]");
    do {
      if (!extent()) return false;
    } while (take(','));
    if (!take(']')) return failed(at_, "bad-type", "expected ',' or ']'");
    skip_spaces();
    if (at_ != text_.size())
      return failed(at_, "bad-type",
                    "unexpected '" + std::string(text_.substr(at_)) + "' after the type");
    if (!bytes_of(type_))
      return failed(begin, "too-large",
                    to_string(type_) + " takes " + bytes_text(type_) +
                        " bytes, and a buffer may have " + std::to_string(kMostBufferBytes));
    return true;
  }

  bool extent() {
    skip_spaces();
    const size_t begin = at_;
    const std::string_view size = word();
    if (type_.extents.size() == kMostExtents)
      return failed(begin, "bad-type",
                    "a buffer has at most " + std::to_string(kMostExtents) + " dimensions");
    if (NumberAdvice advice = number_advice(size); !advice.number.empty())
      return failed(begin, "bad-number",
                    "'" + std::string(size) + "' is no number: they are written as in JSON",
                    std::move(advice.suggestion));
    int64_t value = 0;
    if (is_identifier(size)) {
      const auto found = std::find_if(constants_.begin(), constants_.end(),
                                      [&](const auto& constant) { return constant.first == size; });
      if (found == constants_.end()) {
        std::vector<std::string> names;
        for (const auto& [name, number] : constants_) names.push_back(name);
        return failed(begin, "unknown-constant",
                      "'" + std::string(size) + "' is no constant of the kernel",
                      did_you_mean(size, names));
      }
      value = found->second;
      if (value < 1)
        return failed(begin, "bad-size",
                      "the size " + std::string(size) + " is " + std::to_string(value) +
                          ", and must be at least 1");
    } else {
      const char* end = size.data() + size.size();
      const auto [stop, error] = std::from_chars(size.data(), end, value);
      if (error == std::errc::invalid_argument || stop != end)
        return failed(begin, "bad-type", "expected a number or a constant of the kernel");
      if (error != std::errc() || value < 1)
        return failed(begin, "bad-size", "the size must be at least 1, and fit 63 bits");
    }
    type_.extents.push_back(static_cast<uint64_t>(value));
    return true;
  }

  std::string_view text_;
  const std::vector<std::pair<std::string, int64_t>>& constants_;
  size_t at_ = 0;
  ArrayType type_;
  DeclarationError error_;
};

}  // namespace

tl::expected<ArrayType, DeclarationError> parse_array_type(
    std::string_view text, const std::vector<std::pair<std::string, int64_t>>& constants) {
  return ArrayText(text, constants).parse();
}

}  // namespace ringkernel::schema
