// Follows some of the messages of one input until the last message that descends from them is
// handled or written. Every message would cost more than it tells: at most one in about 10 us is
// followed, picked at random. The header's `root`, which all descendants carry, names it.
//
// Threads: the input's step calls wanted() and begin(), workers ended(); the rest is for
// afterwards.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "launcher/histogram.hpp"

namespace ringkernel::launcher {

class LatencySampler {
 public:
  // `windows` of `window_ns` each; a last one takes what comes after them.
  LatencySampler(size_t windows, uint64_t window_ns);

  // What begins before is not counted.
  void measure_from(uint64_t ns) { measure_from_ = ns; }

  // Whether to follow the next message.
  bool wanted() { return --countdown_ == 0; }
  // Follows one that begins then; returns its number.
  uint64_t begin(uint64_t begun_ns);
  // A descendant of it was handled or written at `now_ns`.
  void ended(uint64_t number, uint64_t now_ns);

  // Nothing is under way any more.
  void finish();
  const std::vector<Histogram>& windows() const { return windows_; }
  // Followed, but no end was seen: dropped, in a queue for too long, or on a GPU to its end.
  uint64_t lost() const { return lost_; }

 private:
  // In flight at once: more than a second of them at the highest rate of following.
  static constexpr size_t kSlots = size_t{1} << 17;
  struct Slot {
    std::atomic<uint64_t> number{0};  // 0: empty
    std::atomic<uint64_t> last_ns{0};
    uint64_t begun_ns = 0;
  };

  void harvest(Slot& slot);
  void choose_next(uint64_t now_ns);

  const std::unique_ptr<Slot[]> slots_;
  std::vector<Histogram> windows_;
  const uint64_t window_ns_;
  uint64_t measure_from_ = 0;
  uint64_t next_ = 1;
  uint64_t countdown_ = 1;
  uint64_t stride_ = 1;  // one in so many is followed
  uint64_t last_begun_ns_ = 0;
  uint64_t random_ = 0x9E3779B97F4A7C15U;
  uint64_t lost_ = 0;
};

}  // namespace ringkernel::launcher
