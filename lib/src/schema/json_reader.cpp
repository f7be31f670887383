#include <utility>

#include "schema/careful_reader.hpp"
#include "schema/json_codec.hpp"
#include "schema/plain_reader.hpp"

namespace ringkernel::schema {

struct JsonReader::Impl {
  Impl(std::vector<MessageTypePtr> types, bool tagged, bool ignore_unknown)
      : plan(std::move(types), tagged, ignore_unknown), plain(plan), careful(plan) {}

  LinePlan plan;
  PlainReader plain;
  CarefulReader careful;
};

JsonReader::JsonReader(std::vector<MessageTypePtr> types, bool tagged, UnknownFields unknown)
    : impl_(std::make_unique<Impl>(std::move(types), tagged, unknown == UnknownFields::Ignore)) {}
JsonReader::~JsonReader() = default;
JsonReader::JsonReader(JsonReader&&) noexcept = default;
JsonReader& JsonReader::operator=(JsonReader&&) noexcept = default;

tl::expected<JsonReader::Parsed, LineError> JsonReader::read(std::string_view line,
                                                             std::byte* out) {
  Parsed parsed;
  if (impl_->plain.read(line, out, parsed.type)) return parsed;
  return impl_->careful.read(line, out);
}

}  // namespace ringkernel::schema
