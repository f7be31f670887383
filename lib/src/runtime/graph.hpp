// The engine's inside: nodes with their blocks, edges with their rings. Changed under the engine's
// mutex; what a block's step touches is changed only while that block is owned.
#pragma once

#include <atomic>
#include <chrono>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "backends/backend.hpp"
#include "core/arena.hpp"
#include "core/message_ids.hpp"
#include "runtime/buffer_transfer.hpp"
#include "runtime/engine.hpp"
#include "runtime/request_table.hpp"

namespace ringkernel::runtime {

using backends::BlockOwner;

// Between two looks of a thread that waits for blocks.
inline constexpr auto kPoll = std::chrono::microseconds(200);

// Messages of a batch for an edge that stages them.
inline constexpr uint32_t kBatch = 64;

class HostSender;
class HostReceiver;

// What a block's frame points at. The vectors are rebuilt only while the block is owned.
struct BlockParts {
  explicit BlockParts(size_t ports) : out_ports(ports), port_edges(ports) {}

  BlockOwner owner;
  std::vector<InRing> in;
  std::vector<InRing> steal;
  std::vector<OutPort> out_ports;
  std::vector<std::vector<OutEdge>> port_edges;
  // In lists, whose addresses stay and which take no memory while they are empty.
  std::list<std::vector<Link>> links;  // of each edge
  Link dead;
  Block* dead_sender = nullptr;
  std::vector<Undo> undo;
  std::vector<Block*> siblings;
  std::vector<uint16_t> accept_types;
  std::vector<uint32_t> accept_sizes;
  // Of wires on a device: closed edges for what comes after their end, and how many dead letters
  // they may make a step write.
  std::list<OutEdge> refusing;
  uint32_t remote_copies = 0;
  std::vector<std::byte> params;
  std::vector<std::byte> scratch;
  std::vector<std::byte> reply;
  std::vector<unsigned char> records;
  BlockCounters* counters = nullptr;
  const BlockCounters* device_counters = nullptr;  // what only the device has seen; null: nothing
  std::vector<std::pair<void*, size_t>> memory;    // from the arena; counters are read for ever
  std::vector<std::pair<void*, size_t>> state_memory;  // given back when the kernel has ended
  std::vector<std::byte*> guards;  // debug: what lies behind State, shared memory and scratch
  std::atomic<bool> stopped{false};
};

class alignas(64) GraphNode final : public Node, public backends::Stepper {
 public:
  const std::string& name() const override { return name_; }
  NodeKind kind() const override { return kind_; }
  uint32_t id() const override { return id_; }
  KernelState state() const override { return state_.load(); }
  const LaunchOptions& options() const override { return options_; }
  uint32_t blocks() const override { return static_cast<uint32_t>(parts_.size()); }
  KernelCounts counts() const override;
  std::chrono::nanoseconds uptime() const override;
  std::string last_error() const override;
  bool saves_buffers() const override { return transfer_.saves(); }

  std::optional<int> device() const override {
    return remote_ != nullptr ? std::optional<int>(remote_->device()) : std::nullopt;
  }

  // Its handler may be given messages.
  bool active() const {
    KernelState state = state_.load(std::memory_order_acquire);
    return state == KernelState::Active ||
           (state == KernelState::Terminating && draining_.load(std::memory_order_acquire));
  }
  void set_error(std::string error);
  std::vector<LatencyBucket> latency_buckets() const;
  std::vector<const BlockCounters*> all_counters() const;
  StepResult step(Block& block, uint32_t budget) override;
  StepResult step_on_device(Block& block, uint32_t budget);
  void look_after_step(Block& block);

  // What every step looks at stands together.
  std::atomic<KernelState> state_{KernelState::Created};
  std::atomic<bool> draining_{false};  // Terminating, and what was accepted is still handled
  std::atomic<bool> left_{false};      // nothing of it is to go to a device any more
  std::atomic<bool> k2k_{false};       // enable_k2k, or an edge from or to another kernel
  NodeKind kind_ = NodeKind::Kernel;
  bool debug_ = false;  // of the runtime
  uint32_t id_ = 0;
  const HandlerModule* module_ = nullptr;
  std::unique_ptr<backends::RemoteKernel> remote_;  // of a kernel on a device
  std::unique_ptr<HostStep> host_step_;

  std::string name_;
  LaunchOptions options_;
  std::vector<MessageInfo> types_;  // of an input
  std::vector<std::unique_ptr<BlockParts>> parts_;
  BufferTransfer transfer_;
  std::vector<void*> buffers_;  // on the CPU, in the module's order
  std::vector<std::pair<void*, size_t>> buffer_memory_;
  std::unique_ptr<uint64_t> keys_ = std::make_unique<uint64_t>(0);
  uint64_t launched_ns_ = 0;
  std::atomic<uint64_t> ended_ns_{0};
  bool host_queues_ = false;
  mutable std::mutex error_mutex_;
  std::string error_;
  std::shared_ptr<HostSender> sender_;         // made with the first message from the host
  std::atomic<HostSender*> sending_{nullptr};  // the same, for who only sends
  std::shared_ptr<HostReceiver> receiver_;     // of a library kernel with unconnected ports
  EngineImpl* engine_ = nullptr;
};

class GraphEdge final : public Edge {
 public:
  const std::string& id() const override { return id_; }
  uint32_t number() const override { return number_; }
  Node& from() const override { return *from_; }
  Node& to() const override { return *to_; }
  EdgeCounts counts() const override;

  std::string id_;
  uint32_t number_ = 0;
  GraphNode* from_ = nullptr;
  GraphNode* to_ = nullptr;
  uint32_t port_ = 0;
  uint32_t payload_size_ = 0;
  std::vector<Ring> rings_;  // receiver-major, then sender, then level; one per receiver where Mpmc
  RingKind kind_ = RingKind::Spsc;
  std::vector<SendCounters*> sent_;
  std::vector<ReceiveCounters*> received_;
  std::list<std::vector<Block*>> block_lists_;  // what Link::receivers and InRing::senders point at
  std::unique_ptr<KeySpec[]> keys_;
  std::unique_ptr<backends::RemoteEdge> remote_;  // it lies on a device, and has no rings here
  std::vector<std::pair<void*, size_t>> memory_;
  uint64_t capacity_ = 0;  // messages that may wait; the rings may have slots to spare
  std::atomic<bool> closed_{false};
};

class EngineImpl {
 public:
  explicit EngineImpl(const EngineOptions& options);
  ~EngineImpl();

  // Allocates from the arena on behalf of an edge or a block.
  Result<void*> allocate(size_t bytes, std::vector<std::pair<void*, size_t>>& into,
                         Arena::Use use = Arena::Use::Soon);
  // Where an edge's messages wait to be flushed: `capacity` slots of `stride` bytes.
  Result<void> attach_staging(OutEdge& edge, uint32_t capacity, uint32_t stride,
                              std::vector<std::pair<void*, size_t>>& into);
  template <class T>
  Result<T*> allocate_one(std::vector<std::pair<void*, size_t>>& into) {
    auto memory = allocate(sizeof(T), into);
    if (!memory) return tl::unexpected(memory.error());
    return static_cast<T*>(*memory);
  }
  void give_back(std::vector<std::pair<void*, size_t>>& memory);

  Result<GraphNode*> add_node(std::string name, NodeKind kind, uint32_t blocks, size_t ports,
                              const LaunchOptions& options);
  Result<void> lay_out_state(GraphNode& node, const KernelSpec& spec);
  Result<void> lay_out_keys(GraphNode& node, BlockParts& parts, const KernelSpec& spec);
  Result<void> lay_out_buffers(GraphNode& node);
  Result<void> put_on_device(GraphNode& node, const KernelSpec& spec);
  // REQUIRES: steps have ended for good, and nothing of the kernel is on a device.
  Result<void> save_buffers(GraphNode& node);
  // The kernel's device is lost: what waits for it becomes dead letters.
  void kernel_failed(GraphNode& node, const Error& error);
  uint64_t bury_backlog(GraphNode& node, Reason reason);
  uint64_t bury_on_device(GraphNode& node, Reason reason);
  // Debug: marks what lies behind memory that a handler writes to.
  void guard(BlockParts& parts, void* memory, size_t size) const;
  Result<void> attach_dead_letters(GraphNode& node);
  Result<GraphEdge*> connect(const EdgeSpec& spec);
  void attach_on_device(GraphEdge& edge, uint32_t copies);

  // The sending end for host threads, made on first use.
  // It lives as long as the engine.
  Result<HostSender*> sender_to(GraphNode& node);
  // One queue to the host for a library kernel's unconnected ports, made when it can first have
  // something to say: with a way for messages into it, or a hook. Idempotent.
  Result<void> attach_receiver(GraphNode& node);
  // Attached now where it is not yet. QueueEmpty: there are no ports; Closed: the kernel has ended
  // and has said nothing.
  Result<std::shared_ptr<HostReceiver>> receiver_of(GraphNode& node);
  GraphNode* host();
  // The port is wired elsewhere now: nothing more of it goes to the host. Fails where messages of
  // it still wait for a receive().
  Result<void> may_detach_receiver(GraphNode& node, uint32_t port);
  Result<void> detach_receiver(GraphNode& node, uint32_t port);
  // A kernel that could not be launched, or has ended: its name is free.
  void forget(GraphNode& node);

  // Names for people
  void describe(const DeadLetter& letter, const MessageHeader& header, std::string& kernel,
                std::string& edge, std::string& type, uint64_t& fingerprint) const;
  void describe_type(uint16_t type, std::string& name, uint64_t& fingerprint) const;
  uint64_t memory_of(const GraphNode& node) const;

  // Runs f while the block is owned; returns when it has run. A step follows, unless f leaves the
  // block with nothing more to do than it had.
  enum class Then : uint8_t { Step, Rest };
  void run_on(BlockOwner& owner, std::function<void(Block&)> f, Then then = Then::Step);
  void ring(BlockOwner& owner, uint64_t bits = kRoom);
  // Brings the frame's pointers and scratch sizes in line with its parts.
  void rebuild(BlockParts& parts);
  // A further in-ring of the block, as yet empty: rebuild() looks at all, and there may be
  // thousands.
  void append(BlockParts& parts, const InRing& in);

  uint16_t type_id(const MessageInfo& message);

  EngineOptions options_;
  Arena arena_;
  MessageIds ids_;
  std::unique_ptr<backends::Backend> backend_;
  HostServices services_;
  RequestTable requests_;
  std::function<void(std::string_view, int, std::string_view, double)> log_;
  std::function<void(Node&, const Error&)> on_failure_;
  std::mutex failures_mutex_;
  std::vector<std::thread> failures_;  // each cleans up after a kernel that has failed

  // Who changes the graph holds `change_`, also while it waits for a block; who changes or reads
  // the lists below holds `mutex_`, for a moment only: workers do, to name what they report.
  std::recursive_mutex change_;
  mutable std::recursive_mutex mutex_;
  std::atomic<bool> started_{false};
  std::vector<std::unique_ptr<GraphNode>> nodes_;
  size_t blocks_added_ = 0;  // of all nodes, the ended ones too
  std::vector<std::unique_ptr<GraphEdge>> edges_;
  std::unordered_map<std::string, GraphNode*> by_name_;
  std::unordered_map<uint64_t, uint16_t> types_;
  std::vector<MessageInfo> type_infos_;
  GraphNode* dead_letters_ = nullptr;
  GraphNode* host_ = nullptr;
  std::vector<std::unique_ptr<CreditPool>> pools_;
  std::list<std::vector<Block*>> pool_waiters_;
  std::atomic<uint64_t> total_launched_{0};

  // Messages of host threads, which are no blocks.
  std::atomic<uint64_t> host_created_{0};
  std::atomic<uint64_t> host_finished_{0};
};

uint32_t round_up_to_power_of_two(uint64_t n);

}  // namespace ringkernel::runtime
