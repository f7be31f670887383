#include "schema/plain_reader.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "schema/base64.hpp"
#include "schema/plain_number.hpp"
#include "schema/text_words.hpp"

// Called once per member: the call would cost as much as what is done.
#define RK_INLINED [[gnu::always_inline]] inline

namespace ringkernel::schema {
namespace {

// Deeper than this, and the careful reader looks whether it is too deep.
constexpr int kDeep = kMaxDepth / 2;
// As many names are compared one by one; more are looked up.
constexpr size_t kFewNames = 8;

bool starts_with(const char* at, const KeyPattern& key, const char* end) {
  const uint64_t different = ((load_word(at) ^ key.words[0]) & key.masks[0]) |
                             ((load_word(at + 8) ^ key.words[1]) & key.masks[1]);
  if (different != 0 || key.size == 0) return false;
  constexpr size_t kCompared = sizeof key.words;
  if (key.size <= kCompared) return true;
  return at + key.size <= end &&
         std::memcmp(at + kCompared, key.text.data() + kCompared, key.size - kCompared) == 0;
}

bool starts_with(const char* at, const char (&four)[5]) { return std::memcmp(at, four, 4) == 0; }

// The character that a backslash and `c` stand for; 0: none, or it takes more than `c`.
char meant_by(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/':
      return c;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return 0;
  }
}

template <class T>
void store(std::byte* out, T value) {
  std::memcpy(out, &value, sizeof value);
}

RK_INLINED const char* store_sized(const char* ended, const void* bytes, size_t size,
                                   const Type& type, std::byte* out) {
  if (size > type.count) return nullptr;
  store(out, static_cast<uint16_t>(size));
  copy_text(reinterpret_cast<char*>(out) + sizeof(uint16_t), static_cast<const char*>(bytes), size);
  return ended;
}

}  // namespace

RK_INLINED const char* PlainReader::blanks(const char* at) const {
  while (*at <= ' ' && (*at == ' ' || *at == '\t') && at < end_) ++at;
  return at;
}

bool PlainReader::read(std::string_view line, std::byte* out, uint32_t& type) {
  end_ = line.data() + line.size();
  const char* at = blanks(line.data());
  if (at >= end_ || *at != '{') return false;
  at = blanks(at + 1);
  type = 0;
  if (plan_.tagged) {
    at = tag(at, type);
    if (at == nullptr) return false;
  }
  at = members(at, *plan_.messages[type], out);
  if (at == nullptr || at > end_) return false;
  while (at < end_ && (*at == ' ' || *at == '\t' || *at == '\r')) ++at;
  return at == end_;
}

// The tag, where it comes first, and the comma behind it.
const char* PlainReader::tag(const char* at, uint32_t& type) {
  constexpr std::string_view kKey = R"("type":)";
  if (left(at) < kKey.size() || std::memcmp(at, kKey.data(), kKey.size()) != 0) return nullptr;
  std::string_view name;
  at = blanks(at + kKey.size());
  at = text(at, left(at), name);
  if (at == nullptr) return nullptr;
  const auto found = plan_.by_name.find(name);
  if (found == plan_.by_name.end()) return nullptr;
  type = found->second;
  if (plan_.messages[type]->has_type_key) return nullptr;
  at = blanks(at);
  if (*at == '}') return at;
  if (*at != ',') return nullptr;
  at = blanks(at + 1);
  return *at == '"' ? at : nullptr;
}

// From the first member to behind the brace.
const char* PlainReader::members(const char* at, MessagePlan& plan, std::byte* out) {
  constexpr size_t kMostFields = 64;
  if (plan.fields.size() > kMostFields) return nullptr;
  std::memcpy(out, plan.blank.data(), plan.blank.size());
  uint64_t seen = 0;
  FieldPlan** expected = &plan.first;
  bool more = *at != '}';
  while (more) {
    if (at >= end_) return nullptr;
    FieldPlan* field = *expected;
    if (field != nullptr && starts_with(at, field->pattern, end_)) {
      at += field->pattern.size;
    } else {
      at = key(at, plan, field);
      if (at == nullptr) return nullptr;
      if (field != nullptr) *expected = field;
    }
    at = blanks(at);
    if (at >= end_) return nullptr;
    if (field == nullptr) {
      at = ignored(at, 1);
    } else {
      if ((seen & field->bit) != 0) return nullptr;
      seen |= field->bit;
      expected = &field->follower;
      std::byte* const to = out + field->offset;
      if (field->has_default) std::memset(to, 0, field->value.type->size);
      at = value(at, field->value, to);
    }
    if (at == nullptr || at >= end_) return nullptr;
    at = blanks(at);
    more = *at == ',';
    if (more)
      at = blanks(at + 1);
    else if (*at != '}')
      return nullptr;
  }
  return (plan.required & ~seen) == 0 ? at + 1 : nullptr;
}

// A key and its colon, where it is another than was expected. `field`: null where it is ignored.
const char* PlainReader::key(const char* at, MessagePlan& plan, FieldPlan*& field) {
  std::string_view key;
  at = text(at, left(at), key);
  if (at == nullptr) return nullptr;
  at = blanks(at);
  if (*at != ':') return nullptr;
  const auto found = plan.by_key.find(key);
  field = found == plan.by_key.end() ? nullptr : &plan.fields[found->second];
  const bool may_be_ignored = plan_.ignore_unknown && !(plan_.tagged && key == "type");
  return field != nullptr || may_be_ignored ? at + 1 : nullptr;
}

// REQUIRES: `out` is zeroed.
RK_INLINED const char* PlainReader::value(const char* at, const ValuePlan& plan, std::byte* out) {
  const Type& type = *plan.type;
  if (type.optional) {
    if (starts_with(at, "null")) return at + 4;
    out[type.value_size] = std::byte{1};
  }
  switch (type.kind) {
    case Type::Kind::Scalar:
      return scalar(at, plan, out);
    case Type::Kind::String:
      return string(at, type, out);
    case Type::Kind::Bytes:
      return base64(at, type, out);
    case Type::Kind::Enum:
      return name(at, plan, out);
    case Type::Kind::Message:
      return *at == '{' ? members(blanks(at + 1), *plan.message, out) : nullptr;
    case Type::Kind::Array:
    case Type::Kind::List:
      return elements(at, plan, out);
  }
  return nullptr;
}

RK_INLINED const char* PlainReader::scalar(const char* at, const ValuePlan& plan,
                                           std::byte* out) const {
  const Scalar type = plan.type->scalar;
  if (type == Scalar::F64 || type == Scalar::F32) return floating(at, type == Scalar::F32, out);
  if (type == Scalar::Bool) {
    const bool truth = starts_with(at, "true");
    *out = static_cast<std::byte>(truth);
    if (truth) return at + 4;
    return starts_with(at, "fals") && at[4] == 'e' ? at + 5 : nullptr;
  }
  const bool negative = *at == '-' && plan.is_signed;
  uint64_t number = 0;
  at = plain_whole(at + (negative ? 1 : 0), number);
  if (at == nullptr || number > plan.most) return nullptr;
  if (negative) number = 0 - number;
  switch (plan.type->value_size) {
    case 1:
      store(out, static_cast<uint8_t>(number));
      break;
    case 2:
      store(out, static_cast<uint16_t>(number));
      break;
    case 4:
      store(out, static_cast<uint32_t>(number));
      break;
    default:
      store(out, number);
  }
  return at;
}

const char* PlainReader::floating(const char* at, bool narrow, std::byte* out) const {
  double number = 0;
  at = plain_double(at, end_, number);
  if (at == nullptr) return nullptr;
  if (!narrow) {
    store(out, number);
    return at;
  }
  const auto rounded = static_cast<float>(number);
  store(out, rounded);
  return std::abs(rounded) <= std::numeric_limits<float>::max() ? at : nullptr;
}

const char* PlainReader::elements(const char* at, const ValuePlan& plan, std::byte* out) {
  const Type& type = *plan.type;
  const Type& element = *type.element;
  if (*at != '[') return nullptr;
  at = blanks(at + 1);
  const bool list = type.kind == Type::Kind::List;
  std::byte* const first = out + (list ? std::max(4U, element.alignment) : 0);
  uint32_t n = 0;
  while (*at != ']' || n > 0) {
    if (at >= end_ || n == type.count) return nullptr;
    at = value(at, *plan.element, first + size_t{n} * element.size);
    if (at == nullptr || at >= end_) return nullptr;
    ++n;
    at = blanks(at);
    if (*at == ']') break;
    if (*at != ',') return nullptr;
    at = blanks(at + 1);
  }
  if (!list) return n == type.count ? at + 1 : nullptr;
  store(out, n);
  return at + 1;
}

RK_INLINED const char* PlainReader::string(const char* at, const Type& type, std::byte* out) {
  if (*at != '"') return nullptr;
  // Most are short: the quote is in the first word.
  const uint64_t word = load_word(at + 1);
  const uint64_t special = special_bytes(word);
  const size_t n = first_of(special);
  if (special != 0 && at[1 + n] == '"' &&
      (word & kHighBits & ((special & (~special + 1)) - 1)) == 0)
    return store_sized(at + 2 + n, at + 1, n, type, out);
  std::string_view found;
  at = text(at, type.count, found);
  return at == nullptr ? nullptr : store_sized(at, found.data(), found.size(), type, out);
}

const char* PlainReader::base64(const char* at, const Type& type, std::byte* out) {
  std::string_view found;
  at = text(at, left(at), found);
  if (at == nullptr || !decode_base64(found, bytes_)) return nullptr;
  return store_sized(at, bytes_.data(), bytes_.size(), type, out);
}

const char* PlainReader::name(const char* at, const ValuePlan& plan, std::byte* out) {
  const Type& type = *plan.type;
  std::string_view found;
  at = text(at, left(at), found);
  if (at == nullptr) return nullptr;
  uint16_t value = 0;
  if (type.names.size() <= kFewNames) {
    while (value < type.names.size() && type.names[value] != found) ++value;
    if (value == type.names.size()) return nullptr;
  } else {
    const auto known = plan.names.find(found);
    if (known == plan.names.end()) return nullptr;
    value = known->second;
  }
  if (type.value_size == 1)
    store(out, static_cast<uint8_t>(value));
  else
    store(out, value);
  return at;
}

const char* PlainReader::text(const char* at, size_t most, std::string_view& text) {
  if (*at != '"') return nullptr;
  const char* const begin = ++at;
  const char* const last = at + std::min(most, left(at));  // where the quote may stand
  uint64_t others = 0;                                     // bytes past ASCII
  for (; at <= last; at += 8) {
    const uint64_t word = load_word(at);
    const uint64_t special = special_bytes(word);
    if (special == 0) {
      others |= word;
      continue;
    }
    at += first_of(special);
    others |= word & ((special & (~special + 1)) - 1);
    if (at > last) return nullptr;
    text = {begin, static_cast<size_t>(at - begin)};
    if ((others & kHighBits) != 0 && !simdjson::validate_utf8(text.data(), text.size()))
      return nullptr;
    if (*at == '"') return at + 1;
    return *at == '\\' ? escaped_text(begin, at, most, text) : nullptr;
  }
  return nullptr;
}

// From the first backslash on.
const char* PlainReader::escaped_text(const char* begin, const char* at, size_t most,
                                      std::string_view& text) {
  unescaped_.assign(begin, at);
  while (at < end_ && *at != '"') {
    if (*at == '\\') {
      const char meant = meant_by(at[1]);
      if (meant == 0) return nullptr;
      unescaped_ += meant;
      at += 2;
    } else if (static_cast<unsigned char>(*at) < 0x20) {
      return nullptr;
    } else {
      unescaped_ += *at++;
    }
    if (unescaped_.size() > most) return nullptr;
  }
  if (at >= end_ || !simdjson::validate_utf8(unescaped_.data(), unescaped_.size())) return nullptr;
  text = unescaped_;
  return at + 1;
}

const char* PlainReader::ignored(const char* at, int depth) {
  std::string_view passed;
  double number = 0;
  switch (*at) {
    case '"':
      return text(at, left(at), passed);
    case '{':
    case '[':
      return depth < kDeep ? ignored_many(at, depth) : nullptr;
    case 't':
      return starts_with(at, "true") ? at + 4 : nullptr;
    case 'f':
      return starts_with(at, "fals") && at[4] == 'e' ? at + 5 : nullptr;
    case 'n':
      return starts_with(at, "null") ? at + 4 : nullptr;
    default:
      return plain_double(at, end_, number);
  }
}

// An object or an array.
const char* PlainReader::ignored_many(const char* at, int depth) {
  const bool object = *at == '{';
  const char last = object ? '}' : ']';
  at = blanks(at + 1);
  if (*at == last) return at + 1;
  for (;; at = blanks(at + 1)) {
    if (at >= end_) return nullptr;
    if (object) {
      std::string_view key;
      at = text(at, left(at), key);
      if (at == nullptr) return nullptr;
      at = blanks(at);
      if (*at != ':') return nullptr;
      at = blanks(at + 1);
      if (at >= end_) return nullptr;
    }
    at = ignored(at, depth + 1);
    if (at == nullptr || at >= end_) return nullptr;
    at = blanks(at);
    if (*at == last) return at + 1;
    if (*at != ',') return nullptr;
  }
}

}  // namespace ringkernel::schema
