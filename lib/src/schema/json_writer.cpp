#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <cstring>

#include "schema/base64.hpp"
#include "schema/json_codec.hpp"
#include "schema/text_buffer.hpp"

namespace ringkernel::schema {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// The letter that stands for `c` behind a backslash; 0: there is none.
char letter_of(unsigned char c) {
  switch (c) {
    case '"':
    case '\\':
      return static_cast<char>(c);
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return 0;
  }
}

void append_escaped(std::string_view text, TextBuffer& out) {
  size_t plain = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text.substr(plain, i - plain));
    plain = i + 1;
    if (const char letter = letter_of(c); letter != 0) {
      out.append('\\');
      out.append(letter);
    } else {
      out.append("\\u00");
      out.append(kHex[c >> 4]);
      out.append(kHex[c & 15U]);
    }
  }
  out.append(text.substr(plain));
}

// Length of the valid UTF-8 sequence at the start of `text`, 0: none.
size_t sequence_length(std::string_view text) {
  auto lead = static_cast<unsigned char>(text[0]);
  size_t n = lead < 0x80   ? 1
             : lead < 0xC2 ? 0
             : lead < 0xE0 ? 2
             : lead < 0xF0 ? 3
             : lead < 0xF5 ? 4
                           : 0;
  if (n == 0 || n > text.size() || !simdjson::validate_utf8(text.data(), n)) return 0;
  return n;
}

std::string repaired(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    size_t n = sequence_length(text);
    if (n == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
    } else {
      out.append(text.substr(0, n));
      text.remove_prefix(n);
    }
  }
  return out;
}

// What does not stand in JSON as it is.
void append_rest(std::string_view text, TextBuffer& out) {
  if (simdjson::validate_utf8(text.data(), text.size()))
    append_escaped(text, out);
  else
    append_escaped(repaired(text), out);
  out.append('"');
}

bool stands_as_it_is(uint64_t word) { return (special_bytes(word) | (word & kHighBits)) == 0; }

void append_string(std::string_view text, TextBuffer& out) {
  char* to = out.room(text.size() + 2);
  *to++ = '"';
  const char* at = text.data();
  size_t left = text.size();
  for (; left >= 8; at += 8, to += 8, left -= 8) {
    const uint64_t word = load_word(at);
    if (!stands_as_it_is(word)) break;
    store_word(to, word);
  }
  const uint64_t word = left < 8 ? load_few(at, left) : 0;
  if (!stands_as_it_is(word)) {
    out.put(to);
    return append_rest({at, left}, out);
  }
  store_word(to, word);
  to[left] = '"';
  out.put(to + left + 1);
}

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

struct MessageLayout;

// A type, prepared for writing.
struct ValueLayout {
  explicit ValueLayout(const Type& type);
  const Type* type;
  std::unique_ptr<ValueLayout> element;    // Array, List
  std::unique_ptr<MessageLayout> message;  // Message
};

struct FieldLayout {
  std::string before;  // `,"name":` or `{"name":`, with bytes to read past it
  size_t before_size;
  uint32_t offset;
  ValueLayout value;
};

struct MessageLayout {
  std::vector<FieldLayout> fields;
};

// `tag`: the first member, or empty.
std::unique_ptr<MessageLayout> layout_of(const MessageType& type, const std::string& tag) {
  auto layout = std::make_unique<MessageLayout>();
  std::string before = '{' + tag + (tag.empty() ? "" : ",");
  for (const Field& field : type.fields) {
    TextBuffer text;
    text.append(before);
    append_string(field.json_name, text);
    text.append(':');
    std::string padded(text.view());
    padded.append(8, ' ');
    layout->fields.push_back({padded, padded.size() - 8, field.offset, ValueLayout(field.type)});
    before = ",";
  }
  return layout;
}

ValueLayout::ValueLayout(const Type& its_type) : type(&its_type) {
  if (type->element != nullptr) element = std::make_unique<ValueLayout>(*type->element);
  if (type->message != nullptr) message = layout_of(*type->message, "");
}

}  // namespace

struct JsonWriter::Impl {
  std::vector<MessageTypePtr> types;
  std::vector<std::unique_ptr<MessageLayout>> layouts;
  TextBuffer text;
  uint64_t non_finite = 0;

  template <class T>
  void write_float(const std::byte* at) {
    constexpr size_t kLongest = 32;
    const T value = load<T>(at);
    if (!std::isfinite(value)) {
      ++non_finite;
      return text.append("null");
    }
    char* const to = text.room(kLongest);
    text.put(std::to_chars(to, to + kLongest, value).ptr);
  }

  [[gnu::always_inline]] void write_scalar(Scalar scalar, const std::byte* at) {
    switch (scalar) {
      case Scalar::Bool:
        return text.append(load<uint8_t>(at) != 0 ? std::string_view("true") : "false");
      case Scalar::U8:
        return text.append_number(uint64_t{load<uint8_t>(at)});
      case Scalar::U16:
        return text.append_number(uint64_t{load<uint16_t>(at)});
      case Scalar::U32:
        return text.append_number(uint64_t{load<uint32_t>(at)});
      case Scalar::U64:
        return text.append_number(load<uint64_t>(at));
      case Scalar::I8:
        return text.append_number(int64_t{load<int8_t>(at)});
      case Scalar::I16:
        return text.append_number(int64_t{load<int16_t>(at)});
      case Scalar::I32:
        return text.append_number(int64_t{load<int32_t>(at)});
      case Scalar::I64:
        return text.append_number(load<int64_t>(at));
      case Scalar::F32:
        return write_float<float>(at);
      case Scalar::F64:
        return write_float<double>(at);
    }
  }

  void write_value(const ValueLayout& layout, const std::byte* at) {
    const Type& type = *layout.type;
    if (type.optional && at[type.value_size] == std::byte{0}) return text.append("null");
    switch (type.kind) {
      case Type::Kind::Scalar:
        return write_scalar(type.scalar, at);
      case Type::Kind::String: {
        const size_t size = std::min<size_t>(load<uint16_t>(at), type.count);
        return append_string({reinterpret_cast<const char*>(at + 2), size}, text);
      }
      case Type::Kind::Bytes: {
        const size_t size = std::min<size_t>(load<uint16_t>(at), type.count);
        base64.assign(1, '"');
        append_base64(reinterpret_cast<const uint8_t*>(at + 2), size, base64);
        base64 += '"';
        return text.append(base64);
      }
      case Type::Kind::Enum: {
        const size_t value = type.value_size == 1 ? load<uint8_t>(at) : load<uint16_t>(at);
        text.append('"');
        text.append(type.names[std::min(value, type.names.size() - 1)]);
        return text.append('"');
      }
      case Type::Kind::Message:
        return write_message(*layout.message, at);
      case Type::Kind::Array:
        return write_elements(*layout.element, type.count, at);
      case Type::Kind::List:
        return write_elements(*layout.element, std::min(load<uint32_t>(at), type.count),
                              at + std::max(4U, type.element->alignment));
    }
  }

  void write_elements(const ValueLayout& element, uint32_t n, const std::byte* at) {
    text.append('[');
    for (uint32_t i = 0; i < n; ++i) {
      if (i > 0) text.append(',');
      write_value(element, at + size_t{i} * element.type->size);
    }
    text.append(']');
  }

  void write_message(const MessageLayout& layout, const std::byte* at) {
    for (const FieldLayout& field : layout.fields) {
      text.append_padded(field.before.data(), field.before_size);
      write_value(field.value, at + field.offset);
    }
    text.append('}');
  }

  std::string base64;
};

JsonWriter::JsonWriter(std::vector<MessageTypePtr> types, std::string tag_key)
    : impl_(std::make_unique<Impl>()) {
  impl_->types = std::move(types);
  for (const MessageTypePtr& type : impl_->types) {
    TextBuffer tag;
    if (!tag_key.empty()) {
      append_string(tag_key, tag);
      tag.append(':');
      append_string(type->name, tag);
    }
    impl_->layouts.push_back(layout_of(*type, std::string(tag.view())));
  }
}
JsonWriter::~JsonWriter() = default;
JsonWriter::JsonWriter(JsonWriter&&) noexcept = default;
JsonWriter& JsonWriter::operator=(JsonWriter&&) noexcept = default;

void JsonWriter::write(uint32_t type, const std::byte* payload, std::string& out) {
  impl_->text.clear();
  impl_->write_message(*impl_->layouts[type], payload);
  out += impl_->text.view();
}

uint64_t JsonWriter::non_finite() const { return impl_->non_finite; }

}  // namespace ringkernel::schema
