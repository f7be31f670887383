// Records do not depend on how the bytes arrive, and each byte is in one of them or between two.
#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "launcher/record_splitter.hpp"

using namespace ringkernel;
using namespace ringkernel::launcher;

namespace {

using Told = std::vector<std::tuple<Record::Kind, std::string, uint64_t>>;

Told split(RecordSplitter& splitter, std::string_view bytes, size_t piece) {
  Told told;
  Record record;
  const auto tell = [&] {
    told.emplace_back(record.kind, std::string(record.bytes), record.number);
  };
  while (!bytes.empty()) {
    const size_t n = std::min(piece, bytes.size());
    const auto room = splitter.buffer().room(n);
    std::copy_n(bytes.begin(), n, room.begin());
    splitter.buffer().filled(n);
    bytes.remove_prefix(n);
    while (splitter.next(record)) tell();
  }
  if (splitter.last(true, record)) tell();
  fuzz::require(splitter.buffer().size() == 0, "all bytes are used");
  return told;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  LineSplitter whole(64), bytewise(64), pieces(64);
  const Told lines = split(whole, bytes, size + 1);
  fuzz::require(lines == split(bytewise, bytes, 1), "lines, byte by byte");
  fuzz::require(lines == split(pieces, bytes, 7), "lines, in pieces");
  for (const auto& [kind, text, number] : lines) {
    fuzz::require(text.find('\n') == std::string::npos, "no newline in a line");
    fuzz::require(!text.empty(), "no blank line");
  }
  StructSplitter structs(5, 64), slow(5, 64);
  const Told records = split(structs, bytes, size + 1);
  fuzz::require(records == split(slow, bytes, 3), "structs, in pieces");
  fuzz::require(records.size() == (size + 4) / 5, "structs of five bytes");
  return 0;
}
