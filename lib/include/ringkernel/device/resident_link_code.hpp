// The shared code of resident kernels: see resident_link.hpp, and RK_SHARED in platform.hpp.
#pragma once

#include "ringkernel/device/k2k_receiver.hpp"
#include "ringkernel/device/k2k_sender.hpp"
#include "ringkernel/device/resident_link.hpp"

namespace ringkernel {

RK_HD K2kSender ResidentLink::sender() const { return K2kSender(f_.k2k, *f_.control); }

RK_SHARED_BODY uint32_t ResidentLink::agree(uint32_t answer) {
  if (side_.grid != nullptr) {
    if (leader()) store_relaxed(&f_.answer, answer);
    RK_ROLLED for (uint32_t meetings = 0; meetings < 2; ++meetings) {
      side_.thread.sync_grid(*side_.grid);
      if (meetings == 0) answer = load_relaxed(&f_.answer);
    }
    return answer;
  }
  if (first()) s_.answer = answer;
  side_.thread.sync();
  answer = s_.answer;
  side_.thread.sync();
  return answer;
}

// --- beginning and end

RK_SHARED_BODY void ResidentLink::zero_shared() {
  RK_ROLLED for (uint32_t i = side_.thread.rank(); i < b_.shared_size;
                 i += side_.thread.size()) static_cast<unsigned char*>(side_.shared)[i] = 0;
  auto* rings = reinterpret_cast<uint64_t*>(static_cast<unsigned char*>(side_.thread.shared()) +
                                            f_.k2k.cluster_offset);
  RK_ROLLED for (uint32_t i = side_.thread.rank(); i < f_.k2k.cluster_bytes / 8;
                 i += side_.thread.size()) rings[i] = 0;
}

RK_SHARED_BODY void ResidentLink::come_alive() {
  f_.control->clock_us = side_.thread.now_ns() / 1000;
  store_release<Scope::System>(&f_.control->state, static_cast<uint32_t>(ResidentState::Alive));
  // The host answers with the distance of the two clocks, or is gone.
  seen_ns_ = side_.thread.now_ns();
  RK_ROLLED while (load_acquire<Scope::System>(&f_.control->clock_set) == 0 && !expired_) {
    side_.thread.pause(1000);
    look_for_life();
  }
  offset_us_ = f_.control->clock_offset_us;
  taken_ = load_acquire<Scope::System>(&f_.control->records_taken);
}

RK_SHARED_BODY void ResidentLink::read_control() {
  const uint32_t desired = load_relaxed<Scope::System>(&f_.control->desired);
  if (desired != desired_) store_release<Scope::System>(&f_.control->heeded, desired);
  desired_ = desired;
  if (f_.k2k.table != nullptr) read_k2k_table();
  look_for_life();
}

RK_HD void ResidentLink::look_for_life() {
  const uint64_t beat = load_relaxed<Scope::System>(&f_.control->heartbeat);
  const uint64_t now = side_.thread.now_ns();
  if (beat != heartbeat_) seen_ns_ = now;
  heartbeat_ = beat;
  expired_ = now - seen_ns_ > f_.lease_ns;
}

RK_HD void ResidentLink::read_k2k_table() {
  const uint32_t generation = load_acquire<Scope::System>(&f_.control->k2k_generation);
  if (generation == f_.k2k.generation) return;
  f_.k2k.generation = generation;
  f_.k2k.in_count = load_relaxed<Scope::System>(&f_.k2k.table->ins);
  find_cluster_rings();
  K2kReceiver(f_.k2k).look_everywhere();
  sender().read_table();
  store_release<Scope::System>(&f_.control->k2k_heeded, generation);
}

// Where the shared memory of a cluster's blocks lies, only they can tell.
RK_HD void ResidentLink::find_cluster_rings() {
  if (f_.k2k.cluster_bytes == 0) return;
  const auto ring_offset = [](uint32_t sender, const Ring& ring) {
    return sizeof(Signal) + sender * ring_bytes(ring.capacity, ring.stride);
  };
  RK_ROLLED for (uint32_t i = 0; i < f_.k2k.in_count; ++i) {
    K2kIn& in = *f_.k2k.ins[i];
    const K2kCluster& c = in.cluster;
    if (c.blocks == 0) continue;
    unsigned char* own = static_cast<unsigned char*>(side_.thread.shared()) + c.offset;
    f_.k2k.cluster_doorbell = reinterpret_cast<Signal*>(own);
    RK_ROLLED for (uint32_t s = 0; s < c.blocks; ++s) {
      Ring& ring = in.rings[c.first + s].ring;
      ring = ring_at(own + ring_offset(s, ring), ring.capacity, ring.stride);
    }
  }
  const uint32_t outs = load_relaxed<Scope::System>(&f_.k2k.table->outs);
  RK_ROLLED for (uint32_t i = 0; i < outs; ++i) {
    K2kOut& out = *f_.k2k.outs[i];
    const K2kCluster& c = out.cluster;
    RK_ROLLED for (uint32_t t = 0; t < c.blocks; ++t) {
      K2kLink& link = out.links[c.first + t];
      unsigned char* there = static_cast<unsigned char*>(side_.thread.shared_of(t)) + c.offset;
      Ring& ring = link.sender.ring;
      link.doorbell = reinterpret_cast<Signal*>(there);
      ring = ring_at(there + ring_offset(b_.index - c.first, ring), ring.capacity, ring.stride);
    }
  }
}

// --- the next batch

RK_SHARED_BODY uint32_t ResidentLink::next_batch(bool worked) {
  if (leaves(worked)) return kLeave;
  if (f_.k2k.in_count == 0) return 0;
  K2kReceiver receiver(f_.k2k);
  f_.refuses = (desired_ & kDesireBury) != 0 ? 1 : 0;
  if (b_.visiting) return f_.from_k2k != 0 ? receiver.rest(f_.window) : 0;
  if (f_.refuses != 0 ||
      ((desired_ & kDesireRun) != 0 && (!shape_.has_start || b_.started) && batches_ < kInARow))
    return receiver.look(f_.window);
  return 0;
}

// Whether the block leaves the device; tells the host.
RK_HD bool ResidentLink::leaves(bool worked) {
  ResidentState state = ResidentState::Alive;
  if (expired_)  // what is started per batch may be started again
    state = f_.batch_size != 0 ? ResidentState::Left : ResidentState::LeaseExpired;
  else if (f_.batch_size != 0 ? !worked || spent_ >= f_.batch_size
                              : !worked && (desired_ & kDesireExit) != 0)
    state = ResidentState::Left;
  if (state == ResidentState::Alive) return false;
  store_release<Scope::System>(&f_.control->state, static_cast<uint32_t>(state));
  return true;
}

RK_SHARED_BODY uint32_t ResidentLink::claim(uint32_t n) {
  if (n > 0) n = K2kReceiver(f_.k2k).claim(n);
  batches_ = n > 0 ? batches_ + 1 : 0;
  return n;
}

RK_SHARED_BODY void ResidentLink::stage(uint32_t n, bool from_k2k) {
  if (first()) {
    f_.base = from_k2k ? 0 : static_cast<uint32_t>(f_.in_head);
    f_.from_k2k = from_k2k ? 1 : 0;
    if (!from_k2k) f_.refuses = 0;
    store_relaxed<Scope::System>(&f_.control->in_hand, in_hand_of(n, f_.base, from_k2k));
  }
  const Ring& ring = from_k2k ? K2kReceiver(f_.k2k).ring().ring : f_.in;
  const uint64_t head = from_k2k ? K2kReceiver(f_.k2k).ring().head : f_.in_head;
  const uint32_t units = ring.stride / 16;
  struct alignas(16) Unit {
    uint64_t low, high;
  };
  RK_ROLLED for (uint32_t i = side_.thread.rank(); i < n * units; i += side_.thread.size()) {
    const uint32_t message = i / units;
    reinterpret_cast<Unit*>(f_.stage + static_cast<uint64_t>(message) * f_.in.stride)[i % units] =
        reinterpret_cast<const Unit*>(ring.slot(head + message))[i % units];
  }
}

RK_SHARED_BODY uint32_t ResidentLink::room_for(uint32_t calls, uint32_t wanted, uint32_t records) {
  // Less the record that ends a batch. What the host has taken is on the other side of the bus:
  // looked at when the last look does not show what is wanted.
  uint32_t free = f_.out.capacity - static_cast<uint32_t>(f_.out_tail - taken_) - 1;
  if (free < records + wanted * shape_.area) {
    taken_ = load_acquire<Scope::System>(&f_.control->records_taken);
    free = f_.out.capacity - static_cast<uint32_t>(f_.out_tail - taken_) - 1;
  }
  wanted = free > records ? min_of(wanted, (free - records) / shape_.area) : 0;
  return f_.k2k.table == nullptr || wanted == 0 ? wanted : sender().room(calls, wanted, b_);
}

// --- messages

RK_SHARED_BODY uint32_t ResidentLink::find_key(uint32_t index, const MessageHeader& h, bool make) {
  Key key;
  read_key(b_.accept_keys[index], payload_of(&h), key);
  if (!make) return b_.keys.find(key);
  const uint32_t entry = b_.keys.find_or_insert(key);
  if (b_.keys.count != keys_told_)
    store_relaxed<Scope::System>(&f_.control->keys, keys_told_ = b_.keys.count);
  return entry;
}

RK_HD void ResidentLink::write_header(DeviceRecord* record, const MessageHeader& h,
                                      uint32_t index) {
  record->count = K2kReceiver(f_.k2k).in().edge;
  const uint32_t words =
      (static_cast<uint32_t>(sizeof(MessageHeader)) + b_.accept_sizes[index] + 7) / 8;
  uint64_t* to = static_cast<uint64_t*>(payload_of(record));
  const uint64_t* from = reinterpret_cast<const uint64_t*>(&h);
  RK_ROLLED for (uint32_t i = 0; i < words; ++i) to[i] = from[i];
}
RK_SHARED_BODY void ResidentLink::tell(const MessageHeader& h, uint32_t index, uint32_t at) {
  write_header(side_.outbox.slot(at), h, index);
}

RK_SHARED_BODY void ResidentLink::conclude(const MessageHeader& h, uint32_t index, uint32_t begin,
                                           bool always) {
  DeviceOutbox& out = side_.outbox;
  bool told = always || h.correlation_id != 0;
  RK_ROLLED for (uint32_t i = begin + 1; i < out.used && !told; ++i) {
    const DeviceRecord& record = *out.slot(i);
    told = record.kind != RecordKind::Emit || !sender().is_inner(record.port);
  }
  if (!told) {
    out.slot(begin)->kind = RecordKind::Skip;
    return;
  }
  fetch_add(&s_.told, 1U);
  write_header(out.slot(begin), h, index);
  out.flags = kRecordK2k;
  out.append(RecordKind::Concluded)->count = K2kReceiver(f_.k2k).in().in_cycle;
}

// None: for the reason that the host knows.
RK_HD void ResidentLink::refuse_one(const MessageHeader& h, uint32_t index, Reason reason) {
  side_.outbox.flags = kRecordK2k;
  write_header(side_.outbox.append(RecordKind::Received), h, index);
  DeviceRecord* record = side_.outbox.append(RecordKind::Refused);
  record->count = K2kReceiver(f_.k2k).in().in_cycle;
  record->reason = static_cast<uint16_t>(reason);
}
RK_SHARED_BODY void ResidentLink::refuse_late(const MessageHeader& h, uint32_t index,
                                              uint32_t position) {
  if (f_.from_k2k != 0) {
    fetch_add(&s_.refused, 1U);
    return refuse_one(h, index, Reason::DeadlinePassed);
  }
  side_.outbox.position = position;
  side_.outbox.flags = 0;
  side_.outbox.fail(Reason::DeadlinePassed, "");
}
RK_SHARED_BODY void ResidentLink::refuse(uint32_t n) {
  b_.visiting = false;
  side_.outbox.used = 0;
  s_.refused = n;
  RK_ROLLED for (uint32_t i = 0; i < n; ++i)
      refuse_one(staged(i), accept_index(staged(i)), Reason::None);
  s_.total = side_.outbox.used;
}

RK_SHARED_BODY void ResidentLink::fail_call(uint32_t from, Reason reason, const char* detail) {
  side_.outbox.take_back(from);
  side_.outbox.fail(reason, detail);
}
RK_SHARED_BODY void ResidentLink::note(RecordKind kind, uint32_t count) {
  side_.outbox.append(kind)->count = count;
}

// --- sending

RK_SHARED_BODY void ResidentLink::order_as_they_are() {
  RK_ROLLED for (uint32_t i = side_.thread.rank(); i < s_.total; i += side_.thread.size())
      order()[i] = i;
  side_.thread.sync();
}

// A prefix sum over their numbers.
RK_SHARED_BODY void ResidentLink::order_by_thread(uint32_t mine) {
  const uint32_t me = side_.thread.rank();
  uint32_t* counts = words_ + side_.thread.size();
  counts[me] = mine;
  side_.thread.sync();
  RK_ROLLED for (uint32_t step = 1; step < side_.thread.size(); step *= 2) {
    const uint32_t before = me >= step ? counts[me - step] : 0;
    side_.thread.sync();
    counts[me] += before;
    side_.thread.sync();
  }
  const uint32_t from = counts[me] - mine;
  RK_ROLLED for (uint32_t i = 0; i < mine; ++i) order()[from + i] = me * shape_.area + i;
  if (me + 1 == side_.thread.size()) s_.total = counts[me];
  side_.thread.sync();
}

RK_SHARED_BODY uint32_t ResidentLink::fill_copies() {
  return sender().fill(
      [&](uint32_t i) -> uint32_t& { return order()[i]; }, s_.total, b_,
      [&](uint32_t slot) { return record_at(slot); },
      [&](const DeviceRecord& record) -> const MessageHeader* {
        return (record.flags & kRecordHook) != 0 ? nullptr : &staged(record.position - f_.base);
      });
}
RK_SHARED_BODY void ResidentLink::route_copy() {
  sender().route(*record_at(order()[sender().at()]));
}
RK_SHARED_BODY void ResidentLink::write_copies(uint32_t n) const {
  sender().write(n, b_, side_.thread);
}
RK_SHARED_BODY void ResidentLink::publish_copies() {
  s_.total = sender().kept();
  sender().publish();
}

RK_SHARED_BODY void ResidentLink::send_to_host(uint32_t done) {
  if (first() && (done > 0 || b_.visiting)) {
    if (f_.from_k2k != 0) {
      // Before the host hears of a message, which may then be finished there.
      K2kReceiver(f_.k2k).count_delivered(done > 0 ? done - s_.refused : 0, b_.visiting);
    } else if (done > 0) {
      const uint32_t last = f_.window * shape_.area;  // the slot kept for Done
      DeviceOutbox end;
      end.slots = f_.outbox;
      end.stride = f_.out.stride;
      end.used = last;
      end.position = static_cast<uint32_t>(f_.in_head);
      end.append(RecordKind::Done)->count = done;
      order()[s_.total++] = last;
    }
  }
  side_.thread.sync();
  const uint32_t n = s_.total;
  const uint32_t units = f_.out.stride / 16;
  struct alignas(16) Unit {
    uint64_t low, high;
  };
  RK_ROLLED for (uint32_t i = side_.thread.rank(); i < n * units; i += side_.thread.size()) {
    const uint32_t record = i / units;
    const uint32_t unit = i % units;
    const Unit* from = reinterpret_cast<const Unit*>(
        f_.outbox + static_cast<uint64_t>(order()[record]) * f_.out.stride);
    Unit* to = reinterpret_cast<Unit*>(f_.out.slot(f_.out_tail + record));
    if (unit == 0)
      to->high = from->high;  // the turn stands before it
    else
      to[unit] = from[unit];
  }
  side_.thread.sync();
  RK_ROLLED for (uint32_t i = side_.thread.rank(); i < n; i += side_.thread.size()) {
    const uint64_t position = f_.out_tail + i;
    store_release<Scope::System>(reinterpret_cast<uint64_t*>(f_.out.slot(position)),
                                 2 * f_.out.lap(position) + 1);
  }
  side_.thread.sync();
  if (first()) {
    f_.out_tail += n;
    store_relaxed<Scope::System>(&f_.control->handled, f_.in_head);
  }
}

RK_SHARED_BODY void ResidentLink::finish_k2k(uint32_t done) {
  K2kReceiver receiver(f_.k2k);
  receiver.release(done);
  if (f_.refuses == 0) record_latencies(done);
  done -= s_.refused;
  const uint32_t own = done - s_.told;
  K2kFrame& k2k = f_.k2k;
  k2k.handled += own;
  ++k2k.invocations;
  if (own > 0) receiver.count_finished(own);
  if (receiver.in().in_cycle != 0 && own > 0) {
    k2k.credits_back += own;
    store_relaxed<Scope::System>(k2k.credits, k2k.credits_back);
  }
  store_relaxed<Scope::System>(&k2k.counters->invocations, k2k.invocations);
  store_relaxed<Scope::System>(&k2k.counters->handled, k2k.handled);
  store_release<Scope::System>(&k2k.counters->finished, k2k.handled);
}
// One record per run of equal stamps.
RK_HD void ResidentLink::record_latencies(uint32_t n) {
  RK_ROLLED for (uint32_t i = 0, run = 1; i < n; i += run) {
    const uint64_t stamp = staged(i).hlc;
    run = 1;
    RK_ROLLED while (i + run < n && staged(i + run).hlc == stamp)++ run;
    const uint64_t sent = hlc_microseconds(stamp);
    f_.k2k.latency.record(b_.now_us > sent ? b_.now_us - sent : 0, run);
  }
}

RK_SHARED_BODY void ResidentLink::tell_latency() {
  const LatencyHistogram& own = f_.k2k.latency;
  LatencyHistogram& told = f_.k2k.counters->latency;
  if (f_.k2k.invocations == latencies_of_) return;
  latencies_of_ = f_.k2k.invocations;
  RK_ROLLED for (uint32_t i = 0; i < LatencyHistogram::kBuckets; ++i)
      store_relaxed<Scope::System>(&told.buckets[i], own.buckets[i]);
  store_relaxed<Scope::System>(&told.total_us, own.total_us);
  store_relaxed<Scope::System>(&told.max_us, own.max_us);
  store_release<Scope::System>(&told.inverse_min_us, own.inverse_min_us);
}

}  // namespace ringkernel
