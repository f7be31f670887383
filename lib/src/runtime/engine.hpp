// The engine: kernels, inputs and outputs as nodes of a graph, the edges between them, and the
// workers that run their blocks. Runtime (the public API) and the launcher both stand on it.
//
// Threads: every public function may be called from any thread that is no worker. Functions that
// change the graph serialise on one mutex; the message path takes none.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringkernel/device/module.hpp"
#include "ringkernel/error.hpp"
#include "ringkernel/kernel_buffers.hpp"
#include "ringkernel/kernel_state.hpp"
#include "ringkernel/launch_options.hpp"
#include "ringkernel/metrics.hpp"

namespace ringkernel::runtime {

class Node;
class Edge;
class RequestTable;
class EngineImpl;

struct EngineOptions {
  uint32_t workers = 0;           // 0: the cores this process may use
  bool debug = false;             // looks after each step whether the handler wrote past its memory
  bool profiling = false;         // takes the latency of each message, not of each batch
  void (*on_thread)() = nullptr;  // called first on every worker
  // Called on a worker with the header of each message that a kernel on the CPU has handled or
  // failed to.
  void (*on_handled)(void* context, const MessageHeader& message) = nullptr;
  void* handled_context = nullptr;
};

// A kernel to add. `module` outlives the engine.
struct KernelSpec {
  std::string name;
  const HandlerModule* module = nullptr;
  LaunchOptions options;
  std::vector<std::byte> params;  // module->params_size bytes; empty: zeroed
  KernelBuffers buffers;
  uint64_t key_capacity = 65536;  // keys of the whole kernel
  bool host_queues =
      false;  // a library kernel: send() from the host, unconnected ports to receive()
  // Where it runs: a GPU's ordinal, with the handler compiled for it; none: the CPU.
  std::optional<int> device;
  std::string device_image;
};

// The step of an input or output, run by a worker that owns the block: no two calls at once.
class HostStep {
 public:
  virtual ~HostStep() = default;
  // Does a bounded piece of work (about 50 us) and says what it waits for. Idle: call again when
  // the block is rung (a ring has messages, or wake()). Blocked: an out-edge is full; the engine
  // has arranged the wake-up. More: call again soon.
  virtual StepStatus step(Block& block) = 0;
};

struct EdgeSpec {
  Node* from = nullptr;
  uint32_t port = 0;  // index into the module's ports; port_count: the reply port; 0 for inputs
  Node* to = nullptr;
  std::string id;  // "from[.port]:to"
  OnFull on_full = OnFull::Wait;
  std::optional<Route> route;  // none: by key where the receiver is keyed, else round robin
  struct BlockField {
    uint64_t type = 0;  // fingerprint
    uint32_t offset = 0;
    uint32_t size = 0;
  };
  std::vector<BlockField> block_fields;  // Route::BlockField: one for each type that travels
};

// Counters of one edge at one moment; depth is read from the rings, not computed.
struct EdgeCounts {
  uint64_t offered = 0;
  uint64_t delivered = 0;
  uint64_t dropped = 0;
  uint64_t failed = 0;
  uint64_t depth = 0;
  uint64_t capacity = 0;
  double waited_s = 0;
};

struct Latency {
  uint64_t count = 0, p50_us = 0, p99_us = 0, p999_us = 0, min_us = 0, max_us = 0, total_us = 0;
};

struct KernelCounts {
  uint64_t delivered = 0;
  uint64_t handled = 0;
  uint64_t failed = 0;
  uint64_t in_hand = 0;
  uint64_t emitted = 0;
  uint64_t unasked = 0;
  uint64_t invocations = 0;
  uint64_t stolen = 0;
  uint64_t failed_hooks = 0;
  uint64_t keys = 0;
  uint64_t busy_ns = 0;  // how long the longest turn that is going on has taken so far
  uint64_t bytes_to_device = 0, bytes_from_device = 0, device_memory = 0, bytes_polled = 0;
  Latency latency;
};

// What became of a request. `payload` is valid during the callback only.
struct RequestResult {
  enum class Outcome : uint8_t { Replied, Failed, NoReply, TimedOut } outcome;
  Reason reason = Reason::None;
  std::string detail;
  uint16_t type = 0;  // of the payload
  std::span<const std::byte> payload;
};

// Of all kernels and edges.
struct Tally {
  uint64_t handled = 0;
  uint64_t failed = 0;
};

struct RequestCounts {
  uint64_t sent = 0, replied = 0, failed = 0, no_reply = 0, timed_out = 0, pending = 0, late = 0;
};

class Engine {
 public:
  static Result<std::unique_ptr<Engine>> create(const EngineOptions& options);
  ~Engine();  // stops the workers; what is queued is lost unless drained before

  // --- building the graph; also while it runs
  // The id of a message type, the same for equal fingerprints.
  Result<uint16_t> register_message(const MessageInfo& message);
  Result<Node*> add_kernel(KernelSpec spec);
  // An input: emits messages of `types` (register_message ids with their sizes) by emit() below.
  Result<Node*> add_input(std::string name, std::vector<MessageInfo> types,
                          std::unique_ptr<HostStep> step);
  // An output: takes what its edges bring, by take() below. Up to `queue_capacity` messages wait
  // per edge.
  Result<Node*> add_output(std::string name, std::unique_ptr<HostStep> step,
                           size_t queue_capacity = 1024);
  Result<Edge*> connect(const EdgeSpec& spec);
  // Kernels whose edges among each other form a cycle that at most `credits` messages may be inside
  // of.
  Result<void> set_credits(const std::vector<Node*>& cycle, uint64_t credits);
  // Where dead letters go: an output-like step whose ring slots are {MessageHeader, DeadLetter,
  // payload}. To be set before the first kernel is added; default: counted and discarded.
  Result<Node*> set_dead_letters(std::unique_ptr<HostStep> step);
  // Called when a kernel has failed for good, on a thread of the engine; its state is Failed then.
  void set_on_failure(std::function<void(Node& kernel, const Error& error)> callback);
  void set_log(
      std::function<void(std::string_view kernel, int level, std::string_view text, double value)>
          log);

  Result<void> start();  // workers begin; kernels with auto_activate become Active

  // --- lifecycle of one kernel
  Result<void> activate(Node& kernel);
  // Returns when no handler of it runs any more. Timeout: it is deactivated, and at `limit` some
  // of its messages still were on their way to or from its device.
  Result<void> deactivate(Node& kernel, std::optional<std::chrono::nanoseconds> limit = {});
  // Closes its in-edges, drains what had been accepted, runs on_stop, saves its buffers. Timeout:
  // `limit` passed; what was left became dead letters. IoError, DeviceError: it has ended, and a
  // buffer could not be saved.
  Result<void> terminate(Node& kernel, std::optional<std::chrono::nanoseconds> limit = {});

  // --- draining
  // No message is under way: every created one is finished, no source kernel has more to poll.
  // Outputs may still hold unwritten bytes; that is their steps' to know.
  bool quiescent() const;
  // How many messages are created and not finished, about. Takes no lock: for a signal handler,
  // too. REQUIRES: no kernel is added meanwhile.
  uint64_t under_way() const noexcept;
  // As little as that takes a lock, and with the same demand.
  Tally tally() const noexcept;
  // Waits until quiescent() was true, or `cancelled` says stop (asked every millisecond or so), or
  // the time is up.
  bool wait_quiescent(std::optional<std::chrono::nanoseconds> limit,
                      const std::function<bool()>& cancelled = {});
  void stop_sources();  // on_poll is not called any more
  // Runs on_stop of the kernel's blocks (its in-rings must be empty); what it emits flows on.
  // False: `limit` passed first.
  bool stop_kernel(Node& kernel, std::optional<std::chrono::nanoseconds> limit = {});
  // Turns what waits in the kernel's in-rings into dead letters of this reason; returns how many.
  uint64_t bury_backlog(Node& kernel, Reason reason);

  // --- for inputs and outputs, from their step or another thread
  void wake(Node& node);  // the step runs again soon
  // Runs `f` while the node's block is owned, on a worker; returns when it has run.
  void run_on(Node& node, const std::function<void(Block&)>& f);

  // --- requests from the host; `done` is called exactly once, on a worker or the timer thread
  Result<void> request(Node& kernel, uint16_t type, std::span<const std::byte> payload,
                       std::chrono::nanoseconds timeout,
                       std::function<void(const RequestResult&)> done);
  RequestCounts requests() const;

  // --- looking
  Node* find(std::string_view name) const;
  std::vector<Node*> nodes() const;  // without the host
  std::vector<Edge*> edges() const;
  uint64_t memory_bytes() const;  // committed by rings and state tables
  uint32_t workers() const;
  uint64_t dead_letters() const;  // made so far

  EngineImpl& impl() { return *impl_; }

 private:
  explicit Engine(std::unique_ptr<EngineImpl> impl);
  std::unique_ptr<EngineImpl> impl_;
};

enum class NodeKind : uint8_t { Kernel, Input, Output, DeadLetters, Host };

// A kernel, an input or an output. Lives as long as the engine.
class Node {
 public:
  virtual ~Node() = default;
  virtual const std::string& name() const = 0;
  virtual NodeKind kind() const = 0;
  virtual uint32_t id() const = 0;  // kernel id, from 1
  virtual KernelState state() const = 0;
  virtual const LaunchOptions& options() const = 0;
  virtual uint32_t blocks() const = 0;
  virtual KernelCounts counts() const = 0;
  virtual std::chrono::nanoseconds uptime() const = 0;
  virtual std::string last_error() const = 0;
  virtual bool saves_buffers() const = 0;
  virtual std::optional<int> device() const = 0;  // a GPU's ordinal; none: the CPU
};

class Edge {
 public:
  virtual ~Edge() = default;
  virtual const std::string& id() const = 0;
  virtual uint32_t number() const = 0;  // DeadLetter::edge
  virtual Node& from() const = 0;
  virtual Node& to() const = 0;
  virtual EdgeCounts counts() const = 0;
};

// --- what a HostStep uses, on its own block

// Makes sure that `messages` more can be emitted (each to every edge of the input). False: not now;
// the step returns Blocked, the wake-up is arranged.
bool ensure_room(Block& input, uint32_t messages);
struct InputMessage {
  uint32_t type = 0;  // index into add_input's types
  const void* payload = nullptr;
  uint64_t root = 0;  // position: line number, from 1
  uint8_t priority = 1;
  uint64_t deadline_us = 0;  // microseconds since 1970; 0: none
};
// REQUIRES: ensure_room() said yes for it. Visible after flush_input().
void emit(Block& input, const InputMessage& message);
void flush_input(Block& input);  // publishes; sets the batch's clock

// The block whose step the calling thread runs, or null. Safe in a signal handler.
const Block* current_block();

// Calls `use` for up to `most` messages that wait at an output, oldest of each edge first, then
// frees their slots. `use` may return false to stop before this message (it stays).
uint32_t take(
    Block& output, uint32_t most,
    const std::function<bool(uint32_t edge, const MessageHeader&, const void* payload)>& use);

}  // namespace ringkernel::runtime
