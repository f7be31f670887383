#include "runtime/request_table.hpp"

#include <chrono>

#include "core/clock.hpp"

namespace ringkernel::runtime {

RequestTable::RequestTable() : slots_(std::make_unique<Slot[]>(kSlots)) {
  for (uint32_t i = 0; i < kSlots; ++i) slots_[i].next_free = i + 1 < kSlots ? i + 2 : 0;
  free_.store(1);
}

RequestTable::~RequestTable() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (watcher_.joinable()) watcher_.join();
}

Result<RequestTable::Ticket> RequestTable::begin(Done done, uint64_t deadline_ns) {
  uint64_t head = free_.load();
  uint32_t number = 0;
  do {
    number = static_cast<uint32_t>(head);
    if (number == 0)
      return fail(ErrorCode::QueueFull,
                  std::to_string(kSlots) + " requests are pending; wait for replies");
  } while (
      !free_.compare_exchange_weak(head, ((head >> 32) + 1) << 32 | slots_[number - 1].next_free));
  Slot& slot = slots_[number - 1];
  Ticket ticket{next_correlation_.fetch_add(1), number - 1};
  slot.done = std::move(done);
  slot.deadline_ns.store(deadline_ns, std::memory_order_relaxed);
  slot.correlation_id.store(ticket.correlation_id, std::memory_order_release);
  sent_.fetch_add(1);
  if (deadline_ns != 0 && watched_.fetch_add(1) == 0) {
    std::lock_guard lock(mutex_);
    if (!watcher_.joinable()) watcher_ = std::thread([this] { watch(); });
    changed_.notify_one();
  }
  return ticket;
}

void RequestTable::free_slot(uint32_t number) {
  uint64_t head = free_.load();
  do slots_[number].next_free = static_cast<uint32_t>(head);
  while (!free_.compare_exchange_weak(head, ((head >> 32) + 1) << 32 | (number + 1)));
}

void RequestTable::cancel(const Ticket& ticket) {
  Slot& slot = slots_[ticket.slot];
  uint64_t expected = ticket.correlation_id;
  if (!slot.correlation_id.compare_exchange_strong(expected, 0)) return;
  slot.done = nullptr;
  sent_.fetch_sub(1);
  if (slot.deadline_ns.load(std::memory_order_relaxed) != 0) watched_.fetch_sub(1);
  free_slot(ticket.slot);
}

bool RequestTable::finish(uint32_t number, uint64_t correlation_id, const RequestResult& result) {
  Slot& slot = slots_[number];
  uint64_t expected = correlation_id;
  if (!slot.correlation_id.compare_exchange_strong(expected, 0)) return false;
  Done done = std::move(slot.done);
  slot.done = nullptr;
  if (slot.deadline_ns.load(std::memory_order_relaxed) != 0) watched_.fetch_sub(1);
  switch (result.outcome) {
    case RequestResult::Outcome::Replied:
      replied_.fetch_add(1);
      break;
    case RequestResult::Outcome::Failed:
      failed_.fetch_add(1);
      break;
    case RequestResult::Outcome::NoReply:
      no_reply_.fetch_add(1);
      break;
    case RequestResult::Outcome::TimedOut:
      timed_out_.fetch_add(1);
      break;
  }
  free_slot(number);
  done(result);
  return true;
}

bool RequestTable::complete(uint32_t number, uint64_t correlation_id, const RequestResult& result) {
  if (number < kSlots && finish(number, correlation_id, result)) return true;
  late_.fetch_add(1);
  return false;
}

bool RequestTable::expire(const Ticket& ticket) {
  RequestResult result;
  result.outcome = RequestResult::Outcome::TimedOut;
  return finish(ticket.slot, ticket.correlation_id, result);
}

void RequestTable::watch() {
  constexpr auto kInterval = std::chrono::milliseconds(5);
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (watched_.load() == 0) {
      changed_.wait(lock);
      continue;
    }
    lock.unlock();
    uint64_t now = monotonic_ns();
    for (uint32_t i = 0; i < kSlots; ++i) {
      uint64_t correlation_id = slots_[i].correlation_id.load(std::memory_order_acquire);
      uint64_t deadline = slots_[i].deadline_ns.load(std::memory_order_relaxed);
      if (correlation_id != 0 && deadline != 0 && deadline <= now) expire({correlation_id, i});
    }
    lock.lock();
    changed_.wait_for(lock, kInterval, [this] { return stopping_; });
  }
}

RequestCounts RequestTable::counts() const {
  RequestCounts counts;
  counts.replied = replied_.load();
  counts.failed = failed_.load();
  counts.no_reply = no_reply_.load();
  counts.timed_out = timed_out_.load();
  counts.late = late_.load();
  counts.sent = sent_.load();
  uint64_t done = counts.replied + counts.failed + counts.no_reply + counts.timed_out;
  counts.pending = counts.sent > done ? counts.sent - done : 0;
  return counts;
}

}  // namespace ringkernel::runtime
