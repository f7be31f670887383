// Base64, RFC 4648, the standard alphabet, with padding.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringkernel::schema {

void append_base64(const uint8_t* bytes, size_t size, std::string& out);
// False: `text` is no valid base64.
bool decode_base64(std::string_view text, std::vector<uint8_t>& out);

}  // namespace ringkernel::schema
