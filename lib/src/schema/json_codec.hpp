// Between JSON lines and payloads, straight, without a DOM. One codec per message type, compiled
// once from its fields; a reader and a writer are used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schema/message_type.hpp"

namespace ringkernel::schema {

enum class UnknownFields : uint8_t { Error, Ignore };

// Why a line is no message. `reason` is stable and what a dead letter carries; `detail` is for
// people. reasons: not_json, not_an_object, missing_field, unknown_field, repeated_field,
// wrong_type, out_of_range, string_too_long, list_too_long, wrong_length, bad_utf8, bad_base64,
// unknown_name, two_documents, too_deep, line_too_long, unknown_type, missing_type
struct LineError {
  std::string_view reason;
  std::string detail;   // "field 'amount': expected a number, found a string"
  uint32_t column = 0;  // 1-based byte column where known, else 0
};

class JsonReader {
 public:
  // One type: every line is of it. Several: each line names its own in the member "type"
  // (which is not a field of the message then).
  JsonReader(std::vector<MessageTypePtr> types, bool tagged, UnknownFields unknown);
  ~JsonReader();
  JsonReader(JsonReader&&) noexcept;
  JsonReader& operator=(JsonReader&&) noexcept;

  // Bytes that must be readable past the end of `line` (simdjson's padding); their content is free.
  static constexpr size_t kPadding = 64;

  struct Parsed {
    uint32_t type = 0;  // index into the constructor's types
  };
  // Reads one line (no newline; a final '\r' is allowed) into `out`, which has room for the largest
  // type. On success the whole payload is written, padding zeroed. On error `out` is unspecified.
  tl::expected<Parsed, LineError> read(std::string_view line, std::byte* out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class JsonWriter {
 public:
  // `tag_key` empty: no tag; else each object starts with "tag_key":"TypeName".
  JsonWriter(std::vector<MessageTypePtr> types, std::string tag_key);
  ~JsonWriter();
  JsonWriter(JsonWriter&&) noexcept;
  JsonWriter& operator=(JsonWriter&&) noexcept;

  // Appends one JSON object, no newline. Fields in declared order under their json names; absent
  // optionals as null; NaN and infinities are written as null and counted.
  // Bytes of a payload that are no valid value (an enum past its names, a size past N, bytes that
  // are no UTF-8) never make invalid JSON: they are clamped or replaced (U+FFFD).
  void write(uint32_t type, const std::byte* payload, std::string& out);

  uint64_t non_finite() const;  // floating-point values written as null so far

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringkernel::schema
