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

}  // namespace ringkernel::schema
