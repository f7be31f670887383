// What a resident kernel's blocks work on: a frame per block in device memory, laid out by the
// host, and what the threads of a block share.
#pragma once

#include "ringkernel/device/control_block.hpp"
#include "ringkernel/device/device_outbox.hpp"
#include "ringkernel/device/k2k.hpp"

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
  uint32_t batch_size = 0;          // most messages of a launch; 0: it stays until told to leave
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

}  // namespace ringkernel
