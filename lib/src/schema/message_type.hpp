// The types of messages: what a topology declares and how it lies in memory.
// The layout is that of the C struct a handler sees: declared order, natural alignment, fixed
// size, padding zeroed. 2-dimensional arrays do not exist; nesting does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/scalar.hpp"
#include "ringkernel/error.hpp"

namespace ringkernel::schema {

using ringkernel::Scalar;
using ringkernel::scalar_from_string;

struct MessageType;

// One field's type. `size` and `alignment` include the Optional wrapper.
//   String  {u16 size, char[count]}           Bytes {u16 size, u8[count]}
//   Enum    u8, u16 past 256 names            Array T[count]
//   List    {u32 size, T[count]}              Optional {T, u8 present}
struct Type {
  enum class Kind : uint8_t { Scalar, String, Bytes, Enum, Message, Array, List };

  Kind kind = Kind::Scalar;
  Scalar scalar = Scalar::U8;      // Kind::Scalar
  uint32_t count = 0;              // String and Bytes: most bytes; Array and List: elements
  std::vector<std::string> names;  // Kind::Enum, in declared order, value = index
  std::shared_ptr<const MessageType> message;  // Kind::Message
  std::shared_ptr<const Type> element;         // Array and List; never optional itself
  bool optional = false;

  uint32_t size = 0;
  uint32_t alignment = 1;
  // Without the Optional wrapper: size of the value, which is also the offset of its presence byte.
  uint32_t value_size = 0;
};

// As a topology spells it: "u64", "string[32]?", "enum[amount, velocity]", "Order", "f32[<=8]".
std::string to_string(const Type& type);

struct Field {
  std::string name;       // a C++ identifier
  std::string json_name;  // the key in JSON; equals name unless declared otherwise
  Type type;
  uint32_t offset = 0;
  std::vector<std::byte> default_value;  // type.size bytes, or empty: no default
};

struct MessageType {
  std::string name;
  std::vector<Field> fields;
  uint32_t size = 0;  // a multiple of alignment; at least 1
  uint32_t alignment = 1;
  uint64_t fingerprint =
      0;  // of name, field names, json names and types: equal means same layout and JSON

  const Field* field(std::string_view field_name) const;
};

using MessageTypePtr = std::shared_ptr<const MessageType>;

// One declared field, before types are resolved. `type` may end in "?" and carry " = default".
struct FieldDeclaration {
  std::string name;
  std::string type;
  std::string json_name;  // empty: same as name
};

// A mistake in a declaration, with the field it is in and the byte offset inside its type text.
struct DeclarationError {
  std::string field;
  size_t offset = 0;
  std::string code;  // stable, e.g. "unknown-type", "bad-type", "bad-default", "name-reserved"
  std::string message;
  std::string suggestion;  // "did you mean 'u32'?" without the quotes around; may be empty
};

// Parses and lays out one message. `known` are the messages declared before or after it that it may
// nest, already laid out (the caller orders them; a cycle of nesting is the caller's to report).
// Field names must be C++ identifiers that are no keywords; names repeat at most once.
tl::expected<MessageTypePtr, std::vector<DeclarationError>> make_message_type(
    std::string name, const std::vector<FieldDeclaration>& fields,
    const std::vector<MessageTypePtr>& known);

// Message names that a declaration's type text refers to (for the caller's ordering).
std::vector<std::string> referenced_messages(const FieldDeclaration& field);

// A scalar type with its default, as in `params: {limit: f64 = 1000}`: "f64 = 1000".
// Params may be bool, integers, f32, f64, and string[N].
tl::expected<Field, DeclarationError> make_param(std::string name, std::string_view declaration);

// Parses text ("1000", "true", "EUR") as a value of `type` into type.size bytes at `out`.
Result<void> parse_value(const Type& type, std::string_view text, std::byte* out);

bool is_identifier(std::string_view name);  // [A-Za-z_][A-Za-z0-9_]*
bool is_cpp_keyword(std::string_view name);
// A keyword, or a name that every handler has: State, Context, Params, reply.
bool is_reserved_name(std::string_view name);

}  // namespace ringkernel::schema
