// Every key a topology may have, by section: the checker and the editor schema read the same table.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ringkernel::topology {

enum class Section : uint8_t {
  Top,
  Field,
  Kernel,
  Launch,
  Scheduler,
  Build,
  Port,
  Buffer,
  Input,
  Output,
  Wire,
  Run,
  Until,
  DeadLetters,
  Test,
  Expectation
};

// How a value looks, for the editor schema.
enum class Shape : uint8_t {
  Text,
  Integer,
  Number,
  Boolean,
  Time,
  Size,
  Enum,
  List,
  Map,
  Any,
  Section
};

struct KeyInfo {
  Section section;
  const char* key;
  Shape shape;
  const char* values;  // Enum: "a|b"; Section: what each member is
  bool required;
  const char* text;  // what it means
};

const std::vector<KeyInfo>& key_table();
std::vector<std::string> keys_of(Section section);
const KeyInfo* find_key(Section section, std::string_view key);
// Keys of later versions: known, and not available.
bool is_later(Section section, std::string_view key);

}  // namespace ringkernel::topology
