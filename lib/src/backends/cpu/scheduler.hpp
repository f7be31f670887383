// The CPU backend: workers that run blocks. A block runs for about 50 us at most, then the receiver
// it has just fed (at most three in a row where others wait), then the queue in order, so that
// chains stay on one core. A worker takes a block from another's queue only after it has waited 50
// us there, or less where its turns are long.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cpu/event_count.hpp"
#include "backends/cpu/run_queue.hpp"

namespace ringkernel::backends {

class Scheduler final : public Backend {
 public:
  static constexpr uint32_t kMaxBlocks = 65536;  // of one runtime: the size of the shared queue

  // `on_thread` is called first on every worker.
  explicit Scheduler(uint32_t workers, void (*on_thread)() = nullptr);
  ~Scheduler() override;

  ringkernel::Backend kind() const override { return ringkernel::Backend::Cpu; }
  void start() override;
  void stop() override;
  void enqueue(BlockOwner& owner) override;
  void attach_team(BlockOwner& owner, uint32_t threads) override;
  void detach_team(BlockOwner& owner) override;
  void expect_persistent(int64_t blocks) override { persistent_.fetch_add(blocks); }
  uint32_t workers() const override { return static_cast<uint32_t>(workers_.size()); }

  // How often a worker has waited for work awake.
  uint64_t waited_awake() const { return waited_awake_.load(std::memory_order_relaxed); }

  // Microseconds since 1970. On a worker this look at the clock serves the rest of the turn, too.
  static uint64_t now_us();

  // The block that the calling thread runs, or null. Safe in a signal handler.
  static const BlockOwner* current();

 private:
  static constexpr uint32_t kLevels = 4;
  using Queue = RunQueue<BlockOwner>;
  using Queues = std::array<std::unique_ptr<Queue>, kLevels>;

  struct Worker {
    Scheduler* scheduler = nullptr;
    uint32_t number = 0;
    Queues queues;
    BlockOwner* next = nullptr;  // just fed, runs next
    uint32_t in_a_row = 0;
    uint32_t picks = 0;
    uint64_t now_ns = 0;         // the last look at the clock; monotonic
    uint64_t now_us = 0;         // the same since 1970
    uint64_t fresh_until = 0;    // core_ticks() up to which it will do
    uint64_t wall_ahead_ns = 0;  // the wall clock is ahead of it by this much
    uint64_t wall_read_ns = 0;   // when that was looked up
    std::thread thread;
  };

  static void look_at_clock(Worker& worker);
  void work(Worker& worker);
  BlockOwner* pick(Worker& worker);
  BlockOwner* pick_shared();
  BlockOwner* steal(Worker& worker);
  void run(Worker& worker, BlockOwner& owner);
  bool wait_awake(Worker& worker, BlockOwner*& found);
  void park(Worker& worker);
  bool anything_queued() const;
  bool nothing_waits(const Worker& worker) const;
  void run_commands(BlockOwner& owner);

  std::vector<std::unique_ptr<Worker>> workers_;
  Queues shared_;  // from threads that are no workers, and what a full queue cannot take
  EventCount parking_;
  std::atomic<uint32_t> awake_{0};     // workers that are not parked
  std::atomic<uint32_t> asleep_{0};    // parked until they are told, not for a nap
  std::atomic<uint32_t> spinning_{0};  // workers that wait awake
  std::atomic<uint64_t> waited_awake_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> persistent_{0};  // blocks that may be waited for awake
  bool may_spin_ = true;
  void (*on_thread_)() = nullptr;
};

}  // namespace ringkernel::backends
