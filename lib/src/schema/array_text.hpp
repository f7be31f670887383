// The types of buffers as a topology spells them.
#pragma once

#include <utility>

#include "core/array_type.hpp"
#include "schema/message_type.hpp"

namespace ringkernel::schema {

// "f32[1024,1024]"; an extent may be one of `constants`, by name.
tl::expected<ArrayType, DeclarationError> parse_array_type(
    std::string_view text, const std::vector<std::pair<std::string, int64_t>>& constants);

}  // namespace ringkernel::schema
