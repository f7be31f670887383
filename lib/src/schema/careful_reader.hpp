// Reads any line, through simdjson, and says of a line that is no message what is wrong with it and
// where.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "schema/json_codec.hpp"
#include "schema/json_plan.hpp"

namespace ringkernel::schema {

class CarefulReader {
 public:
  explicit CarefulReader(const LinePlan& plan);  // outlives it
  ~CarefulReader();

  // As JsonReader::read().
  tl::expected<JsonReader::Parsed, LineError> read(std::string_view line, std::byte* out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringkernel::schema
