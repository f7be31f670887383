// What is counted of a kernel and of an edge, summed over its blocks.
#include <algorithm>
#include <array>

#include "core/clock.hpp"
#include "runtime/graph.hpp"

namespace ringkernel::runtime {

std::vector<const BlockCounters*> GraphNode::all_counters() const {
  std::vector<const BlockCounters*> all;
  for (const auto& parts : parts_) {
    all.push_back(parts->counters);
    if (parts->device_counters != nullptr) all.push_back(parts->device_counters);
  }
  return all;
}

std::vector<LatencyBucket> GraphNode::latency_buckets() const {
  std::vector<LatencyBucket> buckets;
  const std::vector<const BlockCounters*> all = all_counters();
  for (uint32_t i = 0; i < LatencyHistogram::kBuckets; ++i) {
    uint64_t count = 0;
    for (const BlockCounters* c : all)
      if (load_acquire(&c->latency.inverse_min_us) != 0)
        count += load_relaxed(&c->latency.buckets[i]);
    if (count > 0) buckets.push_back({LatencyHistogram::upper_bound(i), count});
  }
  return buckets;
}

KernelCounts GraphNode::counts() const {
  KernelCounts counts;
  std::array<uint64_t, LatencyHistogram::kBuckets> buckets{};
  uint64_t recorded = 0;
  uint64_t inverse_min = 0;
  uint64_t finished = 0;
  const std::vector<const BlockCounters*> all = all_counters();
  for (const BlockCounters* c : all)  // finished ones first: in_hand is never counted too small
    finished += load_acquire(&c->handled) + load_acquire(&c->failed);
  for (const BlockCounters* each : all) {
    const BlockCounters& c = *each;
    counts.handled += load_relaxed(&c.handled);
    counts.failed += load_relaxed(&c.failed);
    counts.emitted += load_relaxed(&c.created);
    counts.unasked += load_relaxed(&c.unasked);
    counts.invocations += load_relaxed(&c.invocations);
    counts.stolen += load_relaxed(&c.stolen);
    counts.failed_hooks += load_relaxed(&c.failed_hooks);
    const uint64_t inverse = load_acquire(&c.latency.inverse_min_us);
    if (inverse == 0) continue;  // its buckets lie in pages that nobody has touched
    for (uint32_t i = 0; i < LatencyHistogram::kBuckets; ++i) {
      const uint64_t n = load_relaxed(&c.latency.buckets[i]);
      buckets[i] += n;
      recorded += n;
    }
    inverse_min = std::max(inverse_min, inverse);
    counts.latency.max_us = std::max(counts.latency.max_us, load_relaxed(&c.latency.max_us));
    counts.latency.total_us += load_relaxed(&c.latency.total_us);
  }
  {
    std::lock_guard lock(engine_->mutex_);
    for (const auto& edge : engine_->edges_)
      if (edge->to_ == this)
        for (const ReceiveCounters* c : edge->received_)
          counts.delivered += load_relaxed(&c->delivered);
  }
  counts.in_hand = counts.delivered > finished ? counts.delivered - finished : 0;
  counts.keys = load_relaxed(keys_.get());
  const uint64_t now = monotonic_ns();
  for (const auto& parts : parts_) {
    const uint64_t began = parts->owner.turn_began_ns.load(std::memory_order_relaxed);
    if (began != 0 && began < now) counts.busy_ns = std::max(counts.busy_ns, now - began);
  }
  if (remote_ != nullptr) {
    counts.bytes_to_device = remote_->bytes_to_device();
    counts.bytes_from_device = remote_->bytes_from_device();
    counts.device_memory = remote_->device_memory();
    counts.bytes_polled = remote_->bytes_polled();
  }
  counts.latency.count = recorded;
  counts.latency.min_us = recorded > 0 ? ~inverse_min : 0;
  auto quantile = [&](double q) -> uint64_t {
    auto rank = static_cast<uint64_t>(q * static_cast<double>(recorded));
    uint64_t seen = 0;
    for (uint32_t i = 0; i < LatencyHistogram::kBuckets; ++i) {
      seen += buckets[i];
      if (seen > rank) return std::min(LatencyHistogram::upper_bound(i), counts.latency.max_us);
    }
    return counts.latency.max_us;
  };
  counts.latency.p50_us = quantile(0.5);
  counts.latency.p99_us = quantile(0.99);
  counts.latency.p999_us = quantile(0.999);
  return counts;
}

EdgeCounts GraphEdge::counts() const {
  EdgeCounts counts;
  for (const ReceiveCounters* c : received_) {
    counts.delivered += load_acquire(&c->delivered);
    counts.failed += load_acquire(&c->failed);
    counts.depth += load_relaxed(&c->taken);
  }
  uint64_t waited_us = 0;
  for (const SendCounters* c : sent_) {
    counts.offered += load_acquire(&c->offered);
    counts.dropped += load_relaxed(&c->dropped);
    counts.failed += load_relaxed(&c->failed);
    counts.depth += load_relaxed(&c->staged);
    waited_us += load_relaxed(&c->waited_us);
  }
  counts.waited_s = static_cast<double>(waited_us) / 1e6;
  counts.capacity = capacity_;
  for (const Ring& ring : rings_) {
    uint64_t head = load_acquire(&ring.control->head);
    uint64_t tail = load_acquire(&ring.control->tail) & ~MpmcRing::kClosed;
    counts.depth += tail > head ? tail - head : 0;
  }
  if (remote_ != nullptr) {
    const uint64_t over = counts.delivered + counts.dropped + counts.failed;
    counts.depth = counts.offered > over ? counts.offered - over : 0;
  }
  return counts;
}

}  // namespace ringkernel::runtime
