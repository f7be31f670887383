// The host's ends of edges: any thread may send to a kernel, and any thread may receive what a
// library kernel emits on its unconnected ports. Both are bounded MPMC rings.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "backends/cpu/event_count.hpp"
#include "core/clock.hpp"
#include "ringkernel/device/outbox.hpp"
#include "runtime/graph.hpp"

namespace ringkernel::runtime {

// A host thread's stand-in as a block: being woken wakes the threads that wait.
class HostWaiter {
 public:
  HostWaiter();
  // Waits until `ready()`, or the deadline (monotonic; ~0: none); false: the deadline passed.
  template <class Ready>
  bool wait(Ready&& ready, uint64_t deadline_ns) {
    return spin(ready) || sleep(ready, deadline_ns);
  }
  // A worker that spins answers within a microsecond; a sleeping thread takes 30 us to wake. False:
  // not ready yet.
  template <class Ready>
  static bool spin(Ready&& ready);
  template <class Ready>
  bool sleep(Ready&& ready, uint64_t deadline_ns);
  int file_descriptor();  // readable after a wake-up; -1: none could be made
  void signal_file_descriptor();
  void drain_file_descriptor();

  BlockOwner owner;
  Block* block = &owner.block;

 private:
  void notify();

  backends::EventCount event_;
  std::atomic<int> fd_{-1};
  std::mutex fd_mutex_;

 public:
  ~HostWaiter();
};

struct HostMessage {
  uint32_t accept = 0;  // index into the receiver's accepted types
  const void* payload = nullptr;
  uint32_t size = 0;
  Emission emission;
  uint64_t hlc = 0;
  uint64_t message_id = 0;
};

class HostSender {
 public:
  HostSender(EngineImpl& engine, GraphNode& to, GraphEdge& edge);

  // Waits for room until the deadline (monotonic; 0: not at all).
  // Fails with QueueFull (deadline 0), Timeout, or Closed where the kernel has terminated.
  Result<void> send(const HostMessage& message, uint64_t deadline_ns);

  HostWaiter waiter;

 private:
  Result<void> put(uint32_t target, const HostMessage& message, uint64_t deadline_ns);

  EngineImpl& engine_;
  GraphNode& to_;
  GraphEdge& edge_;
  uint32_t levels_ = 1;
  uint32_t targets_ = 1;
  bool shared_inbox_ = false;
  std::atomic<uint32_t> next_{0};
  std::vector<uint64_t> bits_;  // per target and level
  friend class EngineImpl;
};

class HostReceiver {
 public:
  HostReceiver(EngineImpl& engine, GraphNode& from, GraphEdge& edge);

  // Waits until the deadline (monotonic; 0: not at all; ~0: without end) for one message.
  // False: none came. Closed: the kernel has terminated and nothing is left.
  enum class Taken : uint8_t { Message, Nothing, Closed };
  Taken receive(uint64_t deadline_ns,
                const std::function<void(const MessageHeader&, const void*)>& use);
  uint64_t depth() const;

  HostWaiter waiter;

 private:
  bool is_over() const;

  EngineImpl& engine_;
  GraphNode& from_;
  GraphEdge& edge_;
};

template <class Ready>
bool HostWaiter::spin(Ready&& ready) {
  constexpr int kSpins = 2000;
  for (int i = 0; i < kSpins; ++i) {
    if (ready()) return true;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  return false;
}

template <class Ready>
bool HostWaiter::sleep(Ready&& ready, uint64_t deadline_ns) {
  for (;;) {
    if (ready()) return true;
    uint64_t left = 0;
    if (deadline_ns != ~uint64_t{0}) {
      uint64_t now = monotonic_ns();
      if (now >= deadline_ns) return false;
      left = deadline_ns - now;
    }
    event_.wait(ready, left);
  }
}

}  // namespace ringkernel::runtime
