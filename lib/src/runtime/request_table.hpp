// Requests of the host that wait for their one completion: reply, failure, no reply or time-out.
// Bounded; a slot is taken before the request is sent, so a reply always has a place to go.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/engine.hpp"

namespace ringkernel::runtime {

class RequestTable {
 public:
  static constexpr uint32_t kSlots = 16384;

  using Done = std::function<void(const RequestResult&)>;

  RequestTable();
  ~RequestTable();

  struct Ticket {
    uint64_t correlation_id = 0;
    uint32_t slot = 0;
  };
  // Takes a slot. Fails with QueueFull where all are pending. `deadline_ns`: monotonic; 0: the
  // caller times out by itself with expire().
  Result<Ticket> begin(Done done, uint64_t deadline_ns);
  // The request could not be sent after all: `done` is not called.
  void cancel(const Ticket& ticket);
  // Completes the request unless it is complete; false: nobody waits any more.
  bool complete(uint32_t slot, uint64_t correlation_id, const RequestResult& result);
  bool expire(const Ticket& ticket);

  RequestCounts counts() const;

 private:
  struct Slot {
    std::atomic<uint64_t> correlation_id{0};  // 0: free or being completed
    std::atomic<uint64_t> deadline_ns{0};
    Done done;
    std::atomic<uint32_t> next_free{0};
  };
  bool finish(uint32_t slot, uint64_t correlation_id, const RequestResult& result);
  void free_slot(uint32_t slot);
  void watch();

  std::unique_ptr<Slot[]> slots_;
  // On lines by who writes: those who ask, those who answer, and both.
  std::atomic<uint64_t> next_correlation_{1};
  std::atomic<uint64_t> sent_{0};
  alignas(RK_CACHE_LINE) std::atomic<uint64_t> replied_{0};
  std::atomic<uint64_t> failed_{0}, no_reply_{0}, timed_out_{0}, late_{0};
  alignas(RK_CACHE_LINE) std::atomic<uint64_t> free_{
      0};  // head of the free list: tag << 32 | slot + 1

  // Deadlines are looked at every few milliseconds by a thread that is started with the first of
  // them, and sleeps while nothing is pending.
  std::atomic<uint64_t> watched_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread watcher_;
  bool stopping_ = false;
};

}  // namespace ringkernel::runtime
