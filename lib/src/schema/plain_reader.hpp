// Reads lines as programs write them, in one pass and without an index of the line first: keys are
// compared with the one that followed in the line before, a number is taken while its digits are
// looked at. What it does not know at once, right or wrong, it leaves to the careful reader.
//
// 1. What it takes, the careful reader takes, too, with the same bytes.
// 2. It reads at most JsonReader::kPadding bytes past the end of the line: every member,
//    element and value begins inside, and from there goes on for a bounded number of bytes or up to
//    the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "schema/json_plan.hpp"

namespace ringkernel::schema {

class PlainReader {
 public:
  explicit PlainReader(const LinePlan& plan) : plan_(plan) {}  // outlives it

  // False: left to the careful reader; `out` is unspecified then.
  bool read(std::string_view line, std::byte* out, uint32_t& type);

 private:
  // Each is given where something begins and returns where it has ended; null: left alone.
  const char* tag(const char* at, uint32_t& type);
  const char* members(const char* at, MessagePlan& plan, std::byte* out);
  const char* key(const char* at, MessagePlan& plan, FieldPlan*& field);
  const char* value(const char* at, const ValuePlan& plan, std::byte* out);
  const char* scalar(const char* at, const ValuePlan& plan, std::byte* out) const;
  const char* floating(const char* at, bool narrow, std::byte* out) const;
  const char* elements(const char* at, const ValuePlan& plan, std::byte* out);
  const char* string(const char* at, const Type& type, std::byte* out);
  const char* base64(const char* at, const Type& type, std::byte* out);
  const char* name(const char* at, const ValuePlan& plan, std::byte* out);
  // A string of at most `most` bytes; `text` is valid until the next one.
  const char* text(const char* at, size_t most, std::string_view& text);
  const char* escaped_text(const char* begin, const char* at, size_t most, std::string_view& text);
  const char* ignored(const char* at, int depth);
  const char* ignored_many(const char* at, int depth);

  const char* blanks(const char* at) const;
  size_t left(const char* at) const { return at < end_ ? static_cast<size_t>(end_ - at) : 0; }

  const LinePlan& plan_;
  const char* end_ = nullptr;  // of the line
  std::string unescaped_;
  std::vector<uint8_t> bytes_;
};

}  // namespace ringkernel::schema
