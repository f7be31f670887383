// Frames of the control socket: bytes are frames, or not yet, or an error; never read past the end.
#include <string>

#include "fuzz/fuzz.hpp"
#include "launcher/control_protocol.hpp"

using namespace ringkernel;
using namespace ringkernel::launcher;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes = fuzz::text_of(data, size);
  parse_control(bytes);
  for (;;) {
    const auto frame = next_frame(bytes, kMaxControl);
    if (!frame || !*frame) break;
    fuzz::require((*frame)->size == (*frame)->payload.size() + kFrameHeader, "header and payload");
    std::string again;
    append_frame(again, (*frame)->kind, (*frame)->payload);
    fuzz::require(again == bytes.substr(0, (*frame)->size), "the frame's own bytes");
    parse_control((*frame)->payload);
    bytes.remove_prefix((*frame)->size);
  }
  return 0;
}
