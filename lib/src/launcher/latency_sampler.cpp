#include "launcher/latency_sampler.hpp"

#include <algorithm>

namespace ringkernel::launcher {
namespace {

// Between two that are followed: about 25 us at most costs, and 10 us at least gives, enough.
constexpr uint64_t kLeastGapNs = 10'000;
constexpr uint64_t kMostGapNs = 40'000;
constexpr uint64_t kLongestStride = 4096;

}  // namespace

LatencySampler::LatencySampler(size_t windows, uint64_t window_ns)
    : slots_(std::make_unique<Slot[]>(kSlots)), windows_(windows + 1), window_ns_(window_ns) {}

uint64_t LatencySampler::begin(uint64_t begun_ns) {
  const uint64_t number = next_++;
  Slot& slot = slots_[number % kSlots];
  harvest(slot);
  slot.begun_ns = begun_ns;
  slot.last_ns.store(0, std::memory_order_relaxed);
  slot.number.store(number, std::memory_order_release);
  choose_next(begun_ns);
  return number;
}

// By chance within twice the stride, so that no rhythm of batches or keys is met again and again.
void LatencySampler::choose_next(uint64_t now_ns) {
  const uint64_t gap = now_ns - last_begun_ns_;
  last_begun_ns_ = now_ns;
  if (gap < kLeastGapNs)
    stride_ = std::min(stride_ * 2, kLongestStride);
  else if (gap > kMostGapNs)
    stride_ = std::max<uint64_t>(stride_ / 2, 1);
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  countdown_ = 1 + random_ % (2 * stride_ - 1);
}

void LatencySampler::ended(uint64_t number, uint64_t now_ns) {
  Slot& slot = slots_[number % kSlots];
  if (slot.number.load(std::memory_order_acquire) != number) return;
  uint64_t last = slot.last_ns.load(std::memory_order_relaxed);
  while (last < now_ns &&
         !slot.last_ns.compare_exchange_weak(last, now_ns, std::memory_order_relaxed)) {
  }
}

void LatencySampler::harvest(Slot& slot) {
  if (slot.number.exchange(0, std::memory_order_acquire) == 0) return;
  const uint64_t last = slot.last_ns.load(std::memory_order_relaxed);
  if (slot.begun_ns < measure_from_) return;
  if (last == 0) {
    ++lost_;
    return;
  }
  const uint64_t window = (slot.begun_ns - measure_from_) / window_ns_;
  windows_[std::min<size_t>(window, windows_.size() - 1)].record(
      last > slot.begun_ns ? last - slot.begun_ns : 0);
}

void LatencySampler::finish() {
  for (size_t i = 0; i < kSlots; ++i) harvest(slots_[i]);
}

}  // namespace ringkernel::launcher
