// A resident block's ties, whatever its handler: what it hears from the host and tells it, messages
// from the host and from other kernels of the device, and the records and messages that it sends.
#pragma once

#include "ringkernel/device/handler_traits.hpp"
#include "ringkernel/device/k2k_receiver.hpp"
#include "ringkernel/device/k2k_sender.hpp"
#include "ringkernel/device/resident_frame.hpp"

namespace ringkernel {

class ResidentLink {
 protected:
  // What is known of the kernel when it is compiled.
  struct Shape {
    Granularity granularity;
    bool has_start;
    uint32_t area;  // records_per_call()
    bool grid = granularity == Granularity::Grid;
    bool collective = grid || granularity == Granularity::Block;
  };

  RK_HD ResidentLink(ResidentFrame* frames, const DeviceThread& thread, const Shape& shape)
      : shape_(shape),
        f_(frames[shape.grid ? 0 : thread.block()]),
        b_(f_.block),
        s_(*static_cast<ResidentShared*>(thread.shared())) {
    side_.thread = thread;
    side_.grid = shape.grid ? f_.grid : nullptr;
    words_ = reinterpret_cast<uint32_t*>(&s_ + 1);
    side_.shared =
        static_cast<unsigned char*>(thread.shared()) + resident_shared_bytes(thread.size());
    rank_ = thread.rank() + (shape.grid ? thread.block() * thread.size() : 0);
    leads_ = !shape.grid || thread.block() == 0;
    if (shape.granularity == Granularity::Serial && thread.size() > 1) side_.job = &s_.job;
    side_.outbox.slots = f_.outbox;
    side_.outbox.stride = f_.out.stride;
    if (shape.granularity == Granularity::Thread)
      side_.outbox.slots += static_cast<uint64_t>(rank_) * shape.area * f_.out.stride;
  }

  RK_HD bool first() const { return side_.thread.rank() == 0; }
  RK_HD bool leader() const { return leads_ && first(); }

  // How many messages wait from kernels on the device; 0: look what the host has; or kLeave.
  RK_HD uint32_t next_batch(bool worked) {
    if (leaves(worked)) return kLeave;
    if (f_.k2k.in_count == 0) return 0;
    if (!worked) tell_latency();
    K2kReceiver receiver(f_.k2k);
    f_.refuses = (desired_ & kDesireBury) != 0 ? 1 : 0;
    uint32_t n = 0;
    if (b_.visiting) {
      if (f_.from_k2k != 0) n = receiver.rest(f_.window);
    } else if (f_.refuses != 0 || ((desired_ & kDesireRun) != 0 &&
                                   (!shape_.has_start || b_.started) && batches_ < kInARow)) {
      n = receiver.look(f_.window);
    }
    if (n > 0) n = room_for(n);
    if (n > 0) n = receiver.claim(n);
    batches_ = n > 0 ? batches_ + 1 : 0;
    return n;
  }

  // What the leader says, to all threads.
  RK_HD uint32_t agree(uint32_t answer) {
    if (side_.grid != nullptr) {
      if (leader()) store_relaxed(&f_.answer, answer);
      side_.sync();
      answer = load_relaxed(&f_.answer);
      side_.sync();
      return answer;
    }
    if (first()) s_.answer = answer;
    side_.thread.sync();
    answer = s_.answer;
    side_.thread.sync();
    return answer;
  }
  // The same where only one thread needs to know, since only it handles messages.
  RK_HD bool agree_on_call(bool answer) {
    return shape_.collective ? agree(answer ? 1 : 0) != 0 : answer;
  }

  // --- beginning and end

  RK_HD void zero_shared() {
    RK_ROLLED for (uint32_t i = side_.thread.rank(); i < b_.shared_size;
                   i += side_.thread.size()) static_cast<unsigned char*>(side_.shared)[i] = 0;
    if (f_.k2k.cluster_bytes == 0) return;
    auto* rings = reinterpret_cast<uint64_t*>(static_cast<unsigned char*>(side_.thread.shared()) +
                                              f_.k2k.cluster_offset);
    RK_ROLLED for (uint32_t i = side_.thread.rank(); i < f_.k2k.cluster_bytes / 8;
                   i += side_.thread.size()) rings[i] = 0;
    meet_cluster();
  }
  // Before anybody writes to another block's shared memory, and after the last has done so.
  RK_HD void meet_cluster() const {
    if (f_.k2k.cluster_bytes == 0) return;
    side_.thread.sync();
    side_.thread.sync_cluster();
  }

  RK_HD void come_alive() {
    f_.control->clock_us = side_.thread.now_ns() / 1000;
    store_release<Scope::System>(&f_.control->state, static_cast<uint32_t>(ResidentState::Alive));
    // The host answers with the distance of the two clocks, or is gone.
    const uint64_t since = side_.thread.now_ns();
    RK_ROLLED while (load_acquire<Scope::System>(&f_.control->clock_set) == 0 &&
                     side_.thread.now_ns() - since < f_.lease_ns) side_.thread.pause(1000);
    offset_us_ = f_.control->clock_offset_us;
    taken_ = load_acquire<Scope::System>(&f_.control->records_taken);
    seen_ns_ = side_.thread.now_ns();
    read_control();
  }

  RK_HD void read_control() {
    const uint32_t desired = load_relaxed<Scope::System>(&f_.control->desired);
    if (desired != desired_) store_release<Scope::System>(&f_.control->heeded, desired);
    desired_ = desired;
    if (f_.k2k.table != nullptr) read_k2k_table();
    const uint64_t beat = load_relaxed<Scope::System>(&f_.control->heartbeat);
    const uint64_t now = side_.thread.now_ns();
    if (beat != heartbeat_) seen_ns_ = now;
    heartbeat_ = beat;
    expired_ = now - seen_ns_ > f_.lease_ns;
  }

  RK_HD void read_k2k_table() {
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
  RK_HD void find_cluster_rings() {
    if (f_.k2k.cluster_bytes == 0) return;
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
  RK_HD static uint64_t ring_offset(uint32_t sender, const Ring& ring) {
    return sizeof(Signal) + sender * ring_bytes(ring.capacity, ring.stride);
  }
  RK_HD K2kSender sender() const { return K2kSender(f_.k2k, *f_.control); }

  RK_HD uint64_t wall_us() const {
    return static_cast<uint64_t>(static_cast<int64_t>(side_.thread.now_ns() / 1000) + offset_us_);
  }

  // Whether the block leaves the device; tells the host.
  RK_HD bool leaves(bool worked) {
    ResidentState state = ResidentState::Alive;
    if (expired_)
      state = ResidentState::LeaseExpired;
    else if (!worked && ((desired_ & kDesireExit) != 0 || f_.resident == 0))
      state = ResidentState::Left;
    if (state == ResidentState::Alive) return false;
    store_release<Scope::System>(&f_.control->state, static_cast<uint32_t>(state));
    return true;
  }

  // --- messages from the host

  // How many messages are ready, at most a window; all threads get the same answer, and the
  // messages are in `stage`.
  RK_HD uint32_t look() {
    const uint32_t width = min_of(f_.window, side_.thread.size());
    if (leads_) {
      // One load per thread, all on the bus at once; a whole warp sees 32 slots for the price of
      // one.
      const uint32_t warp = side_.thread.rank() / kLanes;
      uint32_t leading = 0;
      if (warp * kLanes < width) {
        const bool mine = side_.thread.rank() < width && is_ready(side_.thread.rank());
        leading = leading_lanes(mine, warp, width);
      }
      if (side_.thread.rank() % kLanes == 0 && warp < 32) s_.ready[warp] = leading;
      side_.thread.sync();
      if (first()) {
        uint32_t n = 0;
        RK_ROLLED for (uint32_t w = 0; w * kLanes < width && w < 32; ++w) {
          n += s_.ready[w];
          if (s_.ready[w] < kLanes) break;
        }
        // A block of few threads looks further one by one.
        if (n == width) {
          RK_ROLLED while (n < f_.window && is_ready(n)) { ++n; }
        }
        if (leader()) {
          f_.base = static_cast<uint32_t>(f_.in_head);
          f_.from_k2k = f_.refuses = 0;
        }
        s_.total = n == 0 ? 0 : room_for(n);
      }
    }
    const uint32_t n = agree(first() ? s_.total : 0);
    if (leads_ && n > 0) {
      const uint32_t at = static_cast<uint32_t>(f_.in_head & (f_.in.capacity - 1));
      const uint32_t straight = min_of(n, f_.in.capacity - at);
      side_.thread.copy(f_.stage, f_.in.slot(f_.in_head), straight * (f_.in.stride / 16));
      side_.thread.copy(f_.stage + static_cast<uint64_t>(straight) * f_.in.stride, f_.in.slots,
                        (n - straight) * (f_.in.stride / 16));
    }
    side_.sync();
    return n;
  }

  RK_HD bool is_ready(uint32_t i) const {
    const uint64_t position = f_.in_head + i;
    return load_acquire<Scope::System>(&f_.in.slot(position)->turn) == 2 * f_.in.lap(position) + 1;
  }

  // How many lanes of the warp, from its first on, say yes.
  RK_HD static uint32_t leading_lanes(bool mine, [[maybe_unused]] uint32_t warp,
                                      [[maybe_unused]] uint32_t width) {
#if RK_ON_DEVICE
    const uint32_t here = min_of(32U, blockDim.x - warp * 32);
    const uint32_t members = here == 32 ? 0xFFFFFFFFU : (1U << here) - 1;
    const uint32_t no = ~__ballot_sync(members, mine);
    return no == 0 ? 32U : static_cast<uint32_t>(__ffs(static_cast<int>(no))) - 1;
#else
    return mine ? 1 : 0;
#endif
  }

  // Records that the host has room for, less the one that ends a batch. What it has taken is on
  // the other side of the bus: looked at when the last look does not show `wanted`.
  RK_HD uint32_t room(uint32_t wanted) {
    uint32_t free = f_.out.capacity - static_cast<uint32_t>(f_.out_tail - taken_) - 1;
    if (free < wanted) {
      taken_ = load_acquire<Scope::System>(&f_.control->records_taken);
      free = f_.out.capacity - static_cast<uint32_t>(f_.out_tail - taken_) - 1;
    }
    return free;
  }

  // For how many messages there is room for all that they may ask for.
  RK_HD uint32_t room_for(uint32_t n) {
    n = min_of(n, room(n * shape_.area) / shape_.area);
    if (f_.k2k.table == nullptr || n == 0) return n;
    return sender().room(shape_.has_start && !b_.started ? 1 : 0, n, b_);
  }

  // Stages n messages of the ring that next_batch() has found.
  RK_HD uint32_t take_k2k(uint32_t n) {
    if (leads_) {
      if (first()) {
        f_.base = 0;
        f_.from_k2k = 1;
      }
      const SpscReceiver& from = K2kReceiver(f_.k2k).ring();
      const uint32_t units = from.ring.stride / 16;
      struct alignas(16) Unit {
        uint64_t low, high;
      };
      RK_ROLLED for (uint32_t i = side_.thread.rank(); i < n * units; i += side_.thread.size()) {
        const uint32_t message = i / units;
        reinterpret_cast<Unit*>(f_.stage +
                                static_cast<uint64_t>(message) * f_.in.stride)[i % units] =
            reinterpret_cast<const Unit*>(from.ring.slot(from.head + message))[i % units];
      }
    }
    side_.sync();
    return n;
  }

  RK_HD const MessageHeader& staged(uint32_t i) const {
    return *reinterpret_cast<const MessageHeader*>(f_.stage +
                                                   static_cast<uint64_t>(i) * f_.in.stride);
  }

  // --- messages from kernels on the device

  // Room for telling the host of the message, before its calls.
  RK_HD void begin_message() {
    if (f_.from_k2k == 0 || (shape_.collective && !leader())) return;
    side_.outbox.flags = kRecordK2k;
    side_.outbox.append(RecordKind::Received);
  }

  // After its calls, whose records stand behind `begin`: the host hears of the message where
  // something of it is for the host.
  RK_HD void end_message(const MessageHeader& h, uint32_t index, uint32_t begin, bool always) {
    if (f_.from_k2k == 0 || (shape_.collective && !leader())) return;
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
    tell(h, index, begin);
    out.flags = kRecordK2k;
    out.append(RecordKind::Concluded)->count = K2kReceiver(f_.k2k).in().in_cycle;
  }
  RK_HD void tell(const MessageHeader& h, uint32_t index, uint32_t at) {
    DeviceRecord* record = side_.outbox.slot(at);
    record->count = K2kReceiver(f_.k2k).in().edge;
    const uint32_t words =
        (static_cast<uint32_t>(sizeof(MessageHeader)) + b_.accept_sizes[index] + 7) / 8;
    uint64_t* to = static_cast<uint64_t*>(payload_of(record));
    const uint64_t* from = reinterpret_cast<const uint64_t*>(&h);
    RK_ROLLED for (uint32_t i = 0; i < words; ++i) to[i] = from[i];
  }

  // Hands the messages to the host, which makes dead letters of them.
  RK_HD void refuse(uint32_t n) {
    if (leader()) {
      b_.visiting = false;
      side_.outbox.used = 0;
      s_.refused = n;
      RK_ROLLED for (uint32_t i = 0; i < n; ++i)
          refuse_one(staged(i), accept_index(staged(i)), Reason::None);
      s_.total = side_.outbox.used;
    }
    side_.sync();
  }
  // None: for the reason that the host knows.
  RK_HD void refuse_one(const MessageHeader& h, uint32_t index, Reason reason) {
    side_.outbox.flags = kRecordK2k;
    side_.outbox.append(RecordKind::Received);
    tell(h, index, side_.outbox.used - 1);
    DeviceRecord* record = side_.outbox.append(RecordKind::Refused);
    record->count = K2kReceiver(f_.k2k).in().in_cycle;
    record->reason = static_cast<uint16_t>(reason);
  }

  // The batch is sent: its slots are free, and it is counted.
  RK_HD void finish_k2k(uint32_t done) {
    K2kReceiver receiver(f_.k2k);
    receiver.release(done);
    if (f_.refuses == 0) record_latencies(done);
    done -= s_.refused;
    const uint32_t own = done - s_.told;
    K2kFrame& k2k = f_.k2k;
    k2k.handled += own;
    ++k2k.invocations;
    if (receiver.in().in_cycle != 0 && own > 0) {
      k2k.credits_back += own;
      store_relaxed<Scope::System>(k2k.credits, k2k.credits_back);
    }
    store_relaxed<Scope::System>(&k2k.counters->invocations, k2k.invocations);
    store_relaxed<Scope::System>(&k2k.counters->handled, k2k.handled);
    store_release<Scope::System>(&k2k.counters->finished, k2k.handled);
    if (k2k.invocations % 4096 == 0) tell_latency();
  }
  // One record per run of equal stamps.
  RK_HD void record_latencies(uint32_t n) {
    RK_ROLLED for (uint32_t i = 0, run = 1; i < n; i += run) {
      const uint64_t stamp = staged(i).hlc;
      run = 1;
      RK_ROLLED while (i + run < n && staged(i + run).hlc == stamp)++ run;
      const uint64_t sent = hlc_microseconds(stamp);
      f_.k2k.latency->record(b_.now_us > sent ? b_.now_us - sent : 0, run);
    }
  }
  RK_HD void tell_latency() {
    const LatencyHistogram& own = *f_.k2k.latency;
    LatencyHistogram& told = f_.k2k.counters->latency;
    if (own.count == latency_told_) return;
    latency_told_ = own.count;
    RK_ROLLED for (uint32_t i = 0; i < LatencyHistogram::kBuckets; ++i)
        store_relaxed<Scope::System>(&told.buckets[i], own.buckets[i]);
    store_relaxed<Scope::System>(&told.total_us, own.total_us);
    store_relaxed<Scope::System>(&told.min_us, own.min_us);
    store_relaxed<Scope::System>(&told.max_us, own.max_us);
    store_relaxed<Scope::System>(&told.count, own.count);
  }

  RK_HD uint32_t accept_index(const MessageHeader& header) const {
    RK_ROLLED for (uint32_t i = 0; i < b_.accept_count;
                   ++i) if (b_.accept_types[i] == header.message_type) return i;
    return 0;  // edges are type-checked
  }

  // Its deadline has passed while it waited: its handler is not run.
  RK_HD bool is_late(const MessageHeader& h) const {
    return h.deadline != 0 && h.deadline < b_.now_us;
  }
  RK_HD void refuse_late(const MessageHeader& h, uint32_t index, uint32_t position) {
    if (f_.from_k2k != 0) {
      fetch_add(&s_.refused, 1U);
      return refuse_one(h, index, Reason::DeadlinePassed);
    }
    side_.outbox.position = position;
    side_.outbox.flags = 0;
    side_.outbox.fail(Reason::DeadlinePassed, "");
  }

  RK_HD void note_keys() {
    if (b_.keys.count != keys_told_)
      store_relaxed<Scope::System>(&f_.control->keys, keys_told_ = b_.keys.count);
  }

  // Room for the records of one more call, and `more` after it; at the host and in the outbox.
  RK_HD bool room_for_call(uint32_t more) {
    if (!leader()) return false;
    const uint32_t records = side_.outbox.used + shape_.area + more;
    return records <= f_.window * shape_.area + 1 && records <= room(records) &&
           (f_.k2k.table == nullptr || sender().room(calls_, 1, b_) > 0);
  }

  RK_HD bool some_type_has_no_key() const {
    RK_ROLLED for (uint32_t i = 0; i < b_.accept_count;
                   ++i) if (b_.accept_keys[i].size == 0) return true;
    return false;
  }

  // Which slot of the outbox is sent at which place; behind the outbox's records.
  RK_HD uint32_t* order() const {
    return reinterpret_cast<uint32_t*>(
        f_.outbox + (static_cast<uint64_t>(f_.window) * shape_.area + 1) * f_.out.stride);
  }
  RK_HD void identity_order() const {
    RK_ROLLED for (uint32_t i = side_.thread.rank(); i < s_.total; i += side_.thread.size())
        order()[i] = i;
    side_.thread.sync();
  }

  // Sends the records of a batch, and that `done` messages are finished.
  RK_HD void send(uint32_t done) {
    const uint32_t last = f_.window * shape_.area;  // the slot kept for Done
    if (f_.from_k2k != 0 || f_.k2k.out_count > 0) send_k2k();
    // Before the host hears of a message, which may then be finished there.
    if (first() && f_.from_k2k != 0 && done > 0)
      K2kReceiver(f_.k2k).count_delivered(done - s_.refused);
    if (first() && done > 0 && f_.from_k2k == 0) {
      DeviceOutbox end = side_.outbox;
      end.slots = f_.outbox;
      end.used = last;
      end.flags = 0;
      end.position = static_cast<uint32_t>(f_.in_head);
      end.append(RecordKind::Done)->count = done;
      order()[s_.total++] = last;
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
      if (f_.from_k2k != 0 && done > 0) finish_k2k(done);
    }
  }

  // What stays on the device goes to its rings, and out of what is sent to the host.
  RK_HD void send_k2k() {
    K2kSender to = sender();
    if (first()) to.begin();
    RK_ROLLED for (;;) {
      if (first())
        s_.more = to.fill(
            order(), s_.total, b_,
            [&](uint32_t slot) {
              return reinterpret_cast<DeviceRecord*>(f_.outbox +
                                                     static_cast<uint64_t>(slot) * f_.out.stride);
            },
            [&](const DeviceRecord& record) -> const MessageHeader* {
              return (record.flags & kRecordHook) != 0 ? nullptr
                                                       : &staged(record.position - f_.base);
            });
      side_.thread.sync();
      const uint32_t n = s_.more;
      to.write(n, b_, side_.thread);
      side_.thread.sync();
      if (n < kK2kCopies) break;
    }
    if (first()) {
      s_.total = to.kept();
      to.publish();
    }
    side_.thread.sync();
  }

  static constexpr uint32_t kLeave = 0xFFFFFFFFU;
  // Batches from kernels on the device between two looks across the bus.
  static constexpr uint32_t kInARow = 8;
#if RK_ON_DEVICE
  static constexpr uint32_t kLanes = 32;
#else
  static constexpr uint32_t kLanes = 1;
#endif

  const Shape shape_;
  ResidentFrame& f_;
  Block& b_;
  ResidentShared& s_;
  DeviceSide side_;
  uint32_t* words_ = nullptr;
  uint32_t rank_ = 0;
  bool leads_ = true;  // its block reads the ring and writes the records
  // The leader's own
  int64_t offset_us_ = 0;
  uint64_t taken_ = 0;
  uint64_t seen_ns_ = 0;  // when the host last showed life
  uint64_t heartbeat_ = 0;
  bool expired_ = false;
  uint32_t desired_ = 0;
  uint32_t keys_told_ = 0;
  uint32_t calls_ = 0;    // of the handler, since the last records were sent
  uint32_t batches_ = 0;  // from kernels on the device, in a row
  uint64_t latency_told_ = 0;
};

}  // namespace ringkernel
