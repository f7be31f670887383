#include "schema/type_text.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include "ringkernel/nearest_name.hpp"
#include "schema/type_layout.hpp"

namespace ringkernel::schema {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

size_t skip_digits(std::string_view text, size_t at) {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

// "0x10" and its like, in decimal; empty where it is none.
std::string decimal_of(std::string_view text) {
  if (text.size() < 3 || text[0] != '0') return "";
  const char mark = text[1];
  const int base = mark == 'x' || mark == 'X'   ? 16
                   : mark == 'o' || mark == 'O' ? 8
                   : mark == 'b' || mark == 'B' ? 2
                                                : 0;
  if (base == 0) return "";
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  auto [at, code] = std::from_chars(text.data() + 2, end, value, base);
  return code == std::errc() && at == end ? std::to_string(value) : "";
}

class Parser {
 public:
  Parser(std::string_view text, const std::vector<MessageTypePtr>& known)
      : text_(text), known_(known) {}

  tl::expected<ParsedType, DeclarationError> parse() {
    ParsedType parsed;
    skip_spaces();
    if (!type(parsed.type)) return tl::unexpected(error_);
    skip_spaces();
    if (at_ < text_.size() && text_[at_] == '=') {
      ++at_;
      skip_spaces();
      parsed.default_offset = at_;
      std::string_view rest = text_.substr(at_);
      while (!rest.empty() && rest.back() == ' ') rest.remove_suffix(1);
      if (parsed.type.kind == Type::Kind::Scalar && parsed.type.scalar != Scalar::Bool &&
          misspelt(rest))
        return tl::unexpected(error_);
      parsed.default_text = std::string(rest);
      return parsed;
    }
    if (at_ != text_.size()) {
      failed("bad-type", "unexpected '" + std::string(text_.substr(at_)) + "' after the type");
      return tl::unexpected(error_);
    }
    return parsed;
  }

 private:
  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  bool failed(std::string code, std::string message, std::string suggestion = {}) {
    error_ = {"", at_, std::move(code), std::move(message), std::move(suggestion)};
    return false;
  }

  bool misspelt(std::string_view number) {
    NumberAdvice advice = number_advice(number);
    if (advice.number.empty()) return false;
    return !failed("bad-number",
                   "'" + std::string(number) + "' is no number: they are written as in JSON",
                   std::move(advice.suggestion));
  }

  std::string_view word() {
    size_t start = at_;
    while (at_ < text_.size() &&
           (isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_'))
      ++at_;
    return text_.substr(start, at_ - start);
  }

  bool type(Type& type) {
    if (!base(type)) return false;
    // T[N], T[<=N]
    while (at_ < text_.size() && text_[at_] == '[') {
      if (type.kind == Type::Kind::Array || type.kind == Type::Kind::List)
        return failed("bad-type", "arrays of arrays are not supported; nest a message");
      Type array;
      ++at_;
      skip_spaces();
      array.kind = Type::Kind::Array;
      if (text_.substr(at_, 2) == "<=") {
        array.kind = Type::Kind::List;
        at_ += 2;
      }
      if (!count(array.count, 1, kMaxPayload) || !close()) return false;
      array.element = std::make_shared<Type>(type);
      if (!lay_out(array)) return failed("too-large", "a message may have at most 1 MiB");
      type = array;
    }
    skip_spaces();
    if (at_ < text_.size() && text_[at_] == '?') {
      ++at_;
      type.optional = true;
    }
    if (!lay_out(type)) return failed("too-large", "a message may have at most 1 MiB");
    return true;
  }

  bool base(Type& type) {
    size_t start = at_;
    std::string_view name = word();
    if (name.empty()) return failed("bad-type", "expected a type");
    if (auto scalar = scalar_from_string(name)) {
      type.kind = Type::Kind::Scalar;
      type.scalar = *scalar;
    } else if (name == "string" || name == "bytes") {
      type.kind = name == "string" ? Type::Kind::String : Type::Kind::Bytes;
      if (at_ >= text_.size() || text_[at_] != '[')
        return failed("bad-type",
                      std::string(name) + " needs its size: " + std::string(name) + "[32]");
      ++at_;
      if (!count(type.count, 1, 65535) || !close()) return false;
    } else if (name == "enum") {
      type.kind = Type::Kind::Enum;
      if (!enum_names(type)) return false;
    } else {
      auto found =
          std::find_if(known_.begin(), known_.end(), [&](auto& m) { return m->name == name; });
      if (found == known_.end()) {
        at_ = start;
        return failed("unknown-type", "unknown type '" + std::string(name) + "'", nearest(name));
      }
      type.kind = Type::Kind::Message;
      type.message = *found;
    }
    if (!lay_out(type)) return failed("too-large", "a message may have at most 1 MiB");
    return true;
  }

  bool enum_names(Type& type) {
    if (at_ >= text_.size() || text_[at_] != '[')
      return failed("bad-type", "enum needs its names: enum[a, b]");
    ++at_;
    std::set<std::string_view> seen;
    for (;;) {
      skip_spaces();
      size_t start = at_;
      std::string_view name = word();
      if (!is_identifier(name)) {
        at_ = start;
        return failed("bad-name", "the names of an enum are C++ identifiers");
      }
      if (is_reserved_name(name)) {
        at_ = start;
        return failed("name-reserved", "'" + std::string(name) + "' is a reserved name");
      }
      if (!seen.insert(name).second) {
        at_ = start;
        return failed("duplicate-name", "'" + std::string(name) + "' stands twice in the enum");
      }
      type.names.emplace_back(name);
      skip_spaces();
      if (at_ < text_.size() && text_[at_] == ',') {
        ++at_;
        continue;
      }
      if (type.names.size() > 65536) return failed("too-large", "an enum has at most 65536 names");
      return close();
    }
  }

  bool count(uint32_t& into, uint32_t least, uint32_t most) {
    skip_spaces();
    size_t start = at_;
    size_t stop = text_.find(']', at_);
    while (stop != std::string_view::npos && stop > at_ && text_[stop - 1] == ' ') --stop;
    if (stop != std::string_view::npos && misspelt(text_.substr(at_, stop - at_))) return false;
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), into);
    if (error == std::errc::invalid_argument) return failed("bad-type", "expected a number");
    at_ = static_cast<size_t>(end - text_.data());
    if (error != std::errc() || into < least || into > most) {
      at_ = start;
      return failed("bad-size",
                    "the size must be " + std::to_string(least) + " to " + std::to_string(most));
    }
    return true;
  }

  bool close() {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != ']') return failed("bad-type", "expected ']'");
    ++at_;
    return true;
  }

  std::string nearest(std::string_view name) const {
    std::vector<std::string> candidates(kScalarNames.begin(), kScalarNames.end());
    candidates.insert(candidates.end(), {"string", "bytes", "enum"});
    for (const auto& message : known_) candidates.push_back(message->name);
    const std::string best = nearest_name(name, candidates);
    return best.empty() ? best : "did you mean '" + best + "'?";
  }

  std::string_view text_;
  const std::vector<MessageTypePtr>& known_;
  size_t at_ = 0;
  DeclarationError error_;
};

}  // namespace

std::string to_string(const Type& type) {
  std::string text;
  switch (type.kind) {
    case Type::Kind::Scalar:
      text = to_string(type.scalar);
      break;
    case Type::Kind::String:
      text = "string[" + std::to_string(type.count) + "]";
      break;
    case Type::Kind::Bytes:
      text = "bytes[" + std::to_string(type.count) + "]";
      break;
    case Type::Kind::Enum:
      for (const std::string& name : type.names) text += (text.empty() ? "enum[" : ", ") + name;
      text += "]";
      break;
    case Type::Kind::Message:
      text = type.message->name;
      break;
    case Type::Kind::Array:
      text = to_string(*type.element) + "[" + std::to_string(type.count) + "]";
      break;
    case Type::Kind::List:
      text = to_string(*type.element) + "[<=" + std::to_string(type.count) + "]";
      break;
  }
  return type.optional ? text + "?" : text;
}

tl::expected<ParsedType, DeclarationError> parse_type(std::string_view text,
                                                      const std::vector<MessageTypePtr>& known) {
  return Parser(text, known).parse();
}

bool is_json_number(std::string_view text) {
  size_t at = !text.empty() && text[0] == '-' ? 1 : 0;
  const size_t whole = at;
  at = skip_digits(text, at);
  if (at == whole || (at > whole + 1 && text[whole] == '0')) return false;
  if (at < text.size() && text[at] == '.') {
    const size_t fraction = ++at;
    if ((at = skip_digits(text, at)) == fraction) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const size_t exponent = at;
    if ((at = skip_digits(text, at)) == exponent) return false;
  }
  return at == text.size();
}

NumberAdvice number_advice(std::string_view text) {
  if (text.empty() || is_json_number(text)) return {};
  std::string body(text);
  std::string sign;
  if (body[0] == '+' || body[0] == '-') {
    if (body[0] == '-') sign = "-";
    body.erase(0, 1);
  }
  if (body.empty() || !(is_digit(body[0]) || body[0] == '.')) return {};
  std::erase(body, '_');
  std::string number = decimal_of(body);
  std::string octal;
  if (number.empty()) {
    const size_t whole_end = skip_digits(body, 0);
    std::string whole = body.substr(0, whole_end);
    std::string rest = body.substr(whole_end);
    if (rest.empty()) octal = "0o" + whole;
    const size_t first = std::min(whole.find_first_not_of('0'), whole.size());
    if (octal.empty() || first == 0 || whole.size() == first) octal.clear();
    whole.erase(0, first);
    if (whole.empty()) whole = "0";
    // A point needs digits on both sides.
    if (rest.size() == 1 && rest[0] == '.') {
      if (whole_end == 0) return {};
      rest.clear();
    }
    if (rest.size() > 1 && rest[0] == '.' && !is_digit(rest[1])) rest.erase(0, 1);
    number = whole + rest;
  }
  number.insert(0, sign);
  if (!is_json_number(number)) return {};
  NumberAdvice advice{number, "write " + number};
  if (!octal.empty()) octal = decimal_of(octal);
  if (!octal.empty() && sign + octal != number)
    advice.suggestion += ", or " + sign + octal + ": YAML reads " + std::string(text) + " as octal";
  return advice;
}

}  // namespace ringkernel::schema
