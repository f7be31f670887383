// The host's end of one device block. Takes messages from the block's in-rings as any step does and
// puts them into the mapped ring that the device polls; takes the device's records and does with
// them what the handler would have done here: emits, replies, fails, finishes.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "ringkernel/device/control_block.hpp"
#include "ringkernel/device/device_record.hpp"
#include "ringkernel/device/inbox.hpp"
#include "ringkernel/device/module.hpp"

namespace ringkernel::backends::cuda {

class Pump {
 public:
  struct Memory {
    ControlBlock* control = nullptr;  // mapped, zeroed
    Ring in;                          // mapped, zeroed: to the device
    Ring out;                         // mapped, zeroed: from it
  };
  Pump(const HandlerModule& module, const Memory& memory);

  StepResult step(Block& block, uint32_t budget, bool active);
  // The device is lost: what it held fails, with its payload where the host has it.
  void lose() { lost_.store(true); }

  bool quiet() const { return quiet_.load(std::memory_order_acquire); }
  ControlBlock& control() const { return *memory_.control; }
  // Messages handed over and not yet finished, or a hook that is wanted: a kernel that is started
  // per batch has something to do.
  bool wants_device() const { return tail_ != next_ || hook_wanted_; }
  uint64_t handed_over() const { return handed_over_.load(std::memory_order_relaxed); }
  uint64_t records() const { return records_.load(std::memory_order_relaxed); }

 private:
  // What is kept of a message on the device, by its place in the ring.
  struct Flight {
    uint32_t edge = kNoEdge;
    uint32_t credits = 0;
    bool over = false;                    // has failed, and been counted
    ReceiveCounters* counters = nullptr;  // of the ring that it came from
  };

  void say_what_is_wanted(Block& b, bool active);
  enum class Play : uint8_t { Nothing, Some, NoRoom };
  Play play(Block& b, uint32_t budget);
  bool play_one(Block& b, const DeviceRecord& record);
  bool open(Block& b);
  void emit(Block& b, const DeviceRecord& record, const MessageHeader* parent);
  void reply(Block& b, const DeviceRecord& record, const MessageHeader* parent);
  void failed(Block& b, const DeviceRecord& record, const MessageHeader* parent);
  void fail_call(Block& b, const MessageHeader* parent, Reason reason, const char* detail);
  void end_call();
  void bury(Block& b, uint64_t position, Reason reason, const char* detail);
  void keep(Block& b, const MessageHeader* parent);
  void conclude(Block& b, uint64_t position);
  bool fail_all(Block& b);
  uint32_t feed(Block& b, uint32_t budget, bool& blocked);
  uint32_t hand_over(Block& b, InRing& ring, uint32_t n, uint32_t credits);
  void refuse(Block& b, InRing& ring, const MessageHeader& header);
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
