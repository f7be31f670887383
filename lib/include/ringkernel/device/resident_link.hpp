// A resident block's ties, whatever its handler: what it hears from the host and tells it, messages
// from the host and from other kernels of the device, and the records and messages that it sends.
//
// The shared code, in resident_link_code.hpp, calls nothing: what one function of it needs of
// another, the kernel's own code calls between them. So a GPU's compiler, which sees the two apart,
// keeps all registers across it and none has to be saved.
#pragma once

#include "ringkernel/device/handler_traits.hpp"
#include "ringkernel/device/resident_frame.hpp"

namespace ringkernel {

class K2kSender;

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

  // What the leader says, to all threads.
  RK_SHARED uint32_t agree(uint32_t answer);
  // The same where only one thread needs to know, since only it handles messages.
  RK_HD bool agree_on_call(bool answer) {
    return shape_.collective ? agree(answer ? 1 : 0) != 0 : answer;
  }

  // --- beginning and end

  RK_SHARED void zero_shared();
  // Before anybody writes to another block's shared memory, and after the last has done so.
  RK_HD void meet_cluster() const {
    if (f_.k2k.cluster_bytes == 0) return;
    side_.thread.sync();
    side_.thread.sync_cluster();
  }
  RK_SHARED void come_alive();
  // What the host wishes, and whether it still shows life.
  RK_SHARED void read_control();
  RK_HD uint64_t wall_us() const {
    return static_cast<uint64_t>(static_cast<int64_t>(side_.thread.now_ns() / 1000) + offset_us_);
  }

  // To tell each would be traffic of its own.
  RK_HD void count_idle_look() {
    if (++idle_looks_ % kIdleLooksPerTold == 0)
      store_relaxed<Scope::System>(&f_.control->idle_looks, idle_looks_);
  }

  // --- the next batch

  static constexpr uint32_t kLeave = 0xFFFFFFFFU;
  // How many messages wait from kernels on the device; 0: look what the host has; or kLeave.
  RK_SHARED uint32_t next_batch(bool worked);
  // Of those, for which there is room, how many are the block's.
  RK_SHARED uint32_t claim(uint32_t n);
  // How many messages from the host are ready, at most a window; in `total`, for the first thread.
  // Not shared: before sm_90, a warp's vote is a call in code that is.
  RK_HD void count_ready();
  // The next n messages, of the ring that was last looked at, go to `stage`.
  RK_SHARED void stage(uint32_t n, bool from_k2k);

  // Of n messages from the host, as many as this launch may still take.
  RK_HD uint32_t within_batch(uint32_t n) const {
    return f_.batch_size == 0 ? n : min_of(n, f_.batch_size - min_of(f_.batch_size, spent_));
  }

  // For how many calls of the handler, at most `wanted`, there is room for all that they may ask
  // for, after `calls` others and `records` records.
  RK_SHARED uint32_t room_for(uint32_t calls, uint32_t wanted, uint32_t records);
  RK_HD uint32_t room_for_batch(uint32_t n) {
    return n == 0 ? 0 : room_for(shape_.has_start && !b_.started ? 1 : 0, n, 0);
  }
  // Room for the records of one more call, and `more` after it; at the host and in the outbox.
  RK_HD bool room_for_call(uint32_t more) {
    if (!leader()) return false;
    const uint32_t before = side_.outbox.used + more;
    return before + shape_.area <= f_.window * shape_.area + 1 && room_for(calls_, 1, before) > 0;
  }

  RK_HD const MessageHeader& staged(uint32_t i) const {
    return *reinterpret_cast<const MessageHeader*>(f_.stage +
                                                   static_cast<uint64_t>(i) * f_.in.stride);
  }

  // --- messages

  RK_HD uint32_t accept_index(const MessageHeader& header) const {
    RK_ROLLED for (uint32_t i = 0; i < b_.accept_count;
                   ++i) if (b_.accept_types[i] == header.message_type) return i;
    return 0;  // edges are type-checked
  }
  RK_HD bool some_type_has_no_key() const {
    RK_ROLLED for (uint32_t i = 0; i < b_.accept_count;
                   ++i) if (b_.accept_keys[i].size == 0) return true;
    return false;
  }
  // The entry of the message's key. KeyTable::kNone: there is none, and it is not to be made or the
  // kernel holds its most keys.
  RK_SHARED uint32_t find_key(uint32_t index, const MessageHeader& h, bool make);

  // Its deadline has passed while it waited: its handler is not run.
  RK_HD bool is_late(const MessageHeader& h) const {
    return h.deadline != 0 && h.deadline < b_.now_us;
  }
  RK_SHARED void refuse_late(const MessageHeader& h, uint32_t index, uint32_t position);
  // Hands the messages to the host, which makes dead letters of them.
  RK_SHARED void refuse(uint32_t n);

  // Of messages from kernels on the device: room for telling the host of one, before its calls.
  RK_HD void begin_message() {
    if (f_.from_k2k == 0 || (shape_.collective && !leader())) return;
    side_.outbox.flags = kRecordK2k;
    note(RecordKind::Received, 0);
  }
  // After its calls, whose records stand behind `begin`: the host hears of the message where
  // something of it is for the host.
  RK_HD void end_message(const MessageHeader& h, uint32_t index, uint32_t begin, bool always) {
    if (f_.from_k2k == 0 || (shape_.collective && !leader())) return;
    conclude(h, index, begin, always);
  }
  RK_SHARED void conclude(const MessageHeader& h, uint32_t index, uint32_t begin, bool always);
  RK_SHARED void tell(const MessageHeader& h, uint32_t index, uint32_t at);

  // What the call in hand has asked for is taken back; `from` is where it began.
  RK_SHARED void fail_call(uint32_t from, Reason reason, const char* detail);
  RK_SHARED void note(RecordKind kind, uint32_t count);

  // --- sending

  // Which slot of the outbox is sent at which place; behind the outbox's records.
  RK_HD uint32_t* order() const {
    return reinterpret_cast<uint32_t*>(
        f_.outbox + (static_cast<uint64_t>(f_.window) * shape_.area + 1) * f_.out.stride);
  }
  RK_SHARED void order_as_they_are();
  // The records of all threads, in the order of their messages; `mine` are the thread's own.
  RK_SHARED void order_by_thread(uint32_t mine);

  // Sends the records of a batch, and that `done` messages are finished.
  RK_HD void send(uint32_t done) {
    if (f_.from_k2k != 0 || f_.k2k.out_count > 0) send_k2k();
    send_to_host(done);
    if (first() && f_.from_k2k != 0 && done > 0) finish_k2k(done);
  }
  // What stays on the device goes to its rings, and out of what is sent to the host.
  RK_HD void send_k2k() {
    if (first()) f_.k2k.begin_batch();
    RK_ROLLED for (;;) {
      if (first()) {
        RK_ROLLED while ((s_.more = fill_copies()) == kK2kUnrouted) route_copy();
      }
      side_.thread.sync();
      const uint32_t n = s_.more;
      write_copies(n);
      side_.thread.sync();
      if (n < kK2kCopies) break;
    }
    if (first()) publish_copies();
    side_.thread.sync();
  }
  RK_SHARED uint32_t fill_copies();
  RK_SHARED void route_copy();
  RK_SHARED void write_copies(uint32_t n) const;
  RK_SHARED void publish_copies();
  RK_SHARED void send_to_host(uint32_t done);
  // A batch from the device is sent: its slots are free, and it is counted.
  RK_SHARED void finish_k2k(uint32_t done);
  RK_SHARED void tell_latency();

 private:
  RK_HD K2kSender sender() const;
  RK_HD DeviceRecord* record_at(uint32_t slot) const {
    return reinterpret_cast<DeviceRecord*>(f_.outbox + static_cast<uint64_t>(slot) * f_.out.stride);
  }
  RK_HD void look_for_life();
  RK_HD void read_k2k_table();
  RK_HD void find_cluster_rings();
  RK_HD bool leaves(bool worked);
  RK_HD bool is_ready(uint32_t i) const;
  RK_HD static uint32_t leading_lanes(bool mine, uint32_t warp);
  RK_HD void write_header(DeviceRecord* record, const MessageHeader& h, uint32_t index);
  RK_HD void refuse_one(const MessageHeader& h, uint32_t index, Reason reason);
  RK_HD void record_latencies(uint32_t n);

  // Batches from kernels on the device between two looks across the bus.
  static constexpr uint32_t kInARow = 8;
#if RK_ON_DEVICE
  static constexpr uint32_t kLanes = 32;
#else
  static constexpr uint32_t kLanes = 1;
#endif

 protected:
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
  uint32_t spent_ = 0;         // of a launch's batch
  uint32_t calls_ = 0;         // of the handler, since the last records were sent
  uint32_t batches_ = 0;       // from kernels on the device, in a row
  uint64_t latencies_of_ = 0;  // invocations of which the host knows the latencies
  uint64_t idle_looks_ = 0;
};

RK_HD void ResidentLink::count_ready() {
  const uint32_t width = min_of(f_.window, side_.thread.size());
  // One load per thread, all on the bus at once; a whole warp sees 32 slots for the price of one.
  const uint32_t warp = side_.thread.rank() / kLanes;
  uint32_t leading = 0;
  if (warp * kLanes < width) {
    const bool mine = side_.thread.rank() < width && is_ready(side_.thread.rank());
    leading = leading_lanes(mine, warp);
  }
  if (side_.thread.rank() % kLanes == 0 && warp < 32) s_.ready[warp] = leading;
  side_.thread.sync();
  if (!first()) return;
  uint32_t n = 0;
  RK_ROLLED for (uint32_t w = 0; w * kLanes < width && w < 32; ++w) {
    n += s_.ready[w];
    if (s_.ready[w] < kLanes) break;
  }
  // A block of few threads looks further one by one.
  if (n == width) {
    RK_ROLLED while (n < f_.window && is_ready(n)) { ++n; }
  }
  s_.total = n;
}

RK_HD bool ResidentLink::is_ready(uint32_t i) const {
  const uint64_t position = f_.in_head + i;
  return load_acquire<Scope::System>(&f_.in.slot(position)->turn) == 2 * f_.in.lap(position) + 1;
}

// How many lanes of the warp, from its first on, say yes. REQUIRES: all its threads call this.
RK_HD uint32_t ResidentLink::leading_lanes(bool mine, [[maybe_unused]] uint32_t warp) {
#if RK_ON_DEVICE
  const uint32_t here = min_of(32U, blockDim.x - warp * 32);
  const uint32_t members = here == 32 ? 0xFFFFFFFFU : (1U << here) - 1;
  const uint32_t no = ~__ballot_sync(members, mine);
  return no == 0 ? 32U : static_cast<uint32_t>(__ffs(static_cast<int>(no))) - 1;
#else
  return mine ? 1 : 0;
#endif
}

}  // namespace ringkernel

#if !defined(RK_LINKED)
#include "ringkernel/device/resident_link_code.hpp"
#endif
