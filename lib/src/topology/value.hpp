// A parsed document: YAML without yaml-cpp, every node with its place.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "topology/diagnostic.hpp"

namespace ringkernel::topology {

struct Value {
  enum class Kind : uint8_t { Null, Scalar, Sequence, Map };
  enum class Style : uint8_t { Plain, Quoted, Literal, Folded };

  struct Key {
    std::string text;
    Position position;
  };
  struct Member;

  Kind kind = Kind::Null;
  Style style = Style::Plain;
  std::string text;      // of a scalar
  size_t elsewhere = 0;  // how much of the text's front does not stand at `position`
  Position position;
  std::vector<Value> items;     // of a sequence
  std::vector<Member> members;  // of a map, in order

  bool is_null() const { return kind == Kind::Null; }
  bool is_scalar() const { return kind == Kind::Scalar; }
  bool is_sequence() const { return kind == Kind::Sequence; }
  bool is_map() const { return kind == Kind::Map; }
  const Value* find(std::string_view key) const;
  Value* find(std::string_view key);
};

struct Value::Member {
  Key key;
  Value value;
};

// "a map", "a list", "text", "nothing"
std::string_view name_of(Value::Kind kind);

// Parses one YAML document. What is wrong with it as YAML (duplicate keys, `<<`, a second document,
// the traps of inline maps) goes to `diagnostics`; the value is null where it cannot be parsed at
// all.
Value parse_yaml(std::string_view text, const std::string& file,
                 std::vector<Diagnostic>& diagnostics);

// The value as JSON text: plain scalars that are JSON numbers, true, false, null or ~ as such,
// others as strings.
std::string to_json(const Value& value);

// A scalar as YAML text that reads back as the same scalar.
std::string quote_yaml(std::string_view text, bool force_quotes);

}  // namespace ringkernel::topology
