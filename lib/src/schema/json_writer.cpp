#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <cstring>

#include "schema/base64.hpp"
#include "schema/json_codec.hpp"

namespace ringkernel::schema {
namespace {

constexpr char kHex[] = "0123456789abcdef";

void append_escaped(std::string_view text, std::string& out) {
  size_t plain = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, plain, i - plain);
    plain = i + 1;
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += "\\u00";
        out += kHex[c >> 4];
        out += kHex[c & 15U];
    }
  }
  out.append(text, plain, text.size() - plain);
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

void append_string(std::string_view text, std::string& out) {
  out += '"';
  if (simdjson::validate_utf8(text.data(), text.size()))
    append_escaped(text, out);
  else
    append_escaped(repaired(text), out);
  out += '"';
}

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <class T>
void append_number(T value, std::string& out) {
  char text[32];
  out.append(text, static_cast<size_t>(std::to_chars(text, text + sizeof text, value).ptr - text));
}

struct FieldPlan {
  std::string before;  // `,"name":` or `{"name":`
  const Field* field;
};

struct MessagePlan {
  std::vector<FieldPlan> fields;
};

}  // namespace

struct JsonWriter::Impl {
  std::vector<MessageTypePtr> types;
  std::vector<MessagePlan> plans;
  uint64_t non_finite = 0;

  template <class T>
  void write_float(const std::byte* at, std::string& out) {
    T value = load<T>(at);
    if (std::isfinite(value)) return append_number(value, out);
    ++non_finite;
    out += "null";
  }

  void write_scalar(Scalar scalar, const std::byte* at, std::string& out) {
    switch (scalar) {
      case Scalar::Bool:
        out += load<uint8_t>(at) != 0 ? "true" : "false";
        break;
      case Scalar::U8:
        append_number(static_cast<unsigned>(load<uint8_t>(at)), out);
        break;
      case Scalar::U16:
        append_number(load<uint16_t>(at), out);
        break;
      case Scalar::U32:
        append_number(load<uint32_t>(at), out);
        break;
      case Scalar::U64:
        append_number(load<uint64_t>(at), out);
        break;
      case Scalar::I8:
        append_number(static_cast<int>(load<int8_t>(at)), out);
        break;
      case Scalar::I16:
        append_number(load<int16_t>(at), out);
        break;
      case Scalar::I32:
        append_number(load<int32_t>(at), out);
        break;
      case Scalar::I64:
        append_number(load<int64_t>(at), out);
        break;
      case Scalar::F32:
        write_float<float>(at, out);
        break;
      case Scalar::F64:
        write_float<double>(at, out);
        break;
    }
  }

  void write_value(const Type& type, const std::byte* at, std::string& out) {
    if (type.optional && at[type.value_size] == std::byte{0}) {
      out += "null";
      return;
    }
    switch (type.kind) {
      case Type::Kind::Scalar:
        write_scalar(type.scalar, at, out);
        break;
      case Type::Kind::String: {
        size_t size = std::min<size_t>(load<uint16_t>(at), type.count);
        append_string({reinterpret_cast<const char*>(at + 2), size}, out);
        break;
      }
      case Type::Kind::Bytes: {
        size_t size = std::min<size_t>(load<uint16_t>(at), type.count);
        out += '"';
        append_base64(reinterpret_cast<const uint8_t*>(at + 2), size, out);
        out += '"';
        break;
      }
      case Type::Kind::Enum: {
        size_t value = type.value_size == 1 ? load<uint8_t>(at) : load<uint16_t>(at);
        out += '"';
        out += type.names[std::min(value, type.names.size() - 1)];
        out += '"';
        break;
      }
      case Type::Kind::Message:
        write_message(*type.message, at, out);
        break;
      case Type::Kind::Array:
        write_elements(*type.element, type.count, at, out);
        break;
      case Type::Kind::List:
        write_elements(*type.element, std::min(load<uint32_t>(at), type.count),
                       at + std::max(4U, type.element->alignment), out);
        break;
    }
  }

  void write_elements(const Type& element, uint32_t n, const std::byte* at, std::string& out) {
    out += '[';
    for (uint32_t i = 0; i < n; ++i) {
      if (i > 0) out += ',';
      write_value(element, at + size_t{i} * element.size, out);
    }
    out += ']';
  }

  void write_message(const MessageType& type, const std::byte* at, std::string& out) {
    char separator = '{';
    for (const Field& field : type.fields) {
      out += separator;
      append_string(field.json_name, out);
      out += ':';
      write_value(field.type, at + field.offset, out);
      separator = ',';
    }
    out += '}';
  }
};

JsonWriter::JsonWriter(std::vector<MessageTypePtr> types, std::string tag_key)
    : impl_(std::make_unique<Impl>()) {
  impl_->types = std::move(types);
  for (const MessageTypePtr& type : impl_->types) {
    MessagePlan plan;
    std::string before = "{";
    if (!tag_key.empty()) {
      append_string(tag_key, before);
      before += ':';
      append_string(type->name, before);
      before += ',';
    }
    for (const Field& field : type->fields) {
      append_string(field.json_name, before);
      before += ':';
      plan.fields.push_back({before, &field});
      before = ",";
    }
    impl_->plans.push_back(std::move(plan));
  }
}
JsonWriter::~JsonWriter() = default;
JsonWriter::JsonWriter(JsonWriter&&) noexcept = default;
JsonWriter& JsonWriter::operator=(JsonWriter&&) noexcept = default;

void JsonWriter::write(uint32_t type, const std::byte* payload, std::string& out) {
  for (const FieldPlan& plan : impl_->plans[type].fields) {
    out += plan.before;
    impl_->write_value(plan.field->type, payload + plan.field->offset, out);
  }
  out += '}';
}

uint64_t JsonWriter::non_finite() const { return impl_->non_finite; }

}  // namespace ringkernel::schema
