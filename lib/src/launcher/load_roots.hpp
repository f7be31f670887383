// The loads of a run as its kernels and outputs know them: by the roots of messages.
#pragma once

#include <cstdint>
#include <span>

namespace ringkernel::launcher {

struct Load;

class LoadRoots {
 public:
  explicit LoadRoots(std::span<Load* const> loads) : loads_(loads) {}

  static uint64_t not_followed() { return kMade; }
  static uint64_t followed(uint16_t input, uint64_t number) {
    return kMade | kFollowed | (uint64_t{input} << kInputShift) | number;
  }
  // A message of this root was handled or written just now.
  void ended(uint64_t root) const;

 private:
  static constexpr uint64_t kMade = uint64_t{1} << 63;  // other inputs count lines from 1
  static constexpr uint64_t kFollowed = uint64_t{1} << 62;
  static constexpr uint32_t kInputShift = 46;
  static constexpr uint64_t kNumber = (uint64_t{1} << kInputShift) - 1;

  std::span<Load* const> loads_;
};

}  // namespace ringkernel::launcher
