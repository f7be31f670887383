#include "schema/base64.hpp"

#include <array>

namespace ringkernel::schema {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kNone = 0xFF;

constexpr std::array<uint8_t, 256> reverse_alphabet() {
  std::array<uint8_t, 256> table{};
  for (auto& entry : table) entry = kNone;
  for (size_t i = 0; i < kAlphabet.size(); ++i)
    table[static_cast<unsigned char>(kAlphabet[i])] = static_cast<uint8_t>(i);
  return table;
}
constexpr auto kReverse = reverse_alphabet();

}  // namespace

void append_base64(const uint8_t* bytes, size_t size, std::string& out) {
  for (size_t i = 0; i < size; i += 3) {
    uint32_t group = uint32_t{bytes[i]} << 16;
    if (i + 1 < size) group |= uint32_t{bytes[i + 1]} << 8;
    if (i + 2 < size) group |= bytes[i + 2];
    out += kAlphabet[group >> 18];
    out += kAlphabet[(group >> 12) & 63U];
    out += i + 1 < size ? kAlphabet[(group >> 6) & 63U] : '=';
    out += i + 2 < size ? kAlphabet[group & 63U] : '=';
  }
}

bool decode_base64(std::string_view text, std::vector<uint8_t>& out) {
  out.clear();
  if (text.size() % 4 != 0) return false;
  for (size_t i = 0; i < text.size(); i += 4) {
    bool last = i + 4 == text.size();
    size_t padding = !last || text[i + 3] != '=' ? 0 : text[i + 2] == '=' ? 2 : 1;
    uint32_t group = 0;
    for (size_t k = 0; k < 4; ++k) {
      uint8_t value =
          k >= 4 - padding ? uint8_t{0} : kReverse[static_cast<unsigned char>(text[i + k])];
      if (value == kNone) return false;
      group = group << 6 | value;
    }
    // Bits that are cut off must be zero, so that every text has one meaning.
    if ((padding == 1 && (group & 0xFFU) != 0) || (padding == 2 && (group & 0xFFFFU) != 0))
      return false;
    out.push_back(static_cast<uint8_t>(group >> 16));
    if (padding < 2) out.push_back(static_cast<uint8_t>(group >> 8));
    if (padding < 1) out.push_back(static_cast<uint8_t>(group));
  }
  return true;
}

}  // namespace ringkernel::schema
