// What the plain reader takes, the careful one takes, too, and makes the same bytes of it; whatever
// stands behind the line.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "fuzz/json_types.hpp"
#include "schema/careful_reader.hpp"
#include "schema/plain_reader.hpp"

using namespace ringkernel;
using namespace ringkernel::schema;

namespace {

constexpr size_t kLargest = 1024;

struct Readers {
  Readers(bool tagged, bool ignore_unknown)
      : types(tagged ? fuzz::json_types() : std::vector{fuzz::json_types()[0]}),
        plan(types, tagged, ignore_unknown),
        plain(plan),
        careful(plan) {}

  // `behind`: what can be read past the line.
  void check(std::string_view line, std::string_view behind) {
    std::vector<char> bytes(line.begin(), line.end());
    bytes.insert(bytes.end(), behind.begin(), behind.end());
    bytes.resize(line.size() + JsonReader::kPadding, '}');
    std::vector<std::byte> quick(kLargest, std::byte{0xA5}), slow(kLargest, std::byte{0x5A});
    uint32_t type = 0;
    if (!plain.read({bytes.data(), line.size()}, quick.data(), type)) return;
    const auto parsed = careful.read({bytes.data(), line.size()}, slow.data());
    fuzz::require(parsed.has_value(), "what is read plainly is a message");
    fuzz::require(parsed->type == type, "of the same type");
    fuzz::require(std::memcmp(quick.data(), slow.data(), types[type]->size) == 0,
                  "with the same bytes");
    fuzz::require(quick[types[type]->size] == std::byte{0xA5}, "and nothing behind them");
  }

  std::vector<MessageTypePtr> types;
  LinePlan plan;
  PlainReader plain;
  CarefulReader careful;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Readers strict(false, false);
  static Readers lax(false, true);
  static Readers tagged(true, false);
  static Readers lax_tagged(true, true);
  std::string_view rest = fuzz::text_of(data, size);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    // The whole line, and one that is cut off in the middle of it.
    for (const size_t length : {end, size % (end + 1)}) {
      const std::string_view behind = rest.substr(length, JsonReader::kPadding);
      for (Readers* readers : {&strict, &lax, &tagged, &lax_tagged})
        readers->check(rest.substr(0, length), behind);
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return 0;
}
