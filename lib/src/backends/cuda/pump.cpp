#include "backends/cuda/pump.hpp"

#include <sched.h>

namespace ringkernel::backends::cuda {
namespace {

// Looks in vain after which the thread lets others run: they may be what it waits for.
constexpr uint32_t kPatience = 64;

}  // namespace

Pump::Pump(const HandlerModule& module, const Memory& memory)
    : module_(module), memory_(memory), flights_(memory.in.capacity) {}

StepResult Pump::step(Block& b, uint32_t budget, bool active) {
  b.hlc = hlc_next(b.now_us, b.hlc, 0);
  end_waiting(b);
  StepResult result;
  bool blocked = !open_ && b.staged && !flush(b);
  if (lost_.load(std::memory_order_acquire)) {
    if (blocked) return {StepStatus::Blocked, 0};
    const bool done = fail_all(b, Reason::DeviceLost) && fail_received(b, Reason::DeviceLost);
    flush(b);
    return_credits(b);
    quiet_.store(done, std::memory_order_release);
    return {done ? StepStatus::Idle : StepStatus::More, 0};
  }
  say_what_is_wanted(b, active);
  // Looked at before the records are taken: what was sent under older desires is among them.
  const uint32_t heeded = load_acquire(&memory_.control->heeded);
  const bool alive =
      load_acquire(&memory_.control->state) == static_cast<uint32_t>(ResidentState::Alive);
  const uint64_t before = next_;
  Play played = Play::Nothing;
  uint32_t fed = 0;
  if (!blocked) {
    played = play(b, budget);
    blocked = played == Play::NoRoom;
    if (active && !blocked && !open_) fed = feed(b, budget, blocked);
    if (!open_ && !flush(b)) blocked = true;
  }
  result.handled = static_cast<uint32_t>(next_ - before);
  take_credits_back(b);
  return_credits(b);
  lease_ids(b);
  if (result.handled > 0) count(&b.counters->invocations, 1);

  const bool may_poll = module_.has_poll && alive && (heeded & kDesirePoll) != 0;
  const bool quiet = tail_ == next_ && !open_ && !hook_wanted_ && !may_poll &&
                     no_k2k_work(active, !alive || heeded == said_);
  // After it was seen that nothing is left: what the last messages have emitted is counted by then.
  wake_receivers(b);
  if (begun_ && !b.polling && !may_poll && played == Play::Nothing && module_.has_poll)
    store_release(&b.counters->polls_left, uint64_t{0});
  quiet_.store(quiet, std::memory_order_release);
  // Those behind its wires on the device must be woken, whatever this block waits for.
  const bool watches = !quiet && !outs_.empty();
  if (blocked && !watches) {
    result.status = StepStatus::Blocked;
  } else if (!quiet || played == Play::Some) {
    result.status = StepStatus::More;
    idle_steps_ = played == Play::Some || fed > 0 ? 0 : idle_steps_ + 1;
    if (idle_steps_ > kPatience) sched_yield();
  }
  return result;
}

bool Pump::conclude_all(Block& b, Reason reason) {
  bool done = open_ || !b.staged || flush(b);
  done = done && play(b, memory_.in.capacity) == Play::Nothing;
  if (lost_.load()) reason = Reason::DeviceLost;
  done = done && fail_all(b, reason) && fail_received(b, reason);
  flush(b);
  return_credits(b);
  return done;
}

void Pump::say_what_is_wanted(Block& b, bool active) {
  if (active && !begun_) {
    begun_ = true;
    if (!b.started) b.polling = module_.has_poll;
    b.started = true;
  }
  const bool stop =
      b.stopping && !b.stopped && tail_ == next_ && b.pending == 0 && no_k2k_work(true, true);
  uint32_t wanted = said_ & kDesireExit;
  if (active) wanted |= kDesireRun;
  if (active && b.polling && !b.stopping) wanted |= kDesirePoll;
  if (stop) wanted |= kDesireStop;
  if (refuses_) wanted |= kDesireBury;
  hook_wanted_ = (active && module_.has_start && !started_) ||
                 (module_.has_poll && (wanted & kDesirePoll) != 0) || stop;
  if (wanted != said_) store_release(&memory_.control->desired, said_ = wanted);
  if (const uint32_t keys = load_relaxed(&memory_.control->keys); keys != keys_) {
    fetch_add(b.keys.kernel_keys, uint64_t{keys} - keys_);
    keys_ = keys;
  }
}

// --- from the device

Pump::Play Pump::play(Block& b, uint32_t budget) {
  // A message makes several records; as many messages as another block's step would handle.
  const uint64_t last = next_ + budget;
  uint64_t taken = 0;
  bool room = true;
  while (next_ < last && taken < uint64_t{budget} * 16) {
    if (!has_records()) break;
    room = play_one(b, *reinterpret_cast<const DeviceRecord*>(memory_.out.slot(head_)));
    if (!room) break;
    ++head_;
    ++taken;
  }
  if (taken > 0) {
    store_release(&memory_.control->records_taken, head_);
    records_.store(head_, std::memory_order_relaxed);
  }
  if (!room) return Play::NoRoom;
  return taken > 0 ? Play::Some : Play::Nothing;
}

// False: there is no room for it; a wake-up is arranged.
bool Pump::play_one(Block& b, const DeviceRecord& record) {
  const bool hook = (record.flags & kRecordHook) != 0;
  if (record.kind == RecordKind::Done) {
    const uint64_t end =
        next_ + static_cast<uint32_t>(record.position - static_cast<uint32_t>(next_));
    while (next_ < end) conclude(b, next_);
    freed_ = end;
    return true;
  }
  const MessageHeader* parent = nullptr;
  if ((record.flags & kRecordK2k) != 0) {
    parent = received();
  } else if (!hook) {
    const uint64_t position =
        next_ + static_cast<uint32_t>(record.position - static_cast<uint32_t>(next_));
    while (next_ < position) conclude(b, next_);
    parent = message(position);
  }
  switch (record.kind) {
    case RecordKind::Emit:
      if (!open(b)) return false;
      emit(b, record, parent);
      break;
    case RecordKind::Reply:
      if (!open(b)) return false;
      reply(b, record, parent);
      break;
    case RecordKind::Failed:
      if (!open(b)) return false;
      failed(b, record, parent);
      break;
    case RecordKind::Text:
      text_.assign(static_cast<const char*>(payload_of(&record)), record.count);
      break;
    case RecordKind::Log: {
      const auto* head = static_cast<const LogRecord*>(payload_of(&record));
      text_.append(reinterpret_cast<const char*>(head + 1), record.count);
      if (b.host->log != nullptr)
        b.host->log(b.host->context, &b, static_cast<int>(head->level), text_.c_str(), head->value);
      text_.clear();
      break;
    }
    case RecordKind::Kept:
      if (has_failed(parent)) {
        // Of a message that visits the keys an earlier call has failed: what later ones did on the
        // device stays there, and nothing of it goes on.
        if (open_) take_back(b);
        end_call();
      } else if (refusal_.fails != Reason::None) {
        if (!open(b)) return false;
        fail_call(b, parent, refusal_.fails, "");
      } else {
        keep(b, parent);
      }
      break;
    case RecordKind::Started:
      started_ = true;
      break;
    case RecordKind::Polled:
      if (record.count == 0) b.polling = false;
      break;
    case RecordKind::Stopped:
      b.stopped = true;
      break;
    case RecordKind::Received:
      receive(record);
      break;
    case RecordKind::Refused:
      if (!open(b)) return false;
      refuse_received(b, record);
      break;
    case RecordKind::Concluded:
      conclude_received(b, record.count);
      [[fallthrough]];
    case RecordKind::Done:
    case RecordKind::Skip:
      break;
  }
  return true;
}

// Before the first thing that a call asks for: room for all that it may.
bool Pump::open(Block& b) {
  if (!open_) open_ = Inbox(b).make_room(1) > 0;
  return open_;
}

void Pump::emit(Block& b, const DeviceRecord& record, const MessageHeader* parent) {
  const bool forwards = (record.flags & kRecordForwards) != 0 && parent != nullptr;
  if (forwards) forwarded_ = true;
  const Emission emission = emission_of(record, parent, forwards);
  if ((record.flags & kRecordSettles) != 0) forwarded_ = true;
  put_copies(b, b.ports[record.port], payload_of(&record), emission, true, refusal_);
  if (record.reason != 0) refuse_copies(b, record, emission);
}

void Pump::reply(Block& b, const DeviceRecord& record, const MessageHeader* parent) {
  if (parent != nullptr && parent->correlation_id != 0) {
    copy_bytes(b.reply_buffer, payload_of(&record), module_.reply.size);
    replied_ = true;
    return;
  }
  OutPort& port = b.ports[module_.port_count];
  if (port.edge_count == 0) {
    ++unasked_;
    return;
  }
  put_copies(b, port, payload_of(&record), emission_of(record, parent, false), true, refusal_);
}

void Pump::failed(Block& b, const DeviceRecord& record, const MessageHeader* parent) {
  if (static_cast<Reason>(record.reason) == Reason::DeadlinePassed)
    return refuse_late(b, flights_[next_ & (memory_.in.capacity - 1)], *parent);
  text_.append(static_cast<const char*>(payload_of(&record)), record.count);
  fail_call(b, parent, static_cast<Reason>(record.reason), text_.c_str());
  text_.clear();
}

bool Pump::has_failed(const MessageHeader* parent) const {
  if (parent == nullptr) return false;
  if (parent == received()) return received_failed_;
  return flights_[next_ & (memory_.in.capacity - 1)].over;
}

// What the call emitted is taken back, and a dead letter made of its message.
void Pump::fail_call(Block& b, const MessageHeader* parent, Reason reason, const char* detail) {
  take_back(b);
  if (b.host->failed != nullptr) b.host->failed(b.host->context, &b, reason, detail);
  if (parent == nullptr) {
    MessageHeader header{};
    header.hlc = b.hlc;
    append_dead_letter(b, header, nullptr, 0, kNoEdge, reason, detail);
    count(&b.counters->failed_hooks, 1);
  } else if (parent == received()) {
    bury_received(b, reason, detail);
  } else {
    bury(b, next_, reason, detail);
  }
  end_call();
}

// REQUIRES: room for a dead letter.
void Pump::bury(Block& b, uint64_t position, Reason reason, const char* detail) {
  Flight& flight = flights_[position & (memory_.in.capacity - 1)];
  const MessageHeader& header = *message(position);
  append_dead_letter(b, header, payload_of(&header), payload_size(b, header), flight.edge, reason,
                     detail);
  if (!settled_) complete_request(b, header, Completion::Failed, reason, detail);
  count(&b.counters->failed, 1);
  ++b.finished;
  flight.over = true;
}

void Pump::keep(Block& b, const MessageHeader* parent) {
  b.undo_count = 0;
  cycle_emitted_ += b.cycle_emitted;
  b.cycle_emitted = 0;
  if (unasked_ > 0) count(&b.counters->unasked, unasked_);
  if (parent != nullptr && parent->correlation_id != 0) {
    if (replied_) {
      const uint16_t type = b.ports[module_.port_count].message_type;
      if (!complete_request(b, *parent, Completion::Reply, Reason::None, nullptr, type,
                            b.reply_buffer, module_.reply.size)) {
        MessageHeader late = *parent;
        late.message_type = type;
        append_dead_letter(b, late, b.reply_buffer, module_.reply.size, kNoEdge, Reason::LateReply,
                           nullptr);
      }
      settled_ = true;
    } else if (forwarded_) {
      if (refusal_.asked != Reason::None)
        complete_request(b, *parent, Completion::Failed, refusal_.asked, nullptr);
      settled_ = true;
    }
  }
  end_call();
}

void Pump::end_call() {
  open_ = false;
  replied_ = false;
  forwarded_ = false;
  unasked_ = 0;
  refusal_ = {};
}

// The message's handler has returned and nothing more of it comes.
void Pump::conclude(Block& b, uint64_t position) {
  Flight& flight = flights_[position & (memory_.in.capacity - 1)];
  const MessageHeader& header = *message(position);
  if (!flight.over && refusal_.fails != Reason::None) fail_call(b, &header, refusal_.fails, "");
  if (!flight.over) {
    keep(b, &header);
    if (header.correlation_id != 0 && !settled_)
      complete_request(b, header, Completion::NoReply, Reason::None, nullptr);
    count(&b.counters->handled, 1);
    ++b.finished;
  }
  const uint64_t sent = hlc_microseconds(header.hlc);
  b.counters->latency.record(b.now_us > sent ? b.now_us - sent : 0, 1);
  if (flight.credits > cycle_emitted_) b.credits_back += flight.credits - cycle_emitted_;
  cycle_emitted_ = 0;
  settled_ = false;
  ++next_;
}

std::string Pump::in_hand() const {
  const uint64_t in_hand = load_acquire(&memory_.control->in_hand);
  const auto count = static_cast<uint32_t>((in_hand & ~kInHandK2k) >> 32);
  if (count == 0) return "";
  const std::string others = count == 1 ? "" : " and " + std::to_string(count - 1) + " behind it";
  if ((in_hand & kInHandK2k) != 0)
    return std::to_string(count) + " from another kernel of the device";
  const MessageHeader& first = *message(static_cast<uint32_t>(in_hand));
  // Acquire: the rest of the header was written before its turn.
  if (load_acquire(&first.turn) == 0) return "";
  return "message " + std::to_string(first.message_id) + others;
}

// False: the dead letters have no room for all of them yet.
bool Pump::fail_all(Block& b, Reason reason) {
  if (open_) take_back(b);
  end_call();
  const uint64_t in_hand = load_acquire(&memory_.control->in_hand);
  const auto first = static_cast<uint32_t>(in_hand);
  const auto count = (in_hand & kInHandK2k) != 0 ? 0 : static_cast<uint32_t>(in_hand >> 32);
  for (; next_ < tail_; ++next_) {
    const Flight& flight = flights_[next_ & (memory_.in.capacity - 1)];
    if (b.dead != nullptr && b.dead->spsc.room(1) == 0) return false;
    const bool handled = static_cast<uint32_t>(next_) - first < count;
    if (!flight.over)
      bury(b, next_, reason, handled ? "it was in hand on the device" : "it was on the device");
    b.credits_back += flight.credits;
    settled_ = false;
  }
  hook_wanted_ = false;
  b.polling = false;
  store_release(&b.counters->polls_left, uint64_t{0});
  return true;
}

// --- to the device

// How many messages were handed over; `blocked`: a wake-up is arranged.
uint32_t Pump::feed(Block& b, uint32_t budget, bool& blocked) {
  Inbox inbox(b);
  uint32_t fed = 0;
  while (fed < budget) {
    const auto space = static_cast<uint32_t>(memory_.in.capacity - (tail_ - freed_));
    if (space == 0) break;
    uint32_t here = 0;
    InRing* ring = inbox.next(here);
    if (ring == nullptr) break;
    uint32_t n = min_of(min_of(here, budget - fed), space);
    if (n == 0) continue;  // a sibling has taken what was there
    uint32_t credits = ring->in_cycle ? 1 : 0;
    if (b.credits != nullptr && b.cycle_max > 0 && !ring->in_cycle) {
      n = inbox.take_credits(n);
      credits = b.cycle_max;
      if (n == 0) {
        inbox.starve();
        continue;
      }
    }
    const uint32_t handed = hand_over(b, *ring, n, credits, blocked);
    if (!ring->in_cycle) b.credits_back += uint64_t{credits} * (n - handed);
    inbox.release(*ring);
    fed += handed;
    if (blocked) break;
  }
  blocked = blocked || inbox.starved();
  return fed;
}

// How many of n messages were handed over; `blocked`: others are late, and the dead letters full.
uint32_t Pump::hand_over(Block& b, InRing& ring, uint32_t n, uint32_t credits, bool& blocked) {
  if (ring.kind == RingKind::Mpmc) {
    if (ring.taken == 0) ring.taken = ring.mpmc.take(n, ring.taken_first);
    n = min_of(n, ring.taken);
  }
  uint32_t handed = 0;
  for (uint32_t i = 0; i < n; ++i) {
    MessageHeader* header =
        ring.kind == RingKind::Spsc ? ring.spsc.front() : ring.mpmc.ring.slot(ring.taken_first);
    if (header->deadline != 0 && header->deadline < b.now_us) {
      blocked = Inbox(b).make_room(1) == 0;
      if (blocked) break;
      refuse(b, ring, *header);
    } else {
      flights_[tail_ & (memory_.in.capacity - 1)] = {ring.edge, credits, false, ring.counters,
                                                     b.now_us};
      MessageHeader* slot = message(tail_);
      copy_bytes(&slot->message_id, &header->message_id,
                 static_cast<uint32_t>(sizeof(MessageHeader)) - 8U + payload_size(b, *header));
      if (header->hlc >= b.hlc) b.hlc = header->hlc + 1;
      store_release<Scope::System>(&slot->turn, 2 * memory_.in.lap(tail_) + 1);
      ++tail_;
      ++handed;
      count(&ring.counters->delivered, 1);
    }
    if (ring.kind == RingKind::Spsc) {
      ring.spsc.pop();
    } else {
      ring.mpmc.release(ring.taken_first++);
      --ring.taken;
    }
  }
  handed_over_.store(tail_, std::memory_order_relaxed);
  return handed;
}

void Pump::refuse(Block& b, InRing& ring, const MessageHeader& header) {
  fail_deadline(b, ring.edge, *ring.counters, header);
  if (ring.in_cycle) ++b.credits_back;
}

// It waited too long on the device: it was not delivered after all.
void Pump::refuse_late(Block& b, Flight& flight, const MessageHeader& header) {
  count(&flight.counters->delivered, ~uint64_t{0});
  fail_deadline(b, flight.edge, *flight.counters, header);
  flight.over = true;
  end_call();
}

// REQUIRES: room for a dead letter.
void Pump::fail_deadline(Block& b, uint32_t edge, ReceiveCounters& counters,
                         const MessageHeader& header) {
  append_dead_letter(b, header, payload_of(&header), payload_size(b, header), edge,
                     Reason::DeadlinePassed, nullptr);
  complete_request(b, header, Completion::Failed, Reason::DeadlinePassed, nullptr);
  count(&counters.failed, 1);
  ++b.finished;
}

uint32_t Pump::payload_size(const Block& b, const MessageHeader& header) const {
  uint32_t i = 0;  // edges are type-checked: it is one of them
  while (i + 1 < b.accept_count && b.accept_types[i] != header.message_type) ++i;
  return b.accept_sizes[i];
}

}  // namespace ringkernel::backends::cuda
