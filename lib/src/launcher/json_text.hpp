// Pieces of JSON text, for the few places that write it without a document.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ringkernel::launcher {

// With its quotes. Bytes that are no UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

// "2026-11-24T12:18:10.250000Z", with its quotes.
void append_json_time(std::string& out, uint64_t microseconds_since_1970);

}  // namespace ringkernel::launcher
