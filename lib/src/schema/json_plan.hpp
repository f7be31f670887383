// Message types, prepared for reading JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "schema/message_type.hpp"

namespace ringkernel::schema {

// Values of ignored fields may nest this deep.
constexpr int kMaxDepth = 64;

struct MessagePlan;

struct ValuePlan {
  const Type* type = nullptr;
  bool is_signed = false;  // of whole numbers
  uint64_t most = 0;       // the largest of them; the least of a signed one is -most - 1
  std::unique_ptr<ValuePlan> element;                    // Array, List
  std::shared_ptr<MessagePlan> message;                  // Message
  std::unordered_map<std::string_view, uint16_t> names;  // Enum
};

// A member's key as it mostly stands in a line, `"key":`, to be compared in two words.
struct KeyPattern {
  uint64_t words[2] = {0, 0};
  uint64_t masks[2] = {0, 0};
  size_t size = 0;  // of the text; 0: the key needs an escape or is not ASCII
  std::string text;
};

struct FieldPlan {
  KeyPattern pattern;
  // The field that last came after this one, which its program will write next time, too.
  FieldPlan* follower = nullptr;
  uint64_t bit = 0;  // of the first 64 fields each has its own
  uint32_t offset = 0;
  bool has_default = false;
  bool required = true;
  ValuePlan value;
  std::string_view key;
};

struct MessagePlan {
  const MessageType* type = nullptr;
  std::vector<FieldPlan> fields;
  std::unordered_map<std::string_view, uint32_t> by_key;
  std::vector<std::byte>
      blank;                   // the payload of an object that says nothing: defaults, else zeroes
  bool plain_keys = true;      // no key needs an escape in JSON
  uint64_t required = 0;       // a bit for each field that has to be there; of up to 64 fields
  bool has_type_key = false;   // a field's key is "type", as is that of a line's tag
  FieldPlan* first = nullptr;  // that last came first
};

// What the lines of an input are, for one reader.
struct LinePlan {
  LinePlan(std::vector<MessageTypePtr> its_types, bool are_tagged, bool ignore);

  std::vector<MessageTypePtr> types;
  std::vector<std::shared_ptr<MessagePlan>> messages;
  std::unordered_map<std::string_view, uint32_t> by_name;
  bool tagged;
  bool ignore_unknown;
};

}  // namespace ringkernel::schema
