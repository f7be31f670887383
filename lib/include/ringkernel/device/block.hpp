// A block: one replica of a kernel, the unit that runs. This is its frame, plain data laid out by
// the backend before launch: where its messages come from, where they go, its state and counters.
// Whoever holds the block's signal (a worker, a GPU's block) owns everything in it.
#pragma once

#include "ringkernel/device/clock.hpp"
#include "ringkernel/device/counters.hpp"
#include "ringkernel/device/key_table.hpp"
#include "ringkernel/device/mpmc_ring.hpp"
#include "ringkernel/device/spsc_ring.hpp"

namespace ringkernel {

struct Block;

// Why a message was not handled. The names in dead letters: reason_name().
enum class Reason : uint16_t {
  None,
  Failed,       // the handler called fail()
  Threw,        // the handler threw
  MaxExceeded,  // the handler emitted more than its port's max
  KeysFull,     // a further key than key_capacity
  DeadlinePassed,
  QueueFull,  // on_full: dead_letter or fail
  ReceiverTerminated,
  ReceiverDeactivated,
  DrainTimeout,
  MaxHopsExceeded,
  LateReply,  // the request was complete already
  KernelFailed,
  DeviceLost,
  Count
};

RK_HD const char* reason_name(Reason reason) {
  switch (reason) {
    case Reason::None:
      return "none";
    case Reason::Failed:
      return "failed";
    case Reason::Threw:
      return "threw";
    case Reason::MaxExceeded:
      return "max_exceeded";
    case Reason::KeysFull:
      return "keys_full";
    case Reason::DeadlinePassed:
      return "deadline_passed";
    case Reason::QueueFull:
      return "queue_full";
    case Reason::ReceiverTerminated:
      return "receiver_terminated";
    case Reason::ReceiverDeactivated:
      return "receiver_deactivated";
    case Reason::DrainTimeout:
      return "drain_timeout";
    case Reason::MaxHopsExceeded:
      return "max_hops_exceeded";
    case Reason::LateReply:
      return "late_reply";
    case Reason::KernelFailed:
      return "kernel_failed";
    case Reason::DeviceLost:
      return "device_lost";
    case Reason::Count:
      break;
  }
  return "unknown";
}

// A dead letter's slot: MessageHeader, DeadLetter, payload.
struct DeadLetter {
  uint64_t time_us;  // microseconds since 1970
  uint32_t kernel;   // id of the kernel that could not handle it; 0: none
  uint32_t edge;     // id of the edge it came over or could not be put on; kNoEdge: none
  uint32_t payload_size;
  Reason reason;
  uint16_t reserved;
  char detail[104];  // NUL-terminated
};
static_assert(sizeof(DeadLetter) == 128);
inline constexpr uint32_t kNoEdge = 0xFFFFFFFFU;

// A block's doorbell. Bit 63 says that the block is in a run queue or running, bit 62 that there
// may be room again where it waited; the others name in-rings that have something new. Beside it is
// what only who found the block idle may touch.
inline constexpr uint64_t kScheduled = uint64_t{1} << 63;
inline constexpr uint64_t kRoom = uint64_t{1} << 62;
struct alignas(RK_CACHE_LINE) Signal {
  uint64_t word = 0;
  Block* next_woken = nullptr;  // in the list of blocks that a step has woken
  void* owner = nullptr;        // the backend's own structure around the block
};
RK_HD uint64_t ring_bit(uint32_t in_ring) { return uint64_t{1} << (in_ring % 62); }

// Rings the doorbell. True: the block was idle, and the caller must put it in a run queue.
RK_FAST bool raise(Signal& signal, uint64_t bits) {
  return (fetch_or(&signal.word, bits | kScheduled) & kScheduled) == 0;
}

enum class RingKind : uint8_t { Spsc, Mpmc };
enum class OnFull : uint8_t { Wait, DropNewest, DropOldest, DeadLetter, Fail };
enum class Route : uint8_t { RoundRobin, Key, All, BlockField };

// Credits of a cycle: how many more messages may enter it.
struct CreditPool {
  alignas(RK_CACHE_LINE) uint64_t available = 0;
  alignas(RK_CACHE_LINE) uint32_t want = 0;  // 1: a block waits for a credit
  Block** waiters = nullptr;                 // blocks that take messages from outside the cycle
  uint32_t waiter_count = 0;
};

// The receiving end of one ring. What a batch of an Spsc ring looks at are the first 64 bytes.
struct alignas(64) InRing {
  RingKind kind = RingKind::Spsc;
  bool in_cycle = false;      // its messages hold a credit of the kernel's cycle
  uint8_t level = 0;          // priority level; higher is taken first
  uint16_t accept = kByType;  // index into the handler's accepted types, or kByType
  SpscReceiver spsc;          // kind Spsc
  ReceiveCounters* counters = nullptr;

  Block** senders = nullptr;  // who may wait for room
  uint32_t sender_count = 0;
  uint32_t edge = kNoEdge;
  uint64_t bit = 0;          // ring_bit()
  MpmcRing mpmc;             // kind Mpmc
  uint64_t taken_first = 0;  // kind Mpmc: claimed and not yet handled
  uint32_t taken = 0;

  static constexpr uint16_t kByType = 0xFFFF;
  RK_HD const Ring& ring() const { return kind == RingKind::Spsc ? spsc.ring : mpmc.ring; }
};

struct OutEdge;

// The sending end of one ring: from this block to one receiving block, at one priority level; or
// to an inbox that several blocks share. What a batch looks at are the first 128 bytes.
struct alignas(64) Link {
  SpscSender spsc;
  Block* receiver = nullptr;  // null: several share the inbox

  uint64_t bit = 0;                  // InRing::bit at the receivers
  SendCounters* counters = nullptr;  // kind Spsc: of the edge; null: dead letters
  Link* next_touched = nullptr;
  Link* next_checked = nullptr;
  OutEdge* edge = nullptr;   // where it is checked for room; null: the dead letters
  uint32_t per_message = 0;  // slots that one message may take
  bool touched = false;

  MpmcRing mpmc;
  Block** receivers = nullptr;  // all that share the inbox
  uint32_t receiver_count = 0;
  uint32_t next_receiver = 0;
};

// An edge as one sending block sees it.
struct OutEdge {
  RingKind kind = RingKind::Spsc;  // Mpmc: messages wait in `staging` until the batch is flushed
  OnFull on_full = OnFull::Wait;
  Route route = Route::RoundRobin;
  bool in_cycle = false;
  bool closed = false;  // the receiver has terminated
  uint8_t levels = 1;
  uint32_t edge = kNoEdge;
  Link* links = nullptr;            // receiver-major, then priority levels
  uint32_t targets = 0;             // receiving blocks, 1 for a shared inbox
  uint32_t next = 0;                // round robin
  KeySpec* key = nullptr;           // Route::Key
  uint32_t block_field_offset = 0;  // Route::BlockField: an unsigned integer
  uint32_t block_field_size = 0;
  uint32_t limit = 0;  // OnFull::DropOldest: most messages that wait; the ring has slots to spare
  // Staged messages, oldest first: slots of `stride` bytes and the link each goes to.
  unsigned char* staging = nullptr;
  uint32_t* staged_link = nullptr;
  uint32_t staging_capacity = 0;
  uint32_t staging_stride = 0;
  uint32_t staged = 0;
  uint32_t flushed = 0;
  SendCounters* counters = nullptr;

  RK_HD MessageHeader* staged_slot(uint32_t i) const {
    return reinterpret_cast<MessageHeader*>(staging + static_cast<uint64_t>(i) * staging_stride);
  }
};

struct OutPort {
  OutEdge* edges = nullptr;
  Link* direct = nullptr;  // the only link of the only edge, an Spsc ring that waits: the fast path
  uint32_t edge_count = 0;
  uint32_t max = 1;  // most emits per handled message
  uint16_t message_type = 0;
  uint32_t payload_size = 0;
};

// What a handler did and may still be taken back: one entry per copy.
struct Undo {
  enum class Kind : uint8_t { Sent, Staged, Dropped, Failed, DeadLetter };
  Kind kind;
  OutEdge* edge;
  Link* link;
};

enum class Completion : uint8_t { Reply, Failed, NoReply };

// What a block's host offers its handlers: the CPU's workers directly, a GPU's through rings (then
// the pointers are null and the device's code goes another way).
struct HostServices {
  void* context = nullptr;
  uint64_t (*now_us)(void* context) = nullptr;  // wall clock, microseconds since 1970
  uint64_t (*lease_ids)(void* context, uint32_t n) = nullptr;  // first of n fresh message ids
  // Ends the obligation of a request; false: it was complete already. `type` is the payload's
  // message type.
  bool (*complete)(void* context, const MessageHeader* request, Completion how, Reason reason,
                   const char* detail, uint16_t type, const void* payload, uint32_t size) = nullptr;
  void (*log)(void* context, const Block* block, int level, const char* text,
              double value) = nullptr;
  // A message or one of on_start, on_poll, on_stop failed.
  void (*failed)(void* context, const Block* block, Reason reason, const char* detail) = nullptr;
  void (*run_team)(Block* block, void (*body)(void* argument, uint32_t rank),
                   void* argument) = nullptr;
  void (*sync_team)(Block* block, uint32_t rank) = nullptr;
  // A message was handled, or its handler failed; where the block's profile says kProfileHandled.
  void (*handled)(void* context, const MessageHeader* message) = nullptr;
};

// What is taken of each message, at a price: bits of Block::profile.
inline constexpr uint8_t kProfileLatency = 1;  // its latency, in place of its batch's
inline constexpr uint8_t kProfileHandled = 2;  // HostServices::handled

// In the order of use: what every step looks at stands together, as few lines as it takes.
struct Block {
  Signal signal;

  // What a step takes, where from, and when
  InRing* in = nullptr;
  uint64_t pending = 0;  // ring bits taken from the signal and not yet found empty
  uint32_t in_count = 0;
  uint32_t next_in = 0;
  bool leveled = false;  // in-rings differ in priority level
  bool steals = false;   // steal_threshold is not 0
  uint8_t profile = 0;
  bool stages = false;  // some edge is of kind Mpmc
  bool staged = false;  // an Mpmc edge may hold staged messages
  // Lifecycle, driven by the owner between steps
  bool started = false;
  bool polling = false;   // on_poll has more
  bool stopping = false;  // run on_stop when the in-rings are empty
  bool stopped = false;
  bool visiting = false;     // the front message of a ring is in the middle of a visit of every key
  bool looked = false;       // the last thing that the step did was a look at core_ticks()
  uint32_t kernel = 0;       // kernel id, from 1
  uint64_t now_us = 0;       // the owner sets it before each step, a batch brings it up to date
  uint64_t fresh_until = 0;  // the owner: core_ticks() up to which it is as good as new
  uint64_t hlc = 0;

  // What it counts and where it sends
  BlockCounters* counters = nullptr;
  uint64_t created = 0;  // the counters of these names, before they are published
  uint64_t finished = 0;
  OutPort* ports = nullptr;  // the handler's ports, then the reply port
  Link* checked = nullptr;   // links of open edges that wait, and of the dead letters
  Link* touched = nullptr;   // links with unpublished messages
  Link* last_touched = nullptr;
  CreditPool* credits = nullptr;

  Block* woken = nullptr;  // receivers to put in a run queue after the step, the first one first
  Block* last_woken = nullptr;
  uint64_t next_id = 0;
  uint64_t end_id = 0;
  void* state = nullptr;                   // without a key
  const MessageHeader* in_hand = nullptr;  // read by the crash handler
  const HostServices* host = nullptr;
  OutEdge* blocked_on = nullptr;  // the edge that had no room when the last step ended

  const void* params = nullptr;
  uint64_t credits_back = 0;   // to be returned at the next flush
  uint32_t cycle_max = 0;      // most copies a handled message puts on the cycle
  uint32_t cycle_emitted = 0;  // by the message in hand
  uint32_t steal_threshold = 0;
  uint32_t sibling_count = 0;
  Undo* undo = nullptr;
  uint32_t undo_count = 0;
  uint32_t port_count = 0;
  Link* dead = nullptr;     // ring of dead letters
  uint32_t dead_max = 1;    // most dead letters one message can make
  uint32_t key_cursor = 0;  // where a message or stop that visits every key goes on
  uint32_t visited_in = 0;  // the in-ring of the message that visits them

  // Handler
  KeyTable keys;
  const uint16_t* accept_types = nullptr;  // message type ids, by accept index
  const uint32_t* accept_sizes = nullptr;  // payload bytes, by accept index
  const KeySpec* accept_keys = nullptr;    // by accept index; size 0: no key
  uint32_t accept_count = 0;
  uint32_t index = 0;  // which block of the kernel
  uint32_t blocks = 1;
  uint32_t threads = 1;
  void* const* buffers = nullptr;  // of the whole kernel, in the module's order
  void* shared = nullptr;          // shared_size bytes
  void* scratch = nullptr;         // Context::begin(): room for the largest payload, per thread
  uint32_t shared_size = 0;
  uint32_t scratch_size = 0;  // where each handles its own message
  void* reply_buffer = nullptr;
  unsigned char* records =
      nullptr;                // granularity thread with several threads: what each rank emits
  uint32_t record_bytes = 0;  // per rank

  // Work stealing: the siblings' inboxes, as this block receives from them.
  uint32_t steal_count = 0;
  InRing* steal = nullptr;
  uint32_t next_steal = 0;
  uint32_t next_sibling = 0;
  Block** siblings = nullptr;  // whom to wake when the own inbox is past share_threshold
  uint32_t share_threshold = 0;
  uint32_t max_steal_batch = 0;
  uint32_t steal_neighborhood = 0;

  uint64_t blocked_since_us = 0;
};

enum class StepStatus : uint8_t {
  Idle,     // nothing to do until the signal is raised
  More,     // the budget is used up
  Blocked,  // an out-edge, the dead letters or the credits have no room; a wake-up is arranged
};

struct StepResult {
  StepStatus status = StepStatus::Idle;
  uint32_t handled = 0;
};

}  // namespace ringkernel
