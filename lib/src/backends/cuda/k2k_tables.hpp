// What a kernel's blocks are told of their wires on the device, and where they keep them: a table
// for each block, and in device memory a doorbell and the ends of its wires.
//
// Threads: any, but for add_block().
#pragma once

#include <mutex>
#include <vector>

#include "backends/cuda/device.hpp"
#include "backends/cuda/pump.hpp"
#include "ringkernel/launch_options.hpp"

namespace ringkernel::backends::cuda {

class K2kTables {
 public:
  // `scheduler`: how what comes over such wires is spread over the blocks.
  K2kTables(Device& device, const HandlerModule& module, const SchedulerConfig& scheduler);
  // REQUIRES: no block of this kernel, nor of one that sends to it, is on the device.
  void release();

  // The bytes that it takes on the device. OutOfMemory, DeviceError. REQUIRES: memory.control.
  Result<size_t> add_block(const Block& block, K2kFrame& frame, Pump::Memory& memory);

  // The ends of a wire, by block, in device memory. Returns the wire's index among the outgoing.
  uint32_t add_out(const std::vector<char*>& ends, uint32_t port);
  void add_in(const std::vector<char*>& ends, uint32_t rings);
  void set_state(uint32_t out, K2kState state);
  void set_host_ports(uint32_t block, uint64_t ports);
  // The kernel has left: its control blocks are somebody else's.
  void leave();
  // Its blocks act on all that was said, or are not there.
  bool is_heeded();

  uint32_t outs() const { return outs_; }
  uint32_t ins() const { return ins_; }
  uint32_t rings() const { return rings_; }  // of the ins, at each block
  uint32_t outs_of(uint32_t port) const { return outs_of_[port]; }
  Signal* doorbell(uint32_t block) const { return blocks_[block].doorbell; }
  const SchedulerConfig& scheduler() const { return scheduler_; }

 private:
  struct BlockTable {
    K2kTable* table;
    ControlBlock* control;
    char* outs;  // kMostK2kEdges pointers each, in device memory
    char* ins;
    Signal* doorbell;
  };
  void tell(const BlockTable& block);
  // False: the device is lost.
  bool point(char* pointers, uint32_t index, char* end);

  Device& device_;
  const HandlerModule& module_;
  const SchedulerConfig scheduler_;
  std::vector<BlockTable> blocks_;
  std::vector<char*> device_memory_;
  std::vector<char*> mapped_memory_;
  std::mutex mutex_;
  uint32_t outs_ = 0;
  uint32_t ins_ = 0;
  uint32_t rings_ = 0;
  std::vector<uint32_t> outs_of_;  // by port
  bool left_ = false;
};

}  // namespace ringkernel::backends::cuda
