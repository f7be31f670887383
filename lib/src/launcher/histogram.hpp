// How often each duration came, to within 1.6 %: exact below 64 ns, then 64 buckets for each power
// of two; the last bucket takes what is above 18 minutes. One writer, readers afterwards.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringkernel::launcher {

class Histogram {
 public:
  Histogram() : buckets_(kBuckets) {}

  void record(uint64_t ns) {
    ++buckets_[bucket_of(ns)];
    ++count_;
    max_ = std::max(max_, ns);
  }
  void add(const Histogram& other) {
    for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
  }

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }
  // The duration that the share `q` of all does not exceed; 0 where nothing was recorded.
  uint64_t quantile(double q) const {
    const auto wanted =
        std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(q * static_cast<double>(count_))));
    uint64_t seen = 0;
    for (size_t i = 0; i < kBuckets; ++i) {
      seen += buckets_[i];
      if (seen >= wanted && count_ > 0) return std::min(upper_bound(i), max_);
    }
    return max_;
  }

 private:
  static constexpr uint32_t kFine = 6;      // log2 of the buckets for each power of two
  static constexpr uint32_t kLargest = 40;  // log2 of what the last bucket begins below
  static constexpr size_t kBuckets = size_t{kLargest - kFine + 1} << kFine;

  static size_t bucket_of(uint64_t ns) {
    if (ns >> kLargest != 0) return kBuckets - 1;
    if (ns >> kFine == 0) return ns;
    const auto shift = static_cast<uint32_t>(std::bit_width(ns)) - 1 - kFine;
    return (size_t{shift} << kFine) + (ns >> shift);
  }
  static uint64_t upper_bound(size_t bucket) {
    if (bucket >> kFine < 2) return bucket;
    if (bucket == kBuckets - 1) return ~uint64_t{0};
    const size_t shift = (bucket >> kFine) - 1;
    return ((bucket - (shift << kFine) + 1) << shift) - 1;
  }

  std::vector<uint32_t> buckets_;
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace ringkernel::launcher
