// What runs blocks. This is the specification that the author of a backend follows; the behaviour
// suite in tests/backend runs against each.
//
// A block is a frame (device/block.hpp) whose rings, counters and state the engine has laid out. A
// backend
//   1. runs a block's step when its signal is raised, and never two steps of a block at once: who
//      turns kScheduled on owns the right to hand the block to enqueue(), and the block stays owned
//      until its step has ended and a compare-and-swap has turned the signal from kScheduled to 0;
//   2. after each step hands every block in Block::woken to enqueue();
//   3. runs the commands posted to a block before its next step, whatever the kernel's state; this
//   is
//      how the graph changes while it runs;
//   4. runs the steps of a kernel only while it is Active or Terminating;
//   5. keeps no message: what is not in a ring is in a handler.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ringkernel/device/module.hpp"
#include "ringkernel/error.hpp"
#include "ringkernel/launch_options.hpp"

namespace ringkernel::backends {

struct BlockOwner;
class Team;

// Something to do while a block is owned.
struct Command {
  std::function<void(Block&)> run;
  std::atomic<uint32_t> done{0};
  Command* next = nullptr;
};

// What runs a block's step.
class Stepper {
 public:
  virtual ~Stepper() = default;
  virtual StepResult step(Block& block, uint32_t budget) = 0;
};

// A block and what its backend keeps about it. Blocks of a host thread (send and receive) have no
// stepper: being enqueued calls `notify` instead.
struct BlockOwner {
  Block block;
  Stepper* stepper = nullptr;
  std::atomic<Command*> commands{nullptr};
  std::atomic<uint64_t> enqueued_ns{0};
  std::atomic<uint64_t> turn_ns{0};        // how long the last step took
  std::atomic<uint64_t> turn_began_ns{0};  // 0: no step runs
  // Messages of the next step, so that it stays near 50 us; from one on, since nobody knows yet how
  // long this handler takes.
  uint32_t budget = 1;
  Priority priority = Priority::Normal;
  std::function<void()> notify;
  std::shared_ptr<Team> team;  // null: one thread

  static BlockOwner& of(Block& block) { return *static_cast<BlockOwner*>(block.signal.owner); }
};

// A wire between two kernels of one device. What goes over it never comes to the host: the rings
// lie on the device, and its blocks count.
class RemoteEdge {
 public:
  virtual ~RemoteEdge() = default;
  virtual const std::vector<SendCounters*>& sent() const = 0;         // by sending block
  virtual const std::vector<ReceiveCounters*>& received() const = 0;  // by receiving block
  virtual uint64_t capacity() const = 0;
  virtual uint64_t ring_capacity() const = 0;  // of each ring
  // Before open(), while the block is owned. `refusing`: a closed edge, for what a sender offers
  // after close().
  virtual void attach_sender(uint32_t block, OutEdge* refusing,
                             const std::vector<Block*>& receivers) = 0;
  virtual void attach_receiver(uint32_t block) = 0;
  // The device may use it from now on.
  virtual void open() = 0;
  // Returns when no sender puts anything on it any more.
  virtual void close() = 0;
  // Another edge has taken its place. REQUIRES: it is closed.
  virtual void remove() = 0;
  // Its messages hold a credit each. REQUIRES: nothing was sent over it.
  virtual Result<void> join_cycle() = 0;
};

struct RemoteEdgeSpec {
  uint32_t number = 0;
  uint32_t port = 0;
  uint32_t max = 1;  // of the port
  uint16_t message_type = 0;
  uint32_t payload_size = 0;
  uint32_t capacity = 0;  // of each ring, a power of two
  Route route = Route::RoundRobin;
  KeySpec key;
  uint32_t block_field_offset = 0;
  uint32_t block_field_size = 0;
  // By receiving block: where it is counted what the host hears of and no handler is given.
  std::vector<ReceiveCounters*> refused;
};

// The next block that the step has woken, and that is to be given to enqueue(); null: none is left.
// Before that call, after which somebody else may run it, it is taken out of the list.
inline Block* take_woken(Block& block) {
  Block* woken = block.woken;
  if (woken != nullptr) block.woken = woken->signal.next_woken;
  return woken;
}

// Move the bytes of a buffer, from its first to its last, part by part.
using FillPart = std::function<Result<void>(std::span<std::byte> to)>;
using TakePart = std::function<Result<void>(std::span<const std::byte> from)>;

// A kernel whose handler runs on a device. On the host each of its blocks is a pump: a block of the
// graph like any other, whose step hands messages to the device and plays back what became of them.
class RemoteKernel {
 public:
  virtual ~RemoteKernel() = default;
  // Puts the kernel on the device; returns when all its blocks are there. LaunchFailed.
  virtual Result<void> launch() = 0;
  // The step of one pump. `active`: hand over new messages, let the handler poll.
  virtual StepResult step(Block& block, uint32_t budget, bool active) = 0;
  // Nothing of this block is on the device: no message, no call of on_poll. From any thread.
  virtual bool quiet(uint32_t block) const = 0;
  // quiet() is false until the block's next step has looked. REQUIRES: the block is owned.
  virtual void look_again(uint32_t block) = 0;
  // Takes the kernel off the device; a handler that does not return for some seconds is left behind
  // on it. REQUIRES: no step runs any more.
  virtual void leave() = 0;
  // What the block's device told before it was left goes on its way, and what it has not handled
  // becomes dead letters of this reason. False: there is no room yet. REQUIRES: leave(), and the
  // block is owned.
  virtual bool conclude(Block& block, Reason reason) = 0;
  // What a buffer holds. DeviceError: it cannot be read any more. REQUIRES: leave().
  virtual Result<void> read_buffer(uint32_t buffer, const TakePart& take) = 0;
  // Gives its memory to other kernels. REQUIRES: leave(), and no more conclude() or read_buffer().
  virtual void release() = 0;
  // No news of its failure any more.
  virtual void detach() = 0;
  // Bytes that crossed the bus, and that the kernel holds on the device.
  virtual uint64_t bytes_to_device() const = 0;
  virtual uint64_t bytes_from_device() const = 0;
  virtual uint64_t device_memory() const = 0;
  // Bytes that its blocks have read over the bus to find that there is nothing to do.
  virtual uint64_t bytes_polled() const = 0;
  virtual int device() const = 0;  // its ordinal
  // What of its options has no effect on this device, and why; empty: nothing.
  virtual std::string_view notice() const = 0;

  // A wire to another kernel that lies on the device as a whole; null: it cannot.
  virtual Result<std::unique_ptr<RemoteEdge>> connect(RemoteKernel& to,
                                                      const RemoteEdgeSpec& spec) = 0;
  // What the device has counted of a block's messages that came over such wires; null: nothing.
  virtual const BlockCounters* counters(uint32_t block) const = 0;
  // A bit for each port that has other wires.
  virtual void set_host_ports(uint32_t block, uint64_t ports) = 0;
  // Returns when the device acts on what was said of wires.
  virtual void settle() = 0;
  // From now on what waits for the block on such wires is not handled, for this reason; None: it
  // is. REQUIRES: the block is owned.
  virtual void refuse(uint32_t block, Reason reason) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual ringkernel::Backend kind() const = 0;
  virtual void start() = 0;
  // Ends the workers; steps under way finish, what is queued stays in its rings.
  virtual void stop() = 0;
  // REQUIRES: the caller has just turned the block's kScheduled on.
  virtual void enqueue(BlockOwner& owner) = 0;
  // Where a block's handler runs on several threads.
  virtual void attach_team(BlockOwner& owner, uint32_t threads) = 0;
  virtual void detach_team(BlockOwner& owner) = 0;
  // How many more (or fewer) blocks a worker may wait for awake: those of persistent kernels.
  virtual void expect_persistent(int64_t blocks) = 0;
  virtual uint32_t workers() const = 0;
};

}  // namespace ringkernel::backends
