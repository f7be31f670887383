// What the handlers room needs to know of a kernel to make its module.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/array_type.hpp"
#include "ringkernel/device/module.hpp"
#include "schema/message_type.hpp"

namespace ringkernel::handlers {

struct PortSpec {
  std::string name;
  schema::MessageTypePtr message;
  uint32_t max = 1;  // most emits per handled message
};

// The fields of one accepted message that make its key.
struct KeyFields {
  schema::MessageTypePtr message;
  std::vector<std::string> fields;
};

struct BufferSpec {
  std::string name;
  ArrayType type;
};

struct HandlerSpec {
  enum class Kind : uint8_t { Source, Code, Builtin };

  std::string kernel;  // for messages to the user
  Kind kind = Kind::Source;
  std::string source;      // Source: path of the handler file
  std::string code;        // Code: the C++ text
  std::string code_file;   // Code: the YAML file it stands in
  uint32_t code_line = 0;  // Code: the line there of its first line
  std::string builtin;     // Builtin: its name, schema/builtins.hpp

  std::vector<schema::MessageTypePtr> messages;  // all of the topology, in declared order
  std::vector<schema::MessageTypePtr> accepts;
  std::vector<PortSpec> emits;
  schema::MessageTypePtr replies;  // null: none
  std::vector<BufferSpec> buffers;
  std::vector<KeyFields> keys;  // empty: State per block
  Granularity granularity = Granularity::Serial;
  std::vector<schema::Field> params;  // default_value: the value in force
  std::vector<std::pair<std::string, int64_t>> constants;
  std::vector<std::string> include;  // folders
  std::vector<std::string> flags;    // of the host compiler
  bool fast_math = false;
};

}  // namespace ringkernel::handlers
