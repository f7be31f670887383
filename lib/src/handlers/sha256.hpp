// SHA-256 (FIPS 180-4), for naming artefacts by what they were made from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringkernel::handlers {

class Sha256 {
 public:
  Sha256& add(std::string_view bytes);
  // The bytes and their length, so that neighbours cannot run into each other.
  Sha256& add_part(std::string_view bytes);
  std::string hex();  // 64 digits; ends the sum

 private:
  void block(const unsigned char* bytes);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> pending_{};
  size_t pending_size_ = 0;
  uint64_t total_ = 0;
};

std::string sha256(std::string_view bytes);

}  // namespace ringkernel::handlers
