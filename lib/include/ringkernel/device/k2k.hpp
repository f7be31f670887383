// Wires between kernels of one device: the rings lie in its memory, and what goes over them never
// crosses the bus. The host lays them out and says which there are; the blocks at both ends tell
// it, in mapped counters, how many messages were offered and delivered.
#pragma once

#include "ringkernel/device/device_record.hpp"
#include "ringkernel/device/outbox.hpp"
#include "ringkernel/device/spmc_ring.hpp"

namespace ringkernel {

inline constexpr uint32_t kMostK2kEdges = 64;     // of a block, in each direction
inline constexpr uint32_t kMostK2kOfPort = 16;    // a bit each in a record
inline constexpr uint32_t kK2kCopies = 256;       // written to rings at a time
inline constexpr uint32_t kK2kUnrouted = ~0U;     // in place of their number
inline constexpr uint32_t kK2kIdLease = 1 << 26;  // message ids that a block is given at a time

enum class K2kState : uint32_t {
  Open,
  Closed,  // the receiver has terminated: the host makes dead letters of what is for it
  Removed  // another wire has taken its place
};

// What the host says about a block's wires. Mapped; writer: the host, which then moves
// ControlBlock::k2k_generation on.
struct alignas(RK_CACHE_LINE) K2kTable {
  uint64_t host_ports;  // a bit per port: it has wires that do not lie on the device
  uint64_t next_ids;    // the first of the next kK2kIdLease message ids
  uint32_t leases;      // how many such ranges were given, this one included
  uint32_t outs;
  uint32_t ins;
  uint32_t out_states[kMostK2kEdges];  // K2kState
};

// The rings of a wire lie side by side, receiver-major, then by sender, then by priority level.
RK_HD Ring nth_ring(Ring first, uint64_t n) {
  first.control += n;
  first.slots += n * first.capacity * first.stride;
  return first;
}

// Blocks of one cluster, joined by their kernel's wire to itself: the rings between them lie in the
// shared memory of the one that receives, by sender, behind a doorbell of their own. What reaches
// them has the cluster's scope. Such a wire has one level and a receiver for each ring.
struct K2kCluster {
  uint32_t first = 0;   // of its blocks
  uint32_t blocks = 0;  // 0: the wire's rings all lie in the device's memory
  uint32_t offset = 0;  // of the doorbell, in the shared memory of each

  RK_HD bool has(uint32_t block) const { return block - first < blocks; }
};
RK_HD constexpr uint64_t cluster_bytes(uint32_t blocks, uint32_t capacity, uint32_t stride) {
  return blocks == 0 ? 0 : sizeof(Signal) + blocks * ring_bytes(capacity, stride);
}

// One ring, as its sending block sees it. A ring has one sender, whoever receives: so the room
// that a block sees before its handler is there when the handler has returned.
struct K2kLink {
  SpmcSender sender;           // where only one block takes from the ring, its SpscSender
  Signal* doorbell = nullptr;  // the receiving block's, or of an inbox; in device memory
  uint64_t bit = 0;
};

// A wire, as one of its sending blocks sees it. In device memory; writer, after launch: the block.
struct K2kOut {
  uint8_t port = 0;
  uint8_t of_port = 0;  // which of the port's wires on the device
  Route route = Route::RoundRobin;
  uint8_t in_cycle = 0;
  uint16_t message_type = 0;
  uint32_t payload_size = 0;
  uint32_t max = 1;      // of the port
  uint32_t targets = 0;  // receiving blocks, 1 for an inbox that they share
  uint32_t levels = 1;   // of priority: a ring each
  uint32_t shared = 0;   // 1: several blocks take from its rings
  uint32_t next = 0;
  uint32_t block_field_offset = 0;
  uint32_t block_field_size = 0;
  KeySpec key;
  K2kState state = K2kState::Open;
  K2kCluster cluster;                // of its targets
  K2kLink* links = nullptr;          // target-major, then priority levels
  SendCounters* counters = nullptr;  // mapped
  uint64_t offered = 0;
  uint64_t waited_us = 0;
  uint64_t waiting_since_us = 0;  // 0: it has room

  RK_HD uint32_t link_count() const { return targets * levels; }
  RK_HD uint32_t room(uint32_t link, uint32_t wanted) {
    SpmcSender& sender = links[link].sender;
    if (cluster.has(link)) return sender.SpscSender::room<Scope::Cluster>(wanted);
    return shared != 0 ? sender.room(wanted) : sender.SpscSender::room(wanted);
  }
};

// A wire, as one of its receiving blocks sees it; as above.
struct K2kIn {
  uint32_t edge = kNoEdge;
  uint32_t senders = 0;
  uint32_t levels = 1;
  uint32_t shared = 0;  // 1: other blocks take from its rings too
  uint32_t in_cycle = 0;
  uint32_t first_bit = 0;
  K2kCluster cluster;                   // of its senders
  SpmcReceiver* rings = nullptr;        // by sending block, then priority level
  ReceiveCounters* counters = nullptr;  // mapped
  uint64_t delivered = 0;
  uint64_t finished = 0;
  // Work stealing
  Ring first_ring;      // of all that the wire has
  SpmcReceiver stolen;  // that of a sibling, where the batch is its

  RK_HD uint32_t ring_count() const { return senders * levels; }
  RK_HD uint32_t level(uint32_t ring) const { return levels == 1 ? 0 : ring % levels; }
};

// How a block helps its siblings: see SchedulerConfig.
struct K2kStealing {
  uint32_t steal_threshold = 0;  // 0: it does not
  uint32_t share_threshold = 0;
  uint32_t max_steal_batch = 0;
  uint32_t steal_neighborhood = 0;
  uint32_t index = 0;  // of the block
  uint32_t blocks = 1;

  // Kept by the block
  uint32_t next = 0;   // how far behind it the sibling is that was looked at last
  uint32_t stole = 0;  // 1: the last batch was a sibling's
  uint64_t stolen = 0;
};

// One copy of a record, to be written to a ring.
struct K2kCopy {
  MessageHeader* slot;
  const DeviceRecord* record;
  const MessageHeader* parent;  // null: made by on_start, on_poll or on_stop
  const K2kOut* out;
  uint64_t answers;  // 1: it carries the duty to answer
};

// What a block's frame has for its wires on the device; all null where it can have none.
struct K2kFrame {
  K2kTable* table = nullptr;          // mapped
  BlockCounters* counters = nullptr;  // mapped: of messages that only the device has seen
  int64_t* credits = nullptr;         // mapped: what the block has given back of its cycle's
  K2kOut** outs = nullptr;            // kMostK2kEdges pointers each, in device memory
  K2kIn** ins = nullptr;
  Signal* doorbell = nullptr;
  uint32_t shares_doorbell = 0;  // 1: its siblings have the same, for an inbox that they share
  Signal* cluster_doorbell = nullptr;  // in shared memory; null: there is none
  K2kStealing stealing;
  LatencyHistogram latency{};  // copied to `counters` now and then
  K2kCopy* copies = nullptr;   // kK2kCopies

  uint32_t largest_payload = 0;  // of what the block emits
  uint32_t cluster_offset = 0;   // in shared memory: what is kept for rings between the blocks of
  uint32_t cluster_bytes = 0;    // a cluster; 0: the kernel is not launched in clusters

  // Kept by the block: what the table says
  uint32_t generation = 0;
  uint32_t out_count = 0;
  uint32_t in_count = 0;
  uint64_t inner_ports = 0;  // a bit per port: nothing that is emitted there is for the host
  // ... and where it is
  uint64_t pending = 0;  // ring bits of the doorbell that were not yet found empty
  uint32_t at_in = 0;    // the ring of the batch in hand, and where the next look begins
  uint32_t at_ring = 0;
  uint32_t leases = 0;
  uint32_t paused = 0;       // 1: the message that visits the keys is counted as delivered
  uint32_t next_record = 0;  // of the batch that is being sent, K2kSender::fill()
  uint32_t kept_records = 0;
  uint32_t next_out = 0;
  uint32_t next_target = 0;
  uint32_t routed = 0;  // 1: next_target is where the next copy goes
  uint32_t filled = 0;  // copies that wait to be written
  uint64_t created = 0;
  uint64_t handled = 0;
  uint64_t invocations = 0;
  int64_t credits_back = 0;

  RK_HD void begin_batch() {
    next_record = kept_records = next_out = next_target = routed = filled = 0;
  }
};

RK_HD uint8_t priority_of(const DeviceRecord& record, const MessageHeader* parent) {
  if (record.priority != kPriorityOfMessage) return record.priority;
  return parent != nullptr ? parent->priority : Emission{}.priority;
}

// What a record asks for, beside what its message hands on. `answers`: the duty to answer, too.
RK_HD Emission emission_of(const DeviceRecord& record, const MessageHeader* parent, bool answers) {
  Emission emission;
  if (parent != nullptr) {
    emission.deadline = parent->deadline;
    emission.root = parent->root;
    if (answers) {
      emission.hops = static_cast<uint8_t>(parent->hops + 1);
      emission.correlation_id = parent->correlation_id;
      emission.reply_to = parent->reply_to;
    }
  }
  emission.priority = priority_of(record, parent);
  if (record.deadline != 0) emission.deadline = record.deadline;
  return emission;
}

}  // namespace ringkernel
