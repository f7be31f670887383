// A kernel that stays on a device: each block polls its ring from the host, runs the handler on
// what has come, and sends back, in one stream of records, what the handler asked for and which
// messages are finished. The host's pump does everything else that a step does: routing, policies,
// requests, dead letters, counters. So only plain loads and stores cross the bus, one writer a
// line. What one kernel of the device sends another goes past the host, see k2k.hpp.
//
// Started per batch instead (event-driven), the same code leaves when nothing waits.
#pragma once

#include "ringkernel/device/context.hpp"
#include "ringkernel/device/control_block.hpp"
#include "ringkernel/device/k2k_receiver.hpp"
#include "ringkernel/device/k2k_sender.hpp"

namespace ringkernel {

// One block's memory. The frames of a kernel lie side by side in device memory and outlive its
// launches; what points to `mapped` memory is the host's, seen over the bus.
struct ResidentFrame {
  Block block;                      // what a Context sees: params, keys, State, ids
  ControlBlock* control = nullptr;  // mapped
  Ring in;                          // mapped; messages from the host, a turn per slot
  Ring out;                         // mapped; records to the host, a turn per slot
  unsigned char* stage = nullptr;   // `window` messages
  unsigned char* outbox = nullptr;  // window x records_per_call() + 1 records
  GridBarrier* grid = nullptr;      // granularity grid: shared by its blocks
  uint32_t window = 0;              // most messages of a batch
  uint32_t resident = 1;            // 0: leave when nothing waits
  uint64_t lease_ns = 0;            // how long the host may show no life
  K2kFrame k2k;                     // wires to and from other kernels of the device
  uint32_t idle_ns = 0;             // longest pause between two looks

  // Kept from launch to launch
  uint64_t in_head = 0;
  uint64_t out_tail = 0;
  uint32_t stop_cursor = 0;  // the key that on_stop goes on with
  uint32_t answer = 0;       // of the leader, to the other blocks of a grid
  // The batch in hand
  uint32_t base = 0;      // position of its first message, low 32 bits
  uint32_t from_k2k = 0;  // 1: it came from a kernel on the device
  uint32_t refuses = 0;   // 1: its messages are not handled
};

// What a block's threads share, at the start of its shared memory; behind it two words per thread,
// then the author's part.
struct alignas(16) ResidentShared {
  uint32_t ready[32];  // leading messages that each warp has seen
  uint32_t answer;     // of the leader, to the other threads
  uint32_t more;
  uint32_t total;  // records to send
  // Messages from the device's kernels that the host hears of, and that it must refuse
  uint32_t told;
  uint32_t refused;
  TeamJob job;
};
RK_HD constexpr uint32_t resident_shared_bytes(uint32_t threads) {
  return static_cast<uint32_t>(sizeof(ResidentShared)) + ((8 * threads + 15U) & ~15U);
}

template <class H>
class Resident {
  using Ctx = typename traits::ContextOf<H>::Type;
  using State = typename traits::StateOf<H>::Type;
  using Accepted = typename traits::AcceptsOf<H>::Type;
  static constexpr bool kKeyed = traits::is_keyed<H>;
  static constexpr Granularity kGranularity = traits::granularity_of<H>();
  static constexpr bool kCollective =
      kGranularity == Granularity::Block || kGranularity == Granularity::Grid;
  static constexpr bool kHasStart = requires(Ctx & c, State& s) { H::on_start(c, s); }
  || requires(Ctx& c) { H::on_start(c); };
  static constexpr bool kHasStop = requires(Ctx & c, State& s) { H::on_stop(c, s); }
  || requires(Ctx& c) { H::on_stop(c); };
  static constexpr bool kHasPoll = requires(Ctx & c, State& s) { H::on_poll(c, s); }
  || requires(Ctx& c) { H::on_poll(c); };
  static constexpr uint32_t kArea = records_per_call(Ctx::Ports::kTotalMax);
  static constexpr uint32_t kPolls = 32;  // calls of on_poll between two looks at the ring
  // Batches from kernels on the device between two looks across the bus.
  static constexpr uint32_t kInARow = 8;
  static constexpr uint32_t kLeave = 0xFFFFFFFFU;
  static constexpr uint32_t kLate = KeyTable::kNone - 1;  // in place of a key's entry
#if RK_ON_DEVICE
  static constexpr uint32_t kLanes = 32;
#else
  static constexpr uint32_t kLanes = 1;
#endif

 public:
  // Every thread of every block calls this.
  RK_HD static void run(ResidentFrame* frames, const DeviceThread& thread) {
    Resident(frames, thread).run();
  }

 private:
  RK_HD Resident(ResidentFrame* frames, const DeviceThread& thread)
      : f_(frames[kGranularity == Granularity::Grid ? 0 : thread.block()]),
        b_(f_.block),
        s_(*static_cast<ResidentShared*>(thread.shared())) {
    side_.thread = thread;
    side_.grid = kGranularity == Granularity::Grid ? f_.grid : nullptr;
    words_ = reinterpret_cast<uint32_t*>(&s_ + 1);
    side_.shared =
        static_cast<unsigned char*>(thread.shared()) + resident_shared_bytes(thread.size());
    rank_ =
        thread.rank() + (kGranularity == Granularity::Grid ? thread.block() * thread.size() : 0);
    leads_ = kGranularity != Granularity::Grid || thread.block() == 0;
    if constexpr (kGranularity == Granularity::Serial)
      if (thread.size() > 1) side_.job = &s_.job;
    side_.outbox.slots = f_.outbox;
    side_.outbox.stride = f_.out.stride;
    if constexpr (kGranularity == Granularity::Thread)
      side_.outbox.slots += static_cast<uint64_t>(rank_) * kArea * f_.out.stride;
  }

  RK_HD bool first() const { return side_.thread.rank() == 0; }
  RK_HD bool leader() const { return leads_ && first(); }

  RK_HD void run() {
    zero_shared();
    if (leader()) {
      b_.threads = side_.thread.size() * (side_.grid != nullptr ? side_.thread.blocks() : 1);
      come_alive();
    }
    side_.thread.sync();
    uint32_t pause = 32;
    uint32_t waiting = 0;  // messages from the device's kernels
    RK_ROLLED for (uint32_t looks = 0;; ++looks) {
      const uint32_t n = waiting > 0 ? take_k2k(waiting) : look();
      // The host's words are on the other side of the bus, so they are looked at now and then.
      if (leader()) {
        b_.now_us = wall_us();
        b_.hlc = hlc_next(b_.now_us, b_.hlc, 0);
        if (looks % (n == 0 ? 8 : 64) == 0 || (kHasStart && !b_.started)) read_control();
      }
      bool worked = n > 0;
      if (n > 0) {
        if constexpr (kHasStart) start_first();
        handle(n);
      }
      if (n == 0 || kHasPoll) worked = hooks(n == 0) || worked;
      if (worked) {
        pause = 32;
      } else {
        if (first()) side_.thread.pause(pause);
        if (pause < f_.idle_ns) pause *= 2;
      }
      waiting = agree(leader() ? next_batch(worked) : 0);
      if (waiting == kLeave) return;
    }
  }

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
    } else if (f_.refuses != 0 ||
               ((desired_ & kDesireRun) != 0 && (!kHasStart || b_.started) && batches_ < kInARow)) {
      n = receiver.look(f_.window);
    }
    if (n > 0) n = room_for(n);
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
    if constexpr (kCollective) return agree(answer ? 1 : 0) != 0;
    return answer;
  }

  // --- beginning and end

  RK_HD void zero_shared() {
    RK_ROLLED for (uint32_t i = side_.thread.rank(); i < b_.shared_size;
                   i += side_.thread.size()) static_cast<unsigned char*>(side_.shared)[i] = 0;
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
    f_.k2k.pending = ~uint64_t{0};
    sender().read_table();
    store_release<Scope::System>(&f_.control->k2k_heeded, generation);
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
    n = min_of(n, room(n * kArea) / kArea);
    if (f_.k2k.table == nullptr || n == 0) return n;
    return sender().room(kHasStart && !b_.started ? 1 : 0, n, b_);
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

  // --- handling

  // Handles a batch and sends what became of it.
  RK_HD void handle(uint32_t n) {
    uint32_t done = 0;
    calls_ = 0;
    if (first()) s_.told = s_.refused = 0;
    side_.thread.sync();
    if (f_.refuses != 0) {
      done = n;
      refuse(n);
    } else if constexpr (kGranularity == Granularity::Thread) {
      done = handle_on_threads(n);
    } else if constexpr (kCollective) {
      n = batch_of_calls(n);
      side_.outbox.used = 0;
      RK_ROLLED while (done < n && handle_one(done))++ done;
    } else {
      if (first()) {
        n = batch_of_calls(n);
        side_.outbox.used = 0;
        RK_ROLLED while (done < n && handle_one(done))++ done;
        if (side_.job != nullptr) side_.dismiss();
        s_.total = side_.outbox.used;
        s_.more = done;
      } else {
        side_.help();
      }
      side_.thread.sync();
      done = s_.more;
    }
    if constexpr (kCollective) {
      if (leader()) s_.total = side_.outbox.used;
      side_.sync();
    }
    if (leads_) {
      if (kGranularity != Granularity::Thread || f_.refuses != 0) identity_order();
      if (leader() && f_.from_k2k == 0) f_.in_head += done;
      send(done);
    }
    side_.sync();
  }

  // A message that visits every key is a batch of its own: its calls need all the room.
  RK_HD uint32_t batch_of_calls(uint32_t n) const {
    if constexpr (kKeyed) {
      if (some_type_has_no_key())
        RK_ROLLED for (uint32_t i = 0; i < n; ++i) if (visits_keys(i)) return max_of(i, 1U);
    }
    return n;
  }
  RK_HD bool visits_keys(uint32_t i) const {
    return b_.accept_keys[accept_index(staged(i))].size == 0;
  }

  // --- messages from kernels on the device

  // Room for telling the host of the message, before its calls.
  RK_HD void begin_message() {
    if (f_.from_k2k == 0 || (kCollective && !leader())) return;
    side_.outbox.flags = kRecordK2k;
    side_.outbox.append(RecordKind::Received);
  }

  // After its calls, whose records stand behind `begin`: the host hears of the message where
  // something of it is for the host.
  RK_HD void end_message(const MessageHeader& h, uint32_t index, uint32_t begin, bool always) {
    if (f_.from_k2k == 0 || (kCollective && !leader())) return;
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
    receiver.count_delivered(done);
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

  RK_HD Ctx make_context(const MessageHeader* header, uint32_t position) {
    Ctx ctx(b_, header, rank_);
    ctx.device_ = &side_;
    side_.outbox.position = position;
    side_.outbox.logs = kLogRecords;
    side_.outbox.flags = header == nullptr ? kRecordHook : f_.from_k2k != 0 ? kRecordK2k : 0;
    ++calls_;
    return ctx;
  }

  RK_HD void call(Ctx& ctx, uint32_t index, State& state, const void* payload) {
    traits::with_type(index, Accepted{},
                      [&]<class M>(traits::Type<M>) { call_one<M>(ctx, state, payload); });
  }
  template <class M>
  RK_HD void call_one(Ctx& ctx, State& state, const void* payload) {
    const M& message = *static_cast<const M*>(payload);
    ctx.guarded([&](Ctx& c) {
      if constexpr (requires { H::on_message(c, state, message); })
        H::on_message(c, state, message);
      else
        H::on_message(c, message);
    });
  }

  // What the call emitted stays, or is taken back.
  RK_HD bool end_call(Ctx& ctx, uint32_t from) {
    if (!ctx.failed()) return true;
    if (ctx.leads()) {
      side_.outbox.take_back(from);
      side_.outbox.fail(ctx.reason_, ctx.detail_);
    }
    return false;
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

  // One message, by one thread or by all. False: it paused in the middle of visiting the keys.
  RK_HD bool handle_one(uint32_t i) {
    const MessageHeader& h = staged(i);
    const uint32_t index = accept_index(h);
    const uint32_t position = f_.base + i;
    const uint32_t begin = side_.outbox.used;
    if (RK_UNLIKELY(h.deadline != 0) && !b_.visiting && agree_on_call(is_late(h))) {
      if (!kCollective || leader()) refuse_late(h, index, position);
      if constexpr (kCollective) side_.sync();
      return true;
    }
    begin_message();
    if constexpr (kKeyed) {
      const KeySpec& spec = b_.accept_keys[index];
      if (spec.size == 0) {
        const bool over = visit_keys(h, index, position);
        end_visit(h, index, begin, over);
        return over;
      }
      Ctx ctx = make_context(&h, position);
      const uint32_t from = side_.outbox.used;
      ctx.key_entry_ = find_key(spec, h);
      if (ctx.key_entry_ == KeyTable::kNone)
        ctx.set_failed(Reason::KeysFull, nullptr);
      else
        call(ctx, index, *static_cast<State*>(b_.keys.state(ctx.key_entry_)), payload_of(&h));
      end_call(ctx, from);
    } else {
      Ctx ctx = make_context(&h, position);
      const uint32_t from = side_.outbox.used;
      call(ctx, index, *static_cast<State*>(b_.state), payload_of(&h));
      end_call(ctx, from);
    }
    end_message(h, index, begin, false);
    if constexpr (kCollective) side_.sync();
    return true;
  }

  // The host hears of a message that visits the keys in any case; of one that pauses again when it
  // goes on.
  RK_HD void end_visit(const MessageHeader& h, uint32_t index, uint32_t begin, bool over) {
    if (over) return end_message(h, index, begin, true);
    if (f_.from_k2k != 0 && (!kCollective || leader())) tell(h, index, begin);
  }

  RK_HD uint32_t find_key(const KeySpec& spec, const MessageHeader& h) {
    if constexpr (kCollective) {
      if (leader()) {
        Key key;
        read_key(spec, payload_of(&h), key);
        b_.key_cursor = b_.keys.find_or_insert(key);
        note_keys();
      }
      side_.sync();
      return load_acquire(&b_.key_cursor);
    } else {
      Key key;
      read_key(spec, payload_of(&h), key);
      const uint32_t entry = b_.keys.find_or_insert(key);
      note_keys();
      return entry;
    }
  }

  RK_HD void note_keys() {
    if (b_.keys.count != keys_told_)
      store_relaxed<Scope::System>(&f_.control->keys, keys_told_ = b_.keys.count);
  }

  // A message without a key: once per key present. Every call may need its records, so it pauses
  // when the host has no more room, and goes on with the next batch.
  RK_HD bool visit_keys(const MessageHeader& h, uint32_t index, uint32_t position) {
    if constexpr (kKeyed) {
      uint32_t at = b_.visiting ? b_.key_cursor : 0;
      bool failed = false;
      RK_ROLLED while (!failed && at < b_.keys.count && agree_on_call(room_for_call(0))) {
        Ctx ctx = make_context(&h, position);
        ctx.key_entry_ = at;
        const uint32_t from = side_.outbox.used;
        call(ctx, index, *static_cast<State*>(b_.keys.state(at)), payload_of(&h));
        failed = agree_on_call(!end_call(ctx, from));
        if (!failed && ctx.leads()) side_.outbox.append(RecordKind::Kept);
        ++at;
      }
      const bool paused = at < b_.keys.count && !failed;
      if constexpr (kCollective) side_.sync();
      if (leader()) {
        b_.visiting = paused;
        b_.key_cursor = at;
      }
      if constexpr (kCollective) side_.sync();
      return !paused;
    }
    return true;
  }

  // Room for the records of one more call, and `more` after it; at the host and in the outbox.
  RK_HD bool room_for_call(uint32_t more) {
    if (!leader()) return false;
    const uint32_t records = side_.outbox.used + kArea + more;
    return records <= f_.window * kArea + 1 && records <= room(records) &&
           (f_.k2k.table == nullptr || sender().room(calls_, 1, b_) > 0);
  }

  // Each thread its own message. Equal keys take turns in the order of the messages, and what the
  // threads ask for is sent in that order too.
  RK_HD uint32_t handle_on_threads(uint32_t n) {
    if (first()) {
      s_.total = 0;
      n = batch_of_keyed(n);
    }
    n = agree(n);
    if (n == 0) {  // a message that visits every key: for one thread
      if (first()) {
        DeviceOutbox& out = side_.outbox;
        out.used = 0;
        s_.more = handle_one(0) ? 1 : 0;
        s_.total = out.used;
      }
      side_.thread.sync();
      if (side_.thread.rank() == 0)
        RK_ROLLED for (uint32_t i = 0; i < s_.total; ++i) order()[i] = i;
      side_.thread.sync();
      return s_.more;
    }
    uint32_t* entries = words_;
    uint32_t* counts = words_ + side_.thread.size();
    const uint32_t me = side_.thread.rank();
    uint32_t index = 0;
    uint32_t mine = KeyTable::kNone;
    const bool late = me < n && is_late(staged(me));
    if (late) {
      entries[me] = kLate;
    } else if (me < n) {
      index = accept_index(staged(me));
      if constexpr (kKeyed) {
        Key key;
        read_key(b_.accept_keys[index], payload_of(&staged(me)), key);
        mine = b_.keys.find(key);
        entries[me] = mine;
        if (mine == KeyTable::kNone) store_relaxed(&s_.more, 1U);
      }
    }
    side_.thread.sync();
    if constexpr (kKeyed) {
      if (first() && s_.more != 0) {
        RK_ROLLED for (uint32_t i = 0; i < n; ++i) {
          if (entries[i] != KeyTable::kNone) continue;
          Key key;
          const MessageHeader& h = staged(i);
          read_key(b_.accept_keys[accept_index(h)], payload_of(&h), key);
          entries[i] = b_.keys.find_or_insert(key);
        }
        note_keys();
      }
      side_.thread.sync();
    }
    uint32_t round = 0;
    if (me < n && kKeyed) {
      mine = entries[me];
      if (mine != KeyTable::kNone && mine != kLate)
        RK_ROLLED for (uint32_t i = 0; i < me; ++i) round += entries[i] == mine ? 1U : 0U;
    }
    side_.outbox.used = 0;
    RK_ROLLED for (uint32_t now = 0;; ++now) {
      if (late && now == 0)
        refuse_late(staged(me), accept_index(staged(me)), f_.base + me);
      else if (me < n && round == now)
        handle_alone(me, index, mine);
      side_.thread.sync();
      if (first()) s_.more = 0;
      side_.thread.sync();
      if (me < n && round > now) store_relaxed(&s_.more, 1U);
      side_.thread.sync();
      if (load_relaxed(&s_.more) == 0) break;
    }
    put_in_order(n, counts);
    return n;
  }

  // How many messages of the batch, from the first on, have a key (or need none).
  RK_HD uint32_t batch_of_keyed(uint32_t n) {
    s_.more = 0;
    n = min_of(n, side_.thread.size());
    if constexpr (kKeyed) {
      if (b_.visiting) return 0;
      if (!some_type_has_no_key()) return n;
      RK_ROLLED for (uint32_t i = 0; i < n; ++i) if (visits_keys(i)) return i;
    }
    return n;
  }
  RK_HD bool some_type_has_no_key() const {
    RK_ROLLED for (uint32_t i = 0; i < b_.accept_count;
                   ++i) if (b_.accept_keys[i].size == 0) return true;
    return false;
  }

  RK_HD void handle_alone(uint32_t i, uint32_t index, [[maybe_unused]] uint32_t entry) {
    const MessageHeader& h = staged(i);
    begin_message();
    Ctx ctx = make_context(&h, f_.base + i);
    const uint32_t from = side_.outbox.used;
    if constexpr (kKeyed) {
      ctx.key_entry_ = entry;
      if (entry == KeyTable::kNone)
        ctx.set_failed(Reason::KeysFull, nullptr);
      else
        call(ctx, index, *static_cast<State*>(b_.keys.state(entry)), payload_of(&h));
    } else {
      call(ctx, index, *static_cast<State*>(b_.state), payload_of(&h));
    }
    end_call(ctx, from);
    end_message(h, index, 0, false);
  }

  // The records of all threads, in the order of their messages: a prefix sum over their numbers.
  RK_HD void put_in_order(uint32_t n, uint32_t* counts) {
    const uint32_t me = side_.thread.rank();
    const uint32_t mine = me < n ? side_.outbox.used : 0;
    counts[me] = mine;
    side_.thread.sync();
    RK_ROLLED for (uint32_t step = 1; step < side_.thread.size(); step *= 2) {
      const uint32_t before = me >= step ? counts[me - step] : 0;
      side_.thread.sync();
      counts[me] += before;
      side_.thread.sync();
    }
    const uint32_t from = counts[me] - mine;
    RK_ROLLED for (uint32_t i = 0; i < mine; ++i) order()[from + i] = me * kArea + i;
    if (me + 1 == side_.thread.size()) s_.total = counts[me];
    side_.thread.sync();
  }

  // Which slot of the outbox is sent at which place; behind the outbox's records.
  RK_HD uint32_t* order() const {
    return reinterpret_cast<uint32_t*>(f_.outbox + (static_cast<uint64_t>(f_.window) * kArea + 1) *
                                                       f_.out.stride);
  }
  RK_HD void identity_order() const {
    RK_ROLLED for (uint32_t i = side_.thread.rank(); i < s_.total; i += side_.thread.size())
        order()[i] = i;
    side_.thread.sync();
  }

  // Sends the records of a batch, and that `done` messages are finished.
  RK_HD void send(uint32_t done) {
    const uint32_t last = f_.window * kArea;  // the slot kept for Done
    if (f_.from_k2k != 0 || f_.k2k.out_count > 0) send_k2k();
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

  // --- on_start, on_poll, on_stop

  enum class Hook : uint32_t { None, Start, Poll, Stop };

  // The leader alone says which: it is the one that changes what the answer depends on.
  RK_HD Hook next_hook(bool idle) {
    if (!leader() || room(kArea + 1) <= kArea ||
        (f_.k2k.table != nullptr && sender().room(0, 1, b_) == 0))
      return Hook::None;
    if (!b_.started) return (desired_ & kDesireRun) != 0 ? Hook::Start : Hook::None;
    if (b_.polling && (desired_ & kDesirePoll) != 0) return Hook::Poll;
    return idle && (desired_ & kDesireStop) != 0 && !b_.stopped ? Hook::Stop : Hook::None;
  }

  // True: something was called.
  RK_HD bool hooks(bool idle) {
    if constexpr (!kHasStart && !kHasStop && !kHasPoll) return false;
    const auto hook = static_cast<Hook>(agree(static_cast<uint32_t>(next_hook(idle))));
    if (hook == Hook::None) return false;
    begin_hooks();
    if (hook == Hook::Start) start();
    if (hook == Hook::Poll) poll();
    if (hook == Hook::Stop) stop();
    end_hooks();
    return true;
  }
  // on_start has run before the first message is handled.
  RK_HD void start_first() {
    if (agree(leader() && !b_.started && (desired_ & kDesireRun) != 0 ? 1 : 0) == 0) return;
    begin_hooks();
    start();
    end_hooks();
  }
  RK_HD void begin_hooks() {
    side_.outbox.used = 0;
    calls_ = 0;
  }
  RK_HD void end_hooks() {
    if (leader()) s_.total = side_.outbox.used;
    side_.sync();
    if (leads_) {
      identity_order();
      send(0);
    }
    side_.sync();
  }

  // Calls one of the three, by one thread or by all, and ends it with a record.
  template <class F>
  RK_HD void call_hook(uint32_t entry, F&& body) {
    if (!kCollective && !first()) return;
    Ctx ctx = make_context(nullptr, 0);
    ctx.key_entry_ = entry;
    const uint32_t from = side_.outbox.used;
    TeamJob* job = side_.job;
    side_.job = nullptr;  // the other threads do not help
    ctx.guarded(body);
    side_.job = job;
    if (end_call(ctx, from) && ctx.leads()) side_.outbox.append(RecordKind::Kept);
  }
  RK_HD void end_hook(RecordKind kind, uint32_t count) {
    if (!leader()) return;
    side_.outbox.flags = kRecordHook;
    side_.outbox.append(kind)->count = count;
  }

  RK_HD void start() {
    if constexpr (kHasStart) {
      call_hook(0, [&](Ctx& c) {
        if constexpr (requires(State & s) { H::on_start(c, s); })
          H::on_start(c, *static_cast<State*>(b_.state));
        else
          H::on_start(c);
      });
    }
    side_.sync();
    if (leader()) {
      b_.started = true;
      b_.polling = kHasPoll;
    }
    end_hook(RecordKind::Started, 0);
  }

  RK_HD void poll() {
    if constexpr (kHasPoll) {
      uint32_t calls = kPolls;
      bool more = kCollective || first();
      RK_ROLLED while (more && calls-- > 0 && agree_on_call(room_for_call(1))) {
        bool answer = false;
        call_hook(0, [&](Ctx& c) {
          if constexpr (requires(State & s) { H::on_poll(c, s); })
            answer = H::on_poll(c, *static_cast<State*>(b_.state));
          else
            answer = H::on_poll(c);
        });
        more = agree_on_call(answer);
      }
      if (leader() && !more) b_.polling = false;
      end_hook(RecordKind::Polled, more ? 1 : 0);
    }
  }

  RK_HD void stop() {
    bool finished = true;
    if constexpr (kHasStop) {
      const uint32_t calls = kKeyed ? b_.keys.count : 1;
      uint32_t at = f_.stop_cursor;
      RK_ROLLED while (at < calls && agree_on_call(room_for_call(1))) {
        call_hook(at, [&](Ctx& c) {
          if constexpr (requires(State & s) { H::on_stop(c, s); })
            H::on_stop(c, kKeyed ? *static_cast<State*>(b_.keys.state(at))
                                 : *static_cast<State*>(b_.state));
          else
            H::on_stop(c);
        });
        ++at;
        if (!kCollective && !first()) break;
      }
      finished = at >= calls;
      side_.sync();
      if (leader()) f_.stop_cursor = at;
    }
    if (leader() && finished) b_.stopped = true;
    if (finished) end_hook(RecordKind::Stopped, 0);
    side_.sync();
  }

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
