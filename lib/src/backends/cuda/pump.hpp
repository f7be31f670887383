// The host's end of one device block. Takes messages from the block's in-rings as any step does and
// puts them into the mapped ring that the device polls; takes the device's records and does with
// them what the handler would have done here: emits, replies, fails, finishes.
#pragma once

#include <atomic>
#include <deque>
#include <string>
#include <vector>

#include "ringkernel/device/control_block.hpp"
#include "ringkernel/device/device_record.hpp"
#include "ringkernel/device/inbox.hpp"
#include "ringkernel/device/k2k.hpp"
#include "ringkernel/device/module.hpp"

namespace ringkernel::backends::cuda {

class K2kEdge;

class Pump {
 public:
  struct Memory {
    ControlBlock* control = nullptr;  // mapped, zeroed
    Ring in;                          // mapped, zeroed: to the device
    Ring out;                         // mapped, zeroed: from it
    // Of a kernel that may have wires on the device; mapped, zeroed
    K2kTable* table = nullptr;
    BlockCounters* counters = nullptr;
    int64_t* credits = nullptr;
  };
  Pump(const HandlerModule& module, const Memory& memory);

  StepResult step(Block& block, uint32_t budget, bool active);
  // The device is lost: what it held fails, with its payload where the host has it.
  void lose() { lost_.store(true); }
  // The same once the blocks have left their device, for this reason, after what they have told
  // has gone on its way. False: there is no room yet. REQUIRES: the block is owned.
  bool conclude_all(Block& block, Reason reason);

  void look_again() { quiet_.store(false); }
  bool quiet() const { return quiet_.load(std::memory_order_acquire); }
  ControlBlock& control() const { return *memory_.control; }
  // What a kernel that is started per batch has to do: messages handed over and not yet finished,
  // and when the first of them was; or a hook.
  uint64_t unfinished() const { return tail_ - next_; }
  uint64_t first_handed_over_us() const {
    return flights_[next_ & (memory_.in.capacity - 1)].since_us;
  }
  bool wants_hook() const { return hook_wanted_; }
  // The device has told something that is not played yet.
  bool has_records() const {
    const auto* record = reinterpret_cast<const DeviceRecord*>(memory_.out.slot(head_));
    return load_acquire(&record->turn) == 2 * memory_.out.lap(head_) + 1;
  }
  // What the block was handling when its device was lost, for people; from any thread.
  // REQUIRES: the pump has not been told yet.
  std::string in_hand() const;
  uint64_t handed_over() const { return handed_over_.load(std::memory_order_relaxed); }
  uint64_t records() const { return records_.load(std::memory_order_relaxed); }

  // Wires on the device. REQUIRES: the block is owned.
  void add_out(uint32_t port, uint32_t of_port, OutEdge* refusing,
               const std::vector<Block*>& receivers, const SendCounters& sent);
  void add_in(const K2kEdge& edge, const ReceiveCounters& received, ReceiveCounters* refused);
  void refuse(Reason reason) {
    refuses_ = reason != Reason::None;
    if (refuses_) refusing_for_ = reason;
  }
  const Memory& memory() const { return memory_; }

 private:
  // What is kept of a message on the device, by its place in the ring.
  struct Flight {
    uint32_t edge = kNoEdge;
    uint32_t credits = 0;
    bool over = false;                    // has failed, and been counted
    ReceiveCounters* counters = nullptr;  // of the ring that it came from
    uint64_t since_us = 0;                // when it was handed over
  };

  // A wire on the device that this block sends on, or receives from.
  struct Out {
    uint32_t port, of_port;
    OutEdge* refusing;
    std::vector<Block*> receivers;
    const SendCounters* sent;
    uint64_t seen;  // of `offered`
  };
  struct In {
    const K2kEdge* edge;
    const ReceiveCounters* received;
    ReceiveCounters* refused;
    uint64_t concluded;  // messages of which the host has heard, and which are over

    uint64_t not_concluded() const { return load_acquire(&received->delivered) - concluded; }
    // Of those that are lost with the device. Its last words may say only a part of what it did.
    uint64_t finished() const { return min_of(load_acquire(&received->finished), not_concluded()); }
  };

  void say_what_is_wanted(Block& b, bool active);
  enum class Play : uint8_t { Nothing, Some, NoRoom };
  Play play(Block& b, uint32_t budget);
  bool play_one(Block& b, const DeviceRecord& record);
  bool open(Block& b);
  void emit(Block& b, const DeviceRecord& record, const MessageHeader* parent);
  void reply(Block& b, const DeviceRecord& record, const MessageHeader* parent);
  void failed(Block& b, const DeviceRecord& record, const MessageHeader* parent);
  bool has_failed(const MessageHeader* parent) const;
  void fail_call(Block& b, const MessageHeader* parent, Reason reason, const char* detail);
  void end_call();
  void bury(Block& b, uint64_t position, Reason reason, const char* detail);
  void keep(Block& b, const MessageHeader* parent);
  void conclude(Block& b, uint64_t position);
  bool fail_all(Block& b, Reason reason);
  uint32_t feed(Block& b, uint32_t budget, bool& blocked);
  uint32_t hand_over(Block& b, InRing& ring, uint32_t n, uint32_t credits, bool& blocked);
  void refuse(Block& b, InRing& ring, const MessageHeader& header);
  void refuse_copies(Block& b, const DeviceRecord& record, const Emission& emission);
  const MessageHeader* received() const {
    return reinterpret_cast<const MessageHeader*>(received_.data());
  }
  void receive(const DeviceRecord& record);
  void bury_received(Block& b, Reason reason, const char* detail);
  void conclude_received(Block& b, uint32_t credits);
  void refuse_received(Block& b, const DeviceRecord& record);
  void wake_receivers(Block& b);
  void lease_ids(Block& b);
  void take_credits_back(Block& b);
  bool no_k2k_work(bool active, bool heeded) const;
  uint64_t in_hand_of_k2k() const;
  bool fail_received(Block& b, Reason reason);
  void refuse_late(Block& b, Flight& flight, const MessageHeader& header);
  void fail_deadline(Block& b, uint32_t edge, ReceiveCounters& counters,
                     const MessageHeader& header);
  uint32_t payload_size(const Block& b, const MessageHeader& header) const;
  MessageHeader* message(uint64_t position) const { return memory_.in.slot(position); }

  const HandlerModule& module_;
  const Memory memory_;
  std::vector<Flight> flights_;
  uint64_t tail_ = 0;   // messages handed over
  uint64_t next_ = 0;   // the first that is not concluded
  uint64_t freed_ = 0;  // the device has let go of the slots before
  uint64_t head_ = 0;   // records taken
  std::string text_;    // of Text records, for the Log or Failed that follows

  // The call in hand: what it emitted can still be taken back.
  bool open_ = false;
  bool replied_ = false;
  bool settled_ = false;
  bool forwarded_ = false;
  uint32_t unasked_ = 0;
  Refusal refusal_;
  uint32_t cycle_emitted_ = 0;

  // The message of the last Received: header and payload, and the wire it came over.
  struct alignas(MessageHeader) Line {
    unsigned char bytes[sizeof(MessageHeader)];
  };
  std::vector<Line> received_;
  In* received_over_ = nullptr;
  bool received_failed_ = false;
  std::vector<Out> outs_;
  std::deque<In> ins_;  // received_over_ points into it
  int64_t credits_seen_ = 0;
  int64_t credits_owed_ = 0;
  bool refuses_ = false;
  Reason refusing_for_ = Reason::None;

  bool begun_ = false;
  bool started_ = false;
  bool hook_wanted_ = false;
  uint32_t said_ = 0;
  uint32_t keys_ = 0;
  uint32_t idle_steps_ = 0;
  std::atomic<bool> lost_{false};
  std::atomic<bool> quiet_{true};
  std::atomic<uint64_t> handed_over_{0};
  std::atomic<uint64_t> records_{0};
};

}  // namespace ringkernel::backends::cuda
