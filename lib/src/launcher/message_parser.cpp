#include "launcher/message_parser.hpp"

#include <algorithm>
#include <cstring>

namespace ringkernel::launcher {
namespace {

using schema::LineError;
using schema::Scalar;

bool is_signed(Scalar scalar) {
  return scalar == Scalar::I8 || scalar == Scalar::I16 || scalar == Scalar::I32 ||
         scalar == Scalar::I64;
}

std::vector<schema::MessageTypePtr> types_of(const topology::Input& input) {
  if (input.message) return {input.message};
  return input.messages;
}

}  // namespace

MessageParser::MessageParser(const topology::Input& input)
    : types_(types_of(input)),
      raw_(input.codec == topology::Codec::Raw && (input.kind == topology::Input::Kind::Stdin ||
                                                   input.kind == topology::Input::Kind::File)),
      priority_(static_cast<uint8_t>(input.priority)),
      reader_(types_, input.message == nullptr,
              input.ignore_unknown_fields ? schema::UnknownFields::Ignore
                                          : schema::UnknownFields::Error) {
  if (input.deadline) {
    deadline_us_ = static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(*input.deadline).count());
  }
  uint32_t largest = 1;
  for (const auto& type : types_) {
    largest = std::max(largest, type->size);
    const schema::Field* field =
        input.deadline_field.empty() ? nullptr : type->field(input.deadline_field);
    DeadlineField place;
    if (field != nullptr && field->type.kind == schema::Type::Kind::Scalar) {
      place = {field->offset, field->type.value_size, is_signed(field->type.scalar),
               field->type.optional};
    }
    deadline_fields_.push_back(place);
  }
  payload_ = std::make_unique<std::byte[]>(largest);
}

uint64_t MessageParser::deadline_of(uint32_t type, const std::byte* payload,
                                    uint64_t now_us) const {
  if (deadline_us_ != 0) return now_us + deadline_us_;
  const DeadlineField& field = deadline_fields_[type];
  if (field.size == 0) return 0;
  if (field.optional && payload[field.offset + field.size] == std::byte{0}) return 0;
  uint64_t value = 0;
  std::memcpy(&value, payload + field.offset, std::min<size_t>(field.size, sizeof value));
  const bool negative =
      field.is_signed && field.size <= 8 && ((value >> (8 * field.size - 1)) & 1) != 0;
  // Long past, but not "none", which is 0.
  return negative || value == 0 ? 1 : value;
}

tl::expected<runtime::InputMessage, LineError> MessageParser::parse(const Record& record,
                                                                    uint64_t now_us) {
  uint32_t type = 0;
  if (record.kind == Record::Kind::TooLong) {
    return tl::unexpected(LineError{"line_too_long", "longer than 16 MiB", 0});
  }
  if (record.kind == Record::Kind::Truncated) {
    std::string detail = raw_ ? "the bytes end after " + std::to_string(record.bytes.size()) +
                                    " of " + std::to_string(types_.front()->size)
                              : std::string("the client went away in the middle of the line");
    return tl::unexpected(LineError{"truncated", std::move(detail), 0});
  }
  if (raw_) {
    std::memcpy(payload_.get(), record.bytes.data(), types_.front()->size);
  } else {
    auto parsed = reader_.read(record.bytes, payload_.get());
    if (!parsed) return tl::unexpected(std::move(parsed.error()));
    type = parsed->type;
  }
  return message_of(type, payload_.get(), record.number, now_us);
}

runtime::InputMessage MessageParser::message_of(uint32_t type, const std::byte* payload,
                                                uint64_t number, uint64_t now_us) const {
  runtime::InputMessage message;
  message.type = type;
  message.payload = payload;
  message.root = number;
  message.priority = priority_;
  message.deadline_us = deadline_of(type, payload, now_us);
  return message;
}

std::unique_ptr<RecordSplitter> MessageParser::make_splitter() const {
  if (raw_) {
    return std::make_unique<StructSplitter>(types_.front()->size, schema::JsonReader::kPadding);
  }
  return std::make_unique<LineSplitter>(schema::JsonReader::kPadding);
}

}  // namespace ringkernel::launcher
