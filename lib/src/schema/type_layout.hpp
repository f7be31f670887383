// Sizes and offsets of types: what a C compiler does with the declared fields.
#pragma once

#include "schema/message_type.hpp"

namespace ringkernel::schema {

inline constexpr uint32_t kMaxPayload = 1U << 20;  // bytes of one message

// Fills in size, alignment and offsets. False: larger than kMaxPayload.
bool lay_out(Type& type);
bool lay_out(MessageType& message);

}  // namespace ringkernel::schema
