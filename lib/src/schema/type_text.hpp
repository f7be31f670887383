// Types as a topology spells them.
#pragma once

#include "schema/message_type.hpp"

namespace ringkernel::schema {

struct ParsedType {
  Type type;
  std::optional<std::string> default_text;  // after " = "
  size_t default_offset = 0;
};

// "string[32]? = EUR". `known` resolves message names.
tl::expected<ParsedType, DeclarationError> parse_type(std::string_view text,
                                                      const std::vector<MessageTypePtr>& known);

bool is_json_number(std::string_view text);

// For a number in another spelling than JSON's ("010", "+1", "0x10", "1_000", ".5"): how to write
// it. Empty for everything else.
struct NumberAdvice {
  std::string number;      // "10"
  std::string suggestion;  // "write 10, or 8: YAML reads 010 as octal"
};
NumberAdvice number_advice(std::string_view text);

}  // namespace ringkernel::schema
