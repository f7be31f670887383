#include "backends/cpu/scheduler.hpp"

#include <sched.h>

#include <string>

#include "backends/cpu/team.hpp"
#include "core/clock.hpp"
#include "ringkernel/device/outbox.hpp"

namespace ringkernel::backends {
namespace {

constexpr uint64_t kSliceNs = 50'000;       // a block's turn
constexpr uint64_t kStealAfterNs = 50'000;  // how long a block waits for its own worker
constexpr uint64_t kStealAtLeastNs = 1'000;
constexpr uint64_t kSpinNs = 100'000;    // waking a sleeping thread takes 30 us each way
constexpr uint64_t kNapNs = 1'000'000;   // of a parked worker while others are awake
constexpr uint64_t kWallNs = 1'000'000;  // how often a worker looks at the wall clock
constexpr uint64_t kFreshTicks = 4096;   // a look at the clock is good for one or two microseconds
constexpr uint32_t kBudget = 256;
constexpr uint32_t kInARow = 3;
constexpr uint32_t kLocalQueue = 1024;

// Looked at several times in each turn; the general model of a shared library costs a call.
#define RK_FAST_THREAD_LOCAL __attribute__((tls_model("initial-exec"))) thread_local
RK_FAST_THREAD_LOCAL void* this_worker = nullptr;
RK_FAST_THREAD_LOCAL BlockOwner* this_block = nullptr;

// Whether another worker should run the block. The longer its turns, the sooner: a turn of 50 us is
// worth having beside what its own worker does now, one of 2 us is not worth its way to another
// core.
bool waits_too_long(const BlockOwner& owner, uint64_t now_ns) {
  const uint64_t turn = owner.turn_ns.load(std::memory_order_relaxed);
  const uint64_t patience =
      turn < kStealAfterNs - kStealAtLeastNs ? kStealAfterNs - turn : kStealAtLeastNs;
  return now_ns > owner.enqueued_ns.load(std::memory_order_relaxed) + patience;
}

uint32_t level_of(const BlockOwner& owner) { return static_cast<uint32_t>(owner.priority); }

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace

Scheduler::Scheduler(uint32_t workers, void (*on_thread)()) : on_thread_(on_thread) {
  for (auto& queue : shared_) queue = std::make_unique<Queue>(kMaxBlocks);
  for (uint32_t i = 0; i < workers; ++i) {
    auto worker = std::make_unique<Worker>();
    worker->scheduler = this;
    worker->number = i;
    for (auto& queue : worker->queues) queue = std::make_unique<Queue>(kLocalQueue);
    workers_.push_back(std::move(worker));
  }
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof cores, &cores) == 0)
    may_spin_ = workers <= static_cast<uint32_t>(CPU_COUNT(&cores));
}

Scheduler::~Scheduler() { stop(); }

void Scheduler::start() {
  awake_.store(workers());
  for (auto& worker : workers_)
    worker->thread = std::thread([this, w = worker.get()] {
      if (on_thread_ != nullptr) on_thread_();
      work(*w);
    });
}

void Scheduler::stop() {
  stopping_.store(true);
  for (auto& worker : workers_) {
    while (worker->thread.joinable()) {
      parking_.notify_all();
      worker->thread.join();
    }
  }
}

const BlockOwner* Scheduler::current() { return this_block; }

uint64_t Scheduler::now_us() {
  auto* worker = static_cast<Worker*>(this_worker);
  if (worker == nullptr) return wall_us();
  look_at_clock(*worker);
  if (this_block != nullptr && this_block->block.profile == 0)
    this_block->block.fresh_until = worker->fresh_until;
  return worker->now_us;
}

void Scheduler::look_at_clock(Worker& worker) {
  worker.now_ns = monotonic_ns();
  const uint64_t ticks = core_ticks();
  worker.fresh_until = ticks == 0 ? 0 : ticks + kFreshTicks;
  if (worker.now_ns - worker.wall_read_ns > kWallNs) {
    worker.wall_read_ns = worker.now_ns;
    worker.wall_ahead_ns = wall_us() * 1000 - worker.now_ns;
  }
  worker.now_us = (worker.now_ns + worker.wall_ahead_ns) / 1000;
}

void Scheduler::attach_team(BlockOwner& owner, uint32_t threads) {
  owner.block.threads = threads;
  if (threads > 1) owner.team = std::make_shared<Team>(threads);
}

void Scheduler::detach_team(BlockOwner& owner) { owner.team.reset(); }

void Scheduler::enqueue(BlockOwner& owner) {
  if (owner.stepper == nullptr) return owner.notify();
  auto* worker = static_cast<Worker*>(this_worker);
  const bool own = worker != nullptr && worker->scheduler == this;
  if (own) {
    owner.enqueued_ns.store(worker->now_ns, std::memory_order_relaxed);
    if (worker->queues[level_of(owner)]->push(&owner)) {
      // What runs before it may take long, and a worker that sleeps until it is told would not
      // help.
      if (asleep_.load(std::memory_order_relaxed) > 0) parking_.notify_one();
      return;
    }
  }
  shared_[level_of(owner)]->push(&owner);  // never full: it has room for every block there is
  if (spinning_.load() == 0) parking_.notify_one();
}

BlockOwner* Scheduler::pick_shared() {
  for (uint32_t level = kLevels; level-- > 0;)
    if (BlockOwner* owner = shared_[level]->pop()) return owner;
  return nullptr;
}

BlockOwner* Scheduler::pick(Worker& worker) {
  ++worker.picks;
  // Now and then the other way round, so that neither the shared queue nor a low priority starves.
  if (worker.picks % 16 == 0)
    if (BlockOwner* owner = pick_shared()) return owner;
  bool upside_down = worker.picks % 64 == 0;
  for (uint32_t i = 0; i < kLevels; ++i) {
    uint32_t level = upside_down ? i : kLevels - 1 - i;
    if (BlockOwner* owner = worker.queues[level]->pop()) return owner;
    if (BlockOwner* owner = shared_[level]->pop()) return owner;
  }
  return nullptr;
}

BlockOwner* Scheduler::steal(Worker& worker) {
  uint64_t now = 0;
  for (uint32_t i = 1; i < workers_.size(); ++i) {
    Worker& victim = *workers_[(worker.number + i) % workers_.size()];
    for (uint32_t level = kLevels; level-- > 0;) {
      const BlockOwner* head = victim.queues[level]->peek();
      if (head == nullptr) continue;
      if (now == 0) now = monotonic_ns();
      if (!waits_too_long(*head, now)) continue;
      if (BlockOwner* owner = victim.queues[level]->pop()) return owner;
    }
  }
  return nullptr;
}

// Nobody waits for the worker's next turn. A glance: who comes meanwhile waits a turn longer.
bool Scheduler::nothing_waits(const Worker& worker) const {
  for (uint32_t level = 0; level < kLevels; ++level)
    if (!worker.queues[level]->seems_empty() || !shared_[level]->seems_empty()) return false;
  return true;
}

bool Scheduler::anything_queued() const {
  for (const auto& queue : shared_)
    if (!queue->empty()) return true;
  return false;
}

void Scheduler::work(Worker& worker) {
  this_worker = &worker;
  look_at_clock(worker);
  while (!stopping_.load(std::memory_order_relaxed)) {
    BlockOwner* owner = nullptr;
    if (worker.next != nullptr) {
      owner = worker.next;
      worker.next = nullptr;
    } else {
      worker.in_a_row = 0;
      owner = pick(worker);
      if (owner == nullptr) owner = steal(worker);
      if (owner == nullptr) {
        const bool found = wait_awake(worker, owner);
        if (!found) park(worker);
        look_at_clock(worker);
        if (!found) continue;
      }
    }
    run(worker, *owner);
  }
  this_worker = nullptr;
}

// Waits for work without sleeping: one worker at a time, and only where a core is to spare.
bool Scheduler::wait_awake(Worker& worker, BlockOwner*& found) {
  if (!may_spin_ || persistent_.load(std::memory_order_relaxed) <= 0) return false;
  uint32_t none = 0;
  if (!spinning_.compare_exchange_strong(none, 1)) return false;
  waited_awake_.fetch_add(1, std::memory_order_relaxed);
  uint64_t until = monotonic_ns() + kSpinNs;
  do {
    // The clock and other workers' queues are looked at less often than the own.
    for (int i = 0; i < 32 && found == nullptr; ++i) {
      pause();
      found = pick(worker);
    }
    if (found == nullptr) found = steal(worker);
  } while (found == nullptr && !stopping_.load(std::memory_order_relaxed) &&
           monotonic_ns() < until);
  spinning_.store(0);
  // Whoever enqueued while we were spinning relied on us.
  if (anything_queued()) parking_.notify_one();
  return found != nullptr;
}

void Scheduler::park(Worker& worker) {
  // While others are awake, a nap: a long handler could hold blocks that are queued behind it.
  asleep_.fetch_add(1);  // first: whoever is awake after this worker is not sees it
  bool last = awake_.fetch_sub(1) == 1;
  if (!last) asleep_.fetch_sub(1);
  parking_.wait(
      [&] {
        if (stopping_.load() || anything_queued()) return true;
        for (const auto& other : workers_) {
          if (!last && other.get() != &worker) continue;
          for (const auto& queue : other->queues)
            if (!queue->empty()) return true;
        }
        return false;
      },
      last ? 0 : kNapNs);
  if (last) asleep_.fetch_sub(1);
  awake_.fetch_add(1);
}

void Scheduler::run_commands(BlockOwner& owner) {
  for (Command* command = owner.commands.exchange(nullptr, std::memory_order_acquire);
       command != nullptr;) {
    Command* following = command->next;
    command->run(owner.block);
    command->done.store(1, std::memory_order_release);
    command->done.notify_all();
    command = following;
  }
}

void Scheduler::run(Worker& worker, BlockOwner& owner) {
  Block& block = owner.block;
  this_block = &owner;
  block.pending |= exchange(&block.signal.word, kScheduled) & ~(kScheduled | kRoom);
  // Whoever posts one raises the signal afterwards: it is seen here or brings another turn.
  if (owner.commands.load(std::memory_order_relaxed) != nullptr) run_commands(owner);
  const uint64_t start = worker.now_ns;
  owner.turn_began_ns.store(start, std::memory_order_relaxed);
  block.now_us = worker.now_us;
  block.fresh_until = block.profile == 0 ? worker.fresh_until : 0;
  block.looked = false;
  const StepResult result = owner.stepper->step(block, owner.budget);
  if (!block.looked && worker.now_ns == start && core_ticks() >= worker.fresh_until)
    look_at_clock(worker);
  owner.turn_began_ns.store(0, std::memory_order_relaxed);
  uint64_t took = 0;
  if (worker.now_ns != start) {
    took = worker.now_ns - start;  // with the short turns since the last look
    owner.turn_ns.store(took, std::memory_order_relaxed);
  }
  if (took > kSliceNs && result.handled > 0) {
    const uint64_t fit = result.handled * kSliceNs / took;
    owner.budget = static_cast<uint32_t>(fit == 0 ? 1 : fit);
  } else if (owner.budget < kBudget && result.handled > 0) {
    owner.budget = owner.budget * 2 > kBudget ? kBudget : owner.budget * 2;
  }
  this_block = nullptr;
  while (Block* next = take_woken(block)) {
    BlockOwner& woken = BlockOwner::of(*next);
    if (worker.next == nullptr && woken.stepper != nullptr && woken.priority >= Priority::Normal &&
        (worker.in_a_row < kInARow || nothing_waits(worker))) {
      worker.in_a_row = worker.in_a_row < kInARow ? worker.in_a_row + 1 : 0;
      woken.enqueued_ns.store(worker.now_ns, std::memory_order_relaxed);
      worker.next = &woken;
    } else {
      enqueue(woken);
    }
  }
  bool again = result.status == StepStatus::More;
  if (!again) {
    uint64_t scheduled = kScheduled;
    again = !compare_exchange(&block.signal.word, scheduled, uint64_t{0});
  }
  if (again) enqueue(owner);
  // Somebody else's turn to help: what waits here has waited too long for this worker.
  if (parking_.has_waiters() && spinning_.load(std::memory_order_relaxed) == 0) {
    const BlockOwner* head = worker.queues[level_of(owner)]->peek();
    if (head != nullptr && waits_too_long(*head, worker.now_ns)) parking_.notify_one();
  }
}

}  // namespace ringkernel::backends
