#include "schema/message_type.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "schema/base64.hpp"
#include "schema/type_layout.hpp"
#include "schema/type_text.hpp"

namespace ringkernel::schema {
namespace {

constexpr std::array<std::string_view, 97> kKeywords = {
    "alignas",       "alignof",     "and",
    "and_eq",        "asm",         "auto",
    "bitand",        "bitor",       "bool",
    "break",         "case",        "catch",
    "char",          "char8_t",     "char16_t",
    "char32_t",      "class",       "compl",
    "concept",       "const",       "consteval",
    "constexpr",     "constinit",   "const_cast",
    "continue",      "co_await",    "co_return",
    "co_yield",      "decltype",    "default",
    "delete",        "do",          "double",
    "dynamic_cast",  "else",        "enum",
    "explicit",      "export",      "extern",
    "false",         "float",       "for",
    "friend",        "goto",        "if",
    "inline",        "int",         "long",
    "mutable",       "namespace",   "new",
    "noexcept",      "not",         "not_eq",
    "nullptr",       "operator",    "or",
    "or_eq",         "private",     "protected",
    "public",        "register",    "reinterpret_cast",
    "requires",      "return",      "short",
    "signed",        "sizeof",      "static",
    "static_assert", "static_cast", "struct",
    "switch",        "template",    "this",
    "thread_local",  "throw",       "true",
    "try",           "typedef",     "typeid",
    "typename",      "union",       "unsigned",
    "using",         "virtual",     "void",
    "volatile",      "wchar_t",     "while",
    "xor",           "xor_eq",      "__device__",
    "__global__",    "__host__",    "__shared__",
    "__constant__"};

uint64_t hash_text(std::string_view text, uint64_t hash) {
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return (hash ^ 0xFFU) * 0x100000001B3ULL;
}

template <class T>
bool parse_integer(std::string_view text, std::byte* out) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  std::memcpy(out, &value, sizeof value);
  return true;
}

bool parse_float(std::string_view text, bool single, std::byte* out) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return false;
  if (!single) {
    std::memcpy(out, &value, sizeof value);
    return true;
  }
  if (std::fabs(value) > static_cast<double>(std::numeric_limits<float>::max())) return false;
  auto narrow = static_cast<float>(value);
  std::memcpy(out, &narrow, sizeof narrow);
  return true;
}

bool parse_scalar(Scalar scalar, std::string_view text, std::byte* out) {
  switch (scalar) {
    case Scalar::Bool:
      if (text != "true" && text != "false") return false;
      *out = text == "true" ? std::byte{1} : std::byte{0};
      return true;
    case Scalar::U8:
      return parse_integer<uint8_t>(text, out);
    case Scalar::U16:
      return parse_integer<uint16_t>(text, out);
    case Scalar::U32:
      return parse_integer<uint32_t>(text, out);
    case Scalar::U64:
      return parse_integer<uint64_t>(text, out);
    case Scalar::I8:
      return parse_integer<int8_t>(text, out);
    case Scalar::I16:
      return parse_integer<int16_t>(text, out);
    case Scalar::I32:
      return parse_integer<int32_t>(text, out);
    case Scalar::I64:
      return parse_integer<int64_t>(text, out);
    case Scalar::F32:
      return parse_float(text, true, out);
    case Scalar::F64:
      return parse_float(text, false, out);
  }
  return false;
}

Result<void> bad_value(const Type& type, std::string_view text, const char* why) {
  return fail(ErrorCode::ValidationError,
              "'" + std::string(text) + "' is no " + to_string(type) + why);
}

std::string_view unquoted(std::string_view text) {
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
      text.back() == text.front())
    return text.substr(1, text.size() - 2);
  return text;
}

tl::expected<Field, DeclarationError> make_field(const FieldDeclaration& declared,
                                                 const std::vector<MessageTypePtr>& known) {
  Field field;
  field.name = declared.name;
  field.json_name = declared.json_name.empty() ? declared.name : declared.json_name;
  auto wrong_name = [&](const char* code, std::string message) {
    return tl::unexpected(DeclarationError{declared.name, 0, code, std::move(message), ""});
  };
  if (!is_identifier(declared.name))
    return wrong_name("bad-name", "'" + declared.name + "' is no C++ identifier");
  if (is_reserved_name(declared.name))
    return wrong_name("name-reserved", "'" + declared.name + "' is a reserved name");
  auto parsed = parse_type(declared.type, known);
  if (!parsed) {
    parsed.error().field = declared.name;
    return tl::unexpected(parsed.error());
  }
  field.type = std::move(parsed->type);
  if (parsed->default_text) {
    field.default_value.resize(field.type.size);
    if (*parsed->default_text == "null" && field.type.optional) return field;
    if (auto value = parse_value(field.type, *parsed->default_text, field.default_value.data());
        !value)
      return tl::unexpected(DeclarationError{declared.name, parsed->default_offset, "bad-default",
                                             value.error().message, ""});
  }
  return field;
}

}  // namespace

const Field* MessageType::field(std::string_view field_name) const {
  for (const Field& field : fields)
    if (field.name == field_name) return &field;
  return nullptr;
}

bool is_identifier(std::string_view name) {
  if (name.empty() || isdigit(static_cast<unsigned char>(name[0])) != 0) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  });
}

bool is_cpp_keyword(std::string_view name) {
  return std::find(kKeywords.begin(), kKeywords.end(), name) != kKeywords.end();
}

bool is_reserved_name(std::string_view name) {
  // The latter are what generated structs are written with, and a macro in every header of C.
  for (std::string_view taken :
       {"State", "Context", "Params", "reply", "int8_t", "int16_t", "int32_t", "int64_t", "uint8_t",
        "uint16_t", "uint32_t", "uint64_t", "NULL"})
    if (name == taken) return true;
  return is_cpp_keyword(name);
}

Result<void> parse_value(const Type& type, std::string_view text, std::byte* out) {
  std::memset(out, 0, type.size);
  switch (type.kind) {
    case Type::Kind::Scalar:
      if (!parse_scalar(type.scalar, text, out)) return bad_value(type, text, "");
      break;
    case Type::Kind::Enum: {
      auto found = std::find(type.names.begin(), type.names.end(), text);
      if (found == type.names.end()) return bad_value(type, text, "");
      auto value = static_cast<uint16_t>(found - type.names.begin());
      std::memcpy(out, &value, type.value_size);
      break;
    }
    case Type::Kind::String:
    case Type::Kind::Bytes: {
      std::string_view content = unquoted(text);
      std::vector<uint8_t> bytes(content.begin(), content.end());
      if (type.kind == Type::Kind::Bytes && !decode_base64(content, bytes))
        return bad_value(type, text, ": not base64");
      if (bytes.size() > type.count) return bad_value(type, text, ": too long");
      auto size = static_cast<uint16_t>(bytes.size());
      std::memcpy(out, &size, sizeof size);
      if (size > 0) std::memcpy(out + sizeof size, bytes.data(), size);
      break;
    }
    default:
      return bad_value(type, text, ": only scalars, enums, strings and bytes are written as text");
  }
  if (type.optional) out[type.value_size] = std::byte{1};
  return {};
}

std::vector<std::string> referenced_messages(const FieldDeclaration& field) {
  std::string_view text = field.type;
  size_t start = text.find_first_not_of(' ');
  if (start == std::string_view::npos) return {};
  size_t end = start;
  while (end < text.size() &&
         (isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_'))
    ++end;
  std::string_view word = text.substr(start, end - start);
  if (word.empty() || scalar_from_string(word) || word == "string" || word == "bytes" ||
      word == "enum")
    return {};
  return {std::string(word)};
}

tl::expected<MessageTypePtr, std::vector<DeclarationError>> make_message_type(
    std::string name, const std::vector<FieldDeclaration>& fields,
    const std::vector<MessageTypePtr>& known) {
  auto message = std::make_shared<MessageType>();
  message->name = std::move(name);
  std::vector<DeclarationError> errors;
  std::set<std::string> names;
  std::set<std::string> json_names;
  for (const FieldDeclaration& declared : fields) {
    auto field = make_field(declared, known);
    if (!field) {
      errors.push_back(field.error());
      continue;
    }
    if (!names.insert(field->name).second)
      errors.push_back(
          {field->name, 0, "duplicate-name", "field '" + field->name + "' stands twice", ""});
    else if (!json_names.insert(field->json_name).second)
      errors.push_back({field->name, 0, "duplicate-name",
                        "two fields have the JSON name '" + field->json_name + "'", ""});
    message->fields.push_back(std::move(*field));
  }
  if (errors.empty() && !lay_out(*message))
    errors.push_back({"", 0, "too-large", "a message may have at most 1 MiB", ""});
  if (!errors.empty()) return tl::unexpected(errors);
  uint64_t hash = hash_text(message->name, 0xCBF29CE484222325ULL);
  for (const Field& field : message->fields) {
    hash = hash_text(field.name, hash);
    hash = hash_text(field.json_name, hash);
    hash = hash_text(to_string(field.type), hash);
    const Type* type = field.type.element != nullptr ? field.type.element.get() : &field.type;
    if (type->message != nullptr) hash ^= type->message->fingerprint * 0x9E3779B97F4A7C15ULL;
  }
  message->fingerprint = hash;
  return MessageTypePtr(std::move(message));
}

tl::expected<Field, DeclarationError> make_param(std::string name, std::string_view declaration) {
  FieldDeclaration declared{std::move(name), std::string(declaration), ""};
  auto field = make_field(declared, {});
  if (!field) return field;
  auto wrong = [&](const char* code, std::string message) {
    return tl::unexpected(DeclarationError{declared.name, 0, code, std::move(message), ""});
  };
  if ((field->type.kind != Type::Kind::Scalar && field->type.kind != Type::Kind::String) ||
      field->type.optional)
    return wrong("bad-param", "a param is a bool, an integer, a float or a string[N]");
  if (field->default_value.empty())
    return wrong("missing-default", "a param needs a value: type = value");
  return field;
}

}  // namespace ringkernel::schema
