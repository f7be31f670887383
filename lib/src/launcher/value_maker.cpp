#include "launcher/value_maker.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "ringkernel/device/key.hpp"

namespace ringkernel::launcher {
namespace {

using schema::Scalar;
using schema::Type;

constexpr uint64_t kNumbers = 100;
constexpr uint64_t kLongest = 16;  // of strings and lists
// A deadline far past any run: the year 9999.
constexpr uint64_t kNever = 253'402'300'799'000'000;

template <class T>
void put(T value, std::byte* out) {
  std::memcpy(out, &value, sizeof value);
}

void put_size(size_t bytes, std::byte* out) { put(static_cast<uint16_t>(bytes), out); }

}  // namespace

// By the name of a field: where a kernel further on is keyed by it, it has mostly come from a field
// of the same name in here.
ValueMaker::ValueMaker(const topology::Topology& topology, const topology::Input& input,
                       uint32_t keys)
    : keys_(keys), deadline_field_(input.deadline_field) {
  for (const topology::Kernel& kernel : topology.kernels)
    for (const topology::Key& key : kernel.keys)
      key_fields_.insert(key.fields.begin(), key.fields.end());
  for (const topology::Wire& wire : topology.wires) {
    const topology::Kernel* to = topology.kernel(wire.to);
    if (wire.route == topology::Route::BlockField && to != nullptr)
      block_fields_[wire.block_field] = static_cast<uint32_t>(to->launch.grid_size);
  }
}

uint64_t ValueMaker::random(uint64_t below) {
  return mix(state_ += 0x9E3779B97F4A7C15U) % below;  // SplitMix64
}

void ValueMaker::make(const schema::MessageType& type, uint64_t number, std::byte* payload) {
  std::memset(payload, 0, type.size);
  state_ = number;
  for (const schema::Field& field : type.fields) {
    std::byte* out = payload + field.offset;
    if (field.name == deadline_field_)
      make_never(field.type, out);
    else if (const auto blocks = block_fields_.find(field.name); blocks != block_fields_.end())
      make_numbered(field.type, random(blocks->second), out);
    else if (key_fields_.contains(field.name))
      make_numbered(field.type, number % keys_, out);
    else
      make_value(field.type, out);
  }
}

void ValueMaker::make_scalar(Scalar scalar, uint64_t whole, bool decimals, std::byte* out) {
  const double number =
      static_cast<double>(whole) +
      (decimals ? static_cast<double>(random(kNumbers)) / static_cast<double>(kNumbers) : 0);
  switch (scalar) {
    case Scalar::Bool:
      return put(static_cast<uint8_t>(whole & 1U), out);
    case Scalar::U8:
      return put(static_cast<uint8_t>(whole), out);
    case Scalar::U16:
      return put(static_cast<uint16_t>(whole), out);
    case Scalar::U32:
      return put(static_cast<uint32_t>(whole), out);
    case Scalar::U64:
      return put(whole, out);
    // Positive, however many there are.
    case Scalar::I8:
      return put(static_cast<int8_t>(whole & INT8_MAX), out);
    case Scalar::I16:
      return put(static_cast<int16_t>(whole & INT16_MAX), out);
    case Scalar::I32:
      return put(static_cast<int32_t>(whole & INT32_MAX), out);
    case Scalar::I64:
      return put(static_cast<int64_t>(whole & INT64_MAX), out);
    case Scalar::F32:
      return put(static_cast<float>(number), out);
    case Scalar::F64:
      return put(number, out);
  }
}

void ValueMaker::make_text(const Type& type, std::byte* out) {
  if (type.count == 0) return put_size(0, out);
  const uint64_t size = 1 + random(std::min<uint64_t>(type.count, kLongest));
  put_size(size, out);
  for (uint64_t i = 0; i < size; ++i)
    out[sizeof(uint16_t) + i] = static_cast<std::byte>('A' + random(26));
}

void ValueMaker::make_value(const Type& type, std::byte* out) {
  if (type.optional) {
    if (random(2) == 0) return;
    out[type.value_size] = std::byte{1};
  }
  switch (type.kind) {
    case Type::Kind::Scalar:
      return make_scalar(type.scalar, 1 + random(kNumbers), true, out);
    case Type::Kind::String:
    case Type::Kind::Bytes:
      return make_text(type, out);
    case Type::Kind::Enum: {
      const uint64_t name = random(type.names.size());
      if (type.names.size() > 256) return put(static_cast<uint16_t>(name), out);
      return put(static_cast<uint8_t>(name), out);
    }
    case Type::Kind::Message:
      for (const schema::Field& field : type.message->fields)
        make_value(field.type, out + field.offset);
      return;
    case Type::Kind::Array:
      for (uint32_t i = 0; i < type.count; ++i)
        make_value(*type.element, out + size_t{i} * type.element->size);
      return;
    case Type::Kind::List: {
      const uint64_t size = random(std::min<uint64_t>(type.count, kLongest) + 1);
      put(static_cast<uint32_t>(size), out);
      const size_t first = std::max<size_t>(sizeof(uint32_t), type.element->alignment);
      for (uint64_t i = 0; i < size; ++i)
        make_value(*type.element, out + first + i * type.element->size);
      return;
    }
  }
}

void ValueMaker::make_numbered(const Type& type, uint64_t number, std::byte* out) {
  if (type.optional) out[type.value_size] = std::byte{1};
  switch (type.kind) {
    case Type::Kind::Scalar:
      return make_scalar(type.scalar, number, false, out);
    case Type::Kind::String:
    case Type::Kind::Bytes: {
      // The last digits tell numbers apart.
      const std::string digits = std::to_string(number);
      const std::string_view kept = std::string_view(digits).substr(
          digits.size() - std::min<size_t>(digits.size(), type.count));
      put_size(kept.size(), out);
      std::memcpy(out + sizeof(uint16_t), kept.data(), kept.size());
      return;
    }
    case Type::Kind::Enum:
      if (type.names.size() > 256)
        return put(static_cast<uint16_t>(number % type.names.size()), out);
      return put(static_cast<uint8_t>(number % type.names.size()), out);
    default: {
      const uint64_t before = std::exchange(state_, number);
      Type present = type;
      present.optional = false;
      make_value(present, out);
      state_ = before;
    }
  }
}

void ValueMaker::make_never(const Type& type, std::byte* out) {
  if (type.optional) return;
  if (type.kind == Type::Kind::Scalar && type.value_size == sizeof(uint64_t))
    return make_scalar(type.scalar, kNever, false, out);
  make_value(type, out);
}

}  // namespace ringkernel::launcher
