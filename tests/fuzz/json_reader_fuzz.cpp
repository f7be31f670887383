// A line is a message or has a reason; what is a message reads back from what it is written as.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "fuzz/fuzz.hpp"
#include "fuzz/json_types.hpp"
#include "schema/json_codec.hpp"

using namespace ringkernel;
using namespace ringkernel::schema;

namespace {

constexpr std::array<std::string_view, 18> kReasons = {
    "not_json",      "not_an_object", "missing_field",   "unknown_field", "repeated_field",
    "wrong_type",    "out_of_range",  "string_too_long", "list_too_long", "wrong_length",
    "bad_utf8",      "bad_base64",    "unknown_name",    "two_documents", "too_deep",
    "line_too_long", "unknown_type",  "missing_type"};

struct Codec {
  explicit Codec(bool tagged_lines, UnknownFields unknown)
      : tagged(tagged_lines),
        reader(tagged ? fuzz::json_types() : std::vector{fuzz::json_types()[0]}, tagged, unknown),
        writer(tagged ? fuzz::json_types() : std::vector{fuzz::json_types()[0]},
               tagged ? "type" : "") {}

  bool read(std::string_view line, std::vector<std::byte>& payload, uint32_t& type) {
    std::string padded(line);
    padded.append(JsonReader::kPadding, '\x7f');
    std::fill(payload.begin(), payload.end(), std::byte{0xA5});
    const auto parsed = reader.read({padded.data(), line.size()}, payload.data());
    if (!parsed) {
      fuzz::require(
          std::find(kReasons.begin(), kReasons.end(), parsed.error().reason) != kReasons.end(),
          "a reason that is documented");
      fuzz::require(parsed.error().column <= line.size() + 1, "a column of the line");
      return false;
    }
    type = parsed->type;
    return true;
  }

  void check(std::string_view line) {
    std::vector<std::byte> payload(1024), again(1024);
    uint32_t type = 0, type_again = 0;
    if (!read(line, payload, type)) return;
    std::string text, text_again;
    writer.write(type, payload.data(), text);
    // An infinity cannot be read, only computed; so nothing is written as null but what was absent.
    fuzz::require(writer.non_finite() == 0, "only finite numbers are read");
    fuzz::require(read(text, again, type_again), "what is written can be read");
    fuzz::require(type == type_again, "the same type");
    fuzz::require(std::memcmp(payload.data(), again.data(), fuzz::json_types()[type]->size) == 0,
                  "the same bytes");
    writer.write(type, again.data(), text_again);
    fuzz::require(text == text_again, "the same text");
  }

  bool tagged;
  JsonReader reader;
  JsonWriter writer;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Codec strict(false, UnknownFields::Error);
  static Codec lax(false, UnknownFields::Ignore);
  static Codec tagged(true, UnknownFields::Error);
  std::string_view rest = fuzz::text_of(data, size);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    for (Codec* codec : {&strict, &lax, &tagged}) codec->check(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return 0;
}
