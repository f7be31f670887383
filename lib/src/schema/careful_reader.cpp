#include "schema/careful_reader.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <system_error>
#include <type_traits>
#include <utility>

#include "schema/base64.hpp"
#include "schema/type_text.hpp"

namespace ringkernel::schema {
namespace {

namespace od = simdjson::ondemand;

// Which fields have been seen: one word for most messages.
class Seen {
 public:
  explicit Seen(size_t fields) {
    if (fields > 64) more_.resize(fields);
  }
  // False: it was seen before.
  bool mark(uint32_t field) {
    if (!more_.empty()) {
      bool fresh = !more_[field];
      more_[field] = true;
      return fresh;
    }
    uint64_t bit = uint64_t{1} << field;
    bool fresh = (word_ & bit) == 0;
    word_ |= bit;
    return fresh;
  }
  bool has(uint32_t field) const {
    return more_.empty() ? (word_ & uint64_t{1} << field) != 0 : more_[field];
  }

 private:
  uint64_t word_ = 0;
  std::vector<bool> more_;
};

std::string_view name_of(od::json_type type) {
  switch (type) {
    case od::json_type::array:
      return "an array";
    case od::json_type::object:
      return "an object";
    case od::json_type::number:
      return "a number";
    case od::json_type::string:
      return "a string";
    case od::json_type::boolean:
      return "a boolean";
    case od::json_type::null:
      return "null";
  }
  return "something else";
}

std::string_view wanted(const Type& type) {
  switch (type.kind) {
    case Type::Kind::Scalar:
      if (type.scalar == Scalar::Bool) return "a boolean";
      return type.scalar == Scalar::F32 || type.scalar == Scalar::F64 ? "a number" : "an integer";
    case Type::Kind::String:
      return "a string";
    case Type::Kind::Bytes:
      return "a base64 string";
    case Type::Kind::Enum:
      return "one of its names";
    case Type::Kind::Message:
      return "an object";
    default:
      return "an array";
  }
}

// simdjson 3.0 loses digits of a fraction that has more than 19 of them: 0.18446744073709551616,
// whose digits are 2^64, is 0 to it. Reads `number` again where it is one; false: it is too large.
bool read_long_fraction(std::string_view token, double& number) {
  const size_t sign = token.starts_with('-') ? 1 : 0;
  if (token.size() <= 20 || !token.substr(sign).starts_with("0.")) return true;
  const auto result = std::from_chars(token.data(), token.data() + token.size(), number);
  if (result.ec == std::errc()) return true;
  const size_t power = token.find_first_of("eE");
  if (power != std::string_view::npos && token[power + 1] != '-') return false;
  number = sign == 1 ? -0.0 : 0.0;
  return true;
}

template <class T>
void put_value(std::byte* out, T value) {
  std::memcpy(out, &value, sizeof value);
}

}  // namespace

struct CarefulReader::Impl {
  explicit Impl(const LinePlan& plan) : lines(plan) {}

  const LinePlan& lines;
  od::parser parser;
  od::document document;
  const char* line_begin = nullptr;
  size_t line_size = 0;
  LineError error;
  bool open = false;  // the document is being read
  std::vector<uint8_t> bytes;

  // Notes the first mistake, with its place; always false.
  bool wrong(std::string_view reason, std::string detail, const char* at = nullptr) {
    if (!error.reason.empty()) return false;
    error.reason = reason;
    error.detail = std::move(detail);
    if (at == nullptr && open) {
      auto place = document.current_location();
      if (place.error() == simdjson::SUCCESS) at = place.value_unsafe();
    }
    if (at != nullptr && at >= line_begin && at <= line_begin + line_size)
      error.column = static_cast<uint32_t>(at - line_begin) + 1;
    return false;
  }

  bool broken(simdjson::error_code code, const std::string& where) {
    std::string_view reason = "not_json";
    if (code == simdjson::UTF8_ERROR) reason = "bad_utf8";
    if (code == simdjson::DEPTH_ERROR) reason = "too_deep";
    std::string detail = where.empty() ? "" : where + ": ";
    switch (code) {
      case simdjson::UTF8_ERROR:
        detail += "the line is not valid UTF-8";
        break;
      case simdjson::STRING_ERROR:
        detail += "a string has an invalid escape";
        break;
      case simdjson::UNCLOSED_STRING:
        detail += "a string is not closed";
        break;
      case simdjson::EMPTY:
        detail += "the line is empty";
        break;
      case simdjson::INCOMPLETE_ARRAY_OR_OBJECT:
        // simdjson's word for every line that does not end in a brace or bracket that fits its
        // first.
        detail += "the line does not end with the end of its object";
        break;
      case simdjson::DEPTH_ERROR:
        detail += "nested too deep";
        break;
      case simdjson::UNESCAPED_CHARS:
        detail += "a string has an unescaped control character";
        break;
      default:
        detail += "the line is not valid JSON";
        break;
    }
    return wrong(reason, std::move(detail));
  }

  static std::string label(const std::string& path) {
    return path.empty() ? path : "field '" + path + "'";
  }

  static std::string_view trimmed(std::string_view text) {
    auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    while (!text.empty() && space(text.back())) text.remove_suffix(1);
    while (!text.empty() && space(text.front())) text.remove_prefix(1);
    return text;
  }

  static std::string_view token_of(od::value& value) {
    return trimmed(value.raw_json_token()).substr(0, 64);
  }

  // A value is not what its type wants: says whether it is of another type or out of range.
  bool mismatch(od::value& value, const Type& type, const std::string& path,
                simdjson::error_code code) {
    auto kind = value.type();
    if (kind.error() != simdjson::SUCCESS) return broken(kind.error(), label(path));
    std::string_view token = token_of(value);
    const char* at = token.data();
    bool wants_number = type.kind == Type::Kind::Scalar && type.scalar != Scalar::Bool;
    if (kind.value_unsafe() == od::json_type::number && wants_number) {
      bool number = is_json_number(token);
      bool whole = token.find_first_of(".eE") == std::string_view::npos;
      bool wants_whole = type.scalar != Scalar::F32 && type.scalar != Scalar::F64;
      if (!number)
        return wrong("not_json", label(path) + ": '" + std::string(token) + "' is no JSON number",
                     at);
      if (!wants_whole || whole)
        return wrong("out_of_range",
                     label(path) + ": " + std::string(token) + " does not fit " + to_string(type),
                     at);
      return wrong("wrong_type", label(path) + ": expected an integer, found " + std::string(token),
                   at);
    }
    if (kind.value_unsafe() == od::json_type::string &&
        (code == simdjson::STRING_ERROR || code == simdjson::UNCLOSED_STRING))
      return broken(code, label(path));
    if (kind.value_unsafe() == od::json_type::boolean && token != "true" && token != "false")
      return wrong("not_json", label(path) + ": '" + std::string(token) + "' is no JSON value", at);
    if (kind.value_unsafe() == od::json_type::null && token != "null")
      return wrong("not_json", label(path) + ": '" + std::string(token) + "' is no JSON value", at);
    return wrong("wrong_type",
                 label(path) + ": expected " + std::string(wanted(type)) + ", found " +
                     std::string(name_of(kind.value_unsafe())),
                 at);
  }

  template <class T>
  bool read_whole(od::value& value, const Type& type, const std::string& path, std::byte* out) {
    std::conditional_t<std::is_unsigned_v<T>, uint64_t, int64_t> number = 0;
    const auto code = value.get(number);
    if (code != simdjson::SUCCESS) return mismatch(value, type, path, code);
    if (!std::in_range<T>(number))
      return wrong("out_of_range", label(path) + ": " + std::to_string(number) + " does not fit " +
                                       to_string(type));
    put_value(out, static_cast<T>(number));
    return true;
  }

  bool read_scalar(od::value& value, const Type& type, const std::string& path, std::byte* out) {
    switch (type.scalar) {
      case Scalar::Bool: {
        bool truth = false;
        auto code = value.get_bool().get(truth);
        if (code != simdjson::SUCCESS) return mismatch(value, type, path, code);
        put_value(out, static_cast<uint8_t>(truth));
        return true;
      }
      case Scalar::U8:
        return read_whole<uint8_t>(value, type, path, out);
      case Scalar::U16:
        return read_whole<uint16_t>(value, type, path, out);
      case Scalar::U32:
        return read_whole<uint32_t>(value, type, path, out);
      case Scalar::U64:
        return read_whole<uint64_t>(value, type, path, out);
      case Scalar::I8:
        return read_whole<int8_t>(value, type, path, out);
      case Scalar::I16:
        return read_whole<int16_t>(value, type, path, out);
      case Scalar::I32:
        return read_whole<int32_t>(value, type, path, out);
      case Scalar::I64:
        return read_whole<int64_t>(value, type, path, out);
      case Scalar::F32:
      case Scalar::F64: {
        double number = 0;
        auto code = value.get_double().get(number);
        if (code != simdjson::SUCCESS) return mismatch(value, type, path, code);
        if (!read_long_fraction(trimmed(value.raw_json_token()), number))
          return mismatch(value, type, path, simdjson::NUMBER_ERROR);
        if (type.scalar == Scalar::F64) {
          put_value(out, number);
          return true;
        }
        auto narrow = static_cast<float>(number);
        if (std::abs(narrow) > std::numeric_limits<float>::max())
          return wrong("out_of_range", label(path) + ": does not fit f32");
        put_value(out, narrow);
        return true;
      }
    }
    return false;
  }

  bool read_text(od::value& value, const Type& type, const std::string& path,
                 std::string_view& text) {
    auto code = value.get_string().get(text);
    return code == simdjson::SUCCESS || mismatch(value, type, path, code);
  }

  bool store_sized(const Type& type, const std::string& path, const void* data, size_t size,
                   std::byte* out) {
    if (size > type.count)
      return wrong("string_too_long", label(path) + ": " + std::to_string(size) +
                                          " bytes do not fit " + to_string(type));
    put_value(out, static_cast<uint16_t>(size));
    if (size > 0) std::memcpy(out + 2, data, size);
    std::memset(out + 2 + size, 0, type.count - size);
    return true;
  }

  bool read_value(od::value& value, const ValuePlan& plan, const std::string& path,
                  std::byte* out) {
    const Type& type = *plan.type;
    if (type.optional) {
      bool null = false;
      if (value.is_null().get(null) != simdjson::SUCCESS) null = false;
      if (null) {
        std::memset(out, 0, type.size);
        return true;
      }
      out[type.value_size] = std::byte{1};
    }
    switch (type.kind) {
      case Type::Kind::Scalar:
        return read_scalar(value, type, path, out);
      case Type::Kind::String: {
        std::string_view text;
        return read_text(value, type, path, text) &&
               store_sized(type, path, text.data(), text.size(), out);
      }
      case Type::Kind::Bytes: {
        std::string_view text;
        if (!read_text(value, type, path, text)) return false;
        if (!decode_base64(text, bytes)) return wrong("bad_base64", label(path) + ": not base64");
        return store_sized(type, path, bytes.data(), bytes.size(), out);
      }
      case Type::Kind::Enum: {
        std::string_view text;
        if (!read_text(value, type, path, text)) return false;
        auto found = plan.names.find(text);
        if (found == plan.names.end())
          return wrong("unknown_name", label(path) + ": '" + std::string(text.substr(0, 64)) +
                                           "' is none of " + to_string(type));
        if (type.value_size == 1)
          put_value(out, static_cast<uint8_t>(found->second));
        else
          put_value(out, found->second);
        return true;
      }
      case Type::Kind::Message: {
        od::object object;
        auto code = value.get_object().get(object);
        if (code != simdjson::SUCCESS) return mismatch(value, type, path, code);
        return read_object(object, *plan.message, path, false, out);
      }
      case Type::Kind::Array:
      case Type::Kind::List:
        return read_array(value, plan, path, out);
    }
    return false;
  }

  bool read_array(od::value& value, const ValuePlan& plan, const std::string& path,
                  std::byte* out) {
    const Type& type = *plan.type;
    const Type& element = *type.element;
    od::array array;
    auto code = value.get_array().get(array);
    if (code != simdjson::SUCCESS) return mismatch(value, type, path, code);
    bool list = type.kind == Type::Kind::List;
    std::byte* at = out + (list ? std::max(4U, element.alignment) : 0);
    std::memset(at, 0, size_t{element.size} * type.count);
    uint32_t n = 0;
    for (auto item : array) {
      od::value item_value;
      code = item.get(item_value);
      if (code != simdjson::SUCCESS) return broken(code, label(path));
      if (n == type.count)
        return wrong(list ? "list_too_long" : "wrong_length",
                     label(path) + ": more than " + std::to_string(type.count) + " elements");
      if (!read_value(item_value, *plan.element, path + "[" + std::to_string(n) + "]",
                      at + size_t{n} * element.size))
        return false;
      ++n;
    }
    if (list) {
      put_value(out, n);
    } else if (n != type.count) {
      return wrong("wrong_length", label(path) + ": " + std::to_string(n) + " elements, expected " +
                                       std::to_string(type.count));
    }
    return true;
  }

  // The structure and the scalars of a value nobody reads.
  bool skip(od::value& value, int depth) {
    if (depth > kMaxDepth)
      return wrong("too_deep", "nested deeper than " + std::to_string(kMaxDepth));
    auto kind = value.type();
    if (kind.error() != simdjson::SUCCESS) return broken(kind.error(), "");
    simdjson::error_code code = simdjson::SUCCESS;
    switch (kind.value_unsafe()) {
      case od::json_type::array: {
        od::array array;
        code = value.get_array().get(array);
        if (code != simdjson::SUCCESS) return broken(code, "");
        for (auto item : array) {
          od::value inner;
          code = item.get(inner);
          if (code != simdjson::SUCCESS) return broken(code, "");
          if (!skip(inner, depth + 1)) return false;
        }
        return true;
      }
      case od::json_type::object: {
        od::object object;
        code = value.get_object().get(object);
        if (code != simdjson::SUCCESS) return broken(code, "");
        for (auto member : object) {
          std::string_view key;
          code = member.unescaped_key().get(key);
          if (code != simdjson::SUCCESS) return broken(code, "");
          od::value inner;
          code = member.value().get(inner);
          if (code != simdjson::SUCCESS) return broken(code, "");
          if (!skip(inner, depth + 1)) return false;
        }
        return true;
      }
      case od::json_type::number:
        if (!is_json_number(token_of(value)) && token_of(value).size() < 64)
          return broken(simdjson::NUMBER_ERROR, "");
        return true;
      case od::json_type::string: {
        std::string_view text;
        code = value.get_string().get(text);
        return code == simdjson::SUCCESS || broken(code, "");
      }
      case od::json_type::boolean: {
        bool truth = false;
        code = value.get_bool().get(truth);
        return code == simdjson::SUCCESS || broken(code, "");
      }
      case od::json_type::null: {
        bool null = false;
        code = value.is_null().get(null);
        return (code == simdjson::SUCCESS && null) || broken(simdjson::TAPE_ERROR, "");
      }
    }
    return false;
  }

  bool read_object(od::object& object, const MessagePlan& plan, const std::string& path,
                   bool skip_tag, std::byte* out) {
    std::memcpy(out, plan.blank.data(), plan.blank.size());
    Seen seen(plan.fields.size());
    bool tag_seen = false;
    uint32_t next = 0;
    for (auto member : object) {
      od::field field;
      auto code = std::move(member).get(field);
      if (code != simdjson::SUCCESS) return broken(code, label(path));
      uint32_t index = next;
      // Keys mostly come in declared order.
      if (next >= plan.fields.size() || !plan.plain_keys ||
          !field.key().unsafe_is_equal(plan.fields[next].key)) {
        std::string_view key;
        code = field.unescaped_key().get(key);
        if (code != simdjson::SUCCESS) return broken(code, label(path));
        if (skip_tag && key == "type") {
          if (std::exchange(tag_seen, true))
            return wrong("repeated_field", "field 'type' stands twice");
          continue;
        }
        auto found = plan.by_key.find(key);
        if (found == plan.by_key.end()) {
          std::string name(key.substr(0, 64));
          if (!lines.ignore_unknown)
            return wrong("unknown_field", "field '" + (path.empty() ? name : path + "." + name) +
                                              "' is not declared");
          od::value ignored = field.value();
          if (!skip(ignored, 1)) return false;
          continue;
        }
        index = found->second;
      }
      const FieldPlan& wanted_field = plan.fields[index];
      next = index + 1;
      if (!seen.mark(index))
        return wrong("repeated_field", "field '" + (path.empty() ? "" : path + ".") +
                                           std::string(wanted_field.key) + "' stands twice");
      od::value value = field.value();
      // The path is only spelt out where something is wrong: reading twice is for mistakes.
      if (wanted_field.value.type->kind == Type::Kind::Scalar || path_needed_) {
        std::string where = path_needed_
                                ? (path.empty() ? "" : path + ".") + std::string(wanted_field.key)
                                : std::string();
        if (!read_value(value, wanted_field.value, where, out + wanted_field.offset)) return false;
      } else if (!read_value(value, wanted_field.value, empty_, out + wanted_field.offset)) {
        return false;
      }
    }
    for (uint32_t i = 0; i < plan.fields.size(); ++i)
      if (plan.fields[i].required && !seen.has(i))
        return wrong("missing_field", "field '" + (path.empty() ? "" : path + ".") +
                                          std::string(plan.fields[i].key) + "' is missing");
    return true;
  }

  bool read_line(std::string_view line, std::byte* out, uint32_t& type) {
    error = {};
    line_begin = line.data();
    line_size = line.size();
    open = false;
    auto code =
        parser.iterate(line.data(), line.size(), line.size() + JsonReader::kPadding).get(document);
    if (code != simdjson::SUCCESS) return broken(code, "");
    open = true;
    type = 0;
    if (lines.tagged && !read_tag(type)) return false;
    od::object object;
    code = document.get_object().get(object);
    if (code != simdjson::SUCCESS) {
      std::string_view text = trimmed(line);
      bool other = text.front() == '[' || text.front() == '"' || text == "true" ||
                   text == "false" || text == "null" || is_json_number(text);
      if (other)
        return wrong("not_an_object",
                     "expected an object, found " + std::string(text.substr(0, 32)), line_begin);
      return broken(code, "");
    }
    if (!read_object(object, *lines.messages[type], empty_, lines.tagged, out)) return false;
    auto rest = document.current_location();
    if (rest.error() == simdjson::SUCCESS) {
      const char* at = rest.value_unsafe();
      const char* end = line.data() + line.size();
      while (at < end && (*at == ' ' || *at == '\t' || *at == '\r')) ++at;
      if (at < end)
        return wrong(*at == '{' || *at == '[' ? "two_documents" : "not_json",
                     "something follows the object", at);
    }
    return true;
  }

  simdjson::error_code find_tag(std::string_view& tag) {
    auto code = document.find_field_unordered("type").get_string().get(tag);
    // It compares keys as they are written, and one written with an escape is the same key.
    if (code != simdjson::NO_SUCH_FIELD || std::memchr(line_begin, '\\', line_size) == nullptr)
      return code;
    document.rewind();
    od::object object;
    code = document.get_object().get(object);
    if (code != simdjson::SUCCESS) return code;
    for (auto member : object) {
      od::field field;
      code = std::move(member).get(field);
      if (code != simdjson::SUCCESS) return code;
      std::string_view key;
      code = field.unescaped_key().get(key);
      if (code != simdjson::SUCCESS) return code;
      if (key == "type") return field.value().get_string().get(tag);
    }
    return simdjson::NO_SUCH_FIELD;
  }

  bool read_tag(uint32_t& type) {
    std::string_view tag;
    auto code = find_tag(tag);
    if (code == simdjson::NO_SUCH_FIELD)
      return wrong("missing_type", "the line does not name its message in \"type\"", line_begin);
    if (code == simdjson::INCORRECT_TYPE) {
      auto kind = document.type();
      if (kind.error() == simdjson::SUCCESS && kind.value_unsafe() != od::json_type::object)
        return wrong("not_an_object",
                     "expected an object, found " + std::string(name_of(kind.value_unsafe())),
                     line_begin);
      return wrong("missing_type", "\"type\" is not the name of a message");
    }
    if (code != simdjson::SUCCESS) return broken(code, "");
    auto found = lines.by_name.find(tag);
    if (found == lines.by_name.end())
      return wrong("unknown_type",
                   "'" + std::string(tag.substr(0, 64)) + "' is no message that comes in here");
    type = found->second;
    document.rewind();
    return true;
  }

  bool path_needed_ = false;
  const std::string empty_;
};

CarefulReader::CarefulReader(const LinePlan& plan) : impl_(std::make_unique<Impl>(plan)) {}
CarefulReader::~CarefulReader() = default;

tl::expected<JsonReader::Parsed, LineError> CarefulReader::read(std::string_view line,
                                                                std::byte* out) {
  Impl& impl = *impl_;
  JsonReader::Parsed parsed;
  impl.path_needed_ = false;
  if (impl.read_line(line, out, parsed.type)) return parsed;
  // Once more, this time spelling out where the mistake is.
  impl.path_needed_ = true;
  if (impl.read_line(line, out, parsed.type))
    return tl::unexpected(LineError{"not_json", "the line is not valid JSON", 0});
  return tl::unexpected(impl.error);
}

}  // namespace ringkernel::schema
