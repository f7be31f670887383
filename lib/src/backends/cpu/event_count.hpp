// Where threads sleep until something is published. The waiter announces itself, looks again, then
// sleeps; the publisher publishes, then looks for waiters. Both announcements are
// read-modify-writes or sequentially consistent, so at least one of the two looks sees the other
// side.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>

namespace ringkernel::backends {

class EventCount {
 public:
  // Sleeps unless `ready()` says true after the announcement; at most `timeout_ns` (0: no limit).
  template <class Ready>
  void wait(Ready&& ready, uint64_t timeout_ns = 0) {
    uint32_t epoch = epoch_.load();
    waiters_.fetch_add(1);
    if (!ready()) {
      timespec limit{static_cast<time_t>(timeout_ns / 1'000'000'000U),
                     static_cast<long>(timeout_ns % 1'000'000'000U)};
      syscall(SYS_futex, reinterpret_cast<uint32_t*>(&epoch_), FUTEX_WAIT_PRIVATE, epoch,
              timeout_ns == 0 ? nullptr : &limit, nullptr, 0);
    }
    waiters_.fetch_sub(1);
  }

  bool has_waiters() const { return waiters_.load() > 0; }

  // To be called after publishing with a sequentially consistent read-modify-write.
  void notify_one() { notify(1); }
  void notify_all() { notify(INT_MAX); }

 private:
  void notify(int n) {
    if (waiters_.load() == 0) return;
    epoch_.fetch_add(1);
    syscall(SYS_futex, reinterpret_cast<uint32_t*>(&epoch_), FUTEX_WAKE_PRIVATE, n, nullptr,
            nullptr, 0);
  }

  std::atomic<uint32_t> epoch_{0};
  std::atomic<uint32_t> waiters_{0};
};

}  // namespace ringkernel::backends
