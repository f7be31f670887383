// Message ids: unique across runs and nodes. 24 random bits chosen once per process, then a
// counter that is leased in blocks, so that handling a message touches nothing shared.
#pragma once

#include <atomic>
#include <cstdint>

namespace ringkernel {

class MessageIds {
 public:
  MessageIds();
  // First of n fresh ids.
  uint64_t lease(uint32_t n) { return next_.fetch_add(n, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> next_;
};

}  // namespace ringkernel
