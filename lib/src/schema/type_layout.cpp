// Sizes and offsets of types: what a C compiler does with the declared fields.
#include "schema/type_layout.hpp"

#include <algorithm>

namespace ringkernel::schema {
namespace {

uint32_t round_up(uint32_t n, uint32_t to) { return (n + to - 1) / to * to; }

}  // namespace

bool lay_out(Type& type) {
  uint64_t size = 0;
  switch (type.kind) {
    case Type::Kind::Scalar:
      size = type.alignment = size_of(type.scalar);
      break;
    case Type::Kind::Enum:
      size = type.alignment = type.names.size() > 256 ? 2 : 1;
      break;
    case Type::Kind::String:
    case Type::Kind::Bytes:
      type.alignment = 2;
      size = round_up(2 + type.count, 2);
      break;
    case Type::Kind::Message:
      type.alignment = type.message->alignment;
      size = type.message->size;
      break;
    case Type::Kind::Array:
      type.alignment = type.element->alignment;
      size = uint64_t{type.element->size} * type.count;
      break;
    case Type::Kind::List:
      type.alignment = std::max(4U, type.element->alignment);
      size = round_up(4, type.element->alignment) + uint64_t{type.element->size} * type.count;
      size = (size + type.alignment - 1) / type.alignment * type.alignment;
      break;
  }
  if (size > kMaxPayload) return false;
  type.value_size = static_cast<uint32_t>(size);
  type.size = type.optional ? round_up(type.value_size + 1, type.alignment) : type.value_size;
  return true;
}

bool lay_out(MessageType& message) {
  uint64_t offset = 0;
  message.alignment = 1;
  for (Field& field : message.fields) {
    offset = (offset + field.type.alignment - 1) / field.type.alignment * field.type.alignment;
    field.offset = static_cast<uint32_t>(offset);
    offset += field.type.size;
    message.alignment = std::max(message.alignment, field.type.alignment);
    if (offset > kMaxPayload) return false;
  }
  message.size = std::max(1U, round_up(static_cast<uint32_t>(offset), message.alignment));
  return message.size <= kMaxPayload;
}

}  // namespace ringkernel::schema
