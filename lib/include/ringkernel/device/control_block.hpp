// The words that a device block and its host tell each other, beside the rings: two lines in mapped
// host memory, one writer each.
#pragma once

#include "ringkernel/device/atomic.hpp"

namespace ringkernel {

// Bits of ControlBlock::desired
inline constexpr uint32_t kDesireRun = 1;    // active: on_start
inline constexpr uint32_t kDesirePoll = 2;   // on_poll may be called
inline constexpr uint32_t kDesireStop = 4;   // on_stop, once nothing waits
inline constexpr uint32_t kDesireExit = 8;   // leave the device
inline constexpr uint32_t kDesireBury = 16;  // refuse what waits on the wires of the device

// ControlBlock::in_hand. A fault leaves nothing else behind of the messages that it met.
inline constexpr uint64_t kInHandK2k = uint64_t{1} << 63;  // from kernels of the device
RK_HD constexpr uint64_t in_hand_of(uint32_t count, uint32_t position, bool from_k2k) {
  return (uint64_t{count} << 32) | position | (from_k2k ? kInHandK2k : 0);
}

// What looks that find nothing take, for who counts what crosses the bus: every look reads the
// turns of a window's slots, and one of so many the host's words, too.
inline constexpr uint32_t kIdleLooksPerControl = 8;
inline constexpr uint32_t kControlWords = 3;        // desired, k2k_generation, heartbeat
inline constexpr uint32_t kIdleLooksPerTold = 256;  // ControlBlock::idle_looks moves in such steps

enum class ResidentState : uint32_t { Absent, Alive, Left, LeaseExpired };

struct ControlBlock {
  // Writer: the host.
  alignas(RK_CACHE_LINE) uint64_t heartbeat;  // changes while the host lives
  uint64_t records_taken;                     // how many records the host has taken
  int64_t clock_offset_us;                    // wall clock minus the device's
  uint32_t desired;
  uint32_t clock_set;       // 1: clock_offset_us is valid
  uint32_t k2k_generation;  // moves on with every change of the K2kTable

  // Writer: the block.
  alignas(RK_CACHE_LINE) uint64_t clock_us;  // the device's clock when it came alive
  uint64_t handled;                          // messages whose handler has returned
  uint32_t state;                            // ResidentState
  uint32_t keys;                             // State per key: how many there are
  uint32_t heeded;                           // the desires that it acts on
  uint32_t k2k_heeded;                       // the generation that it acts on
  uint32_t id_leases;                        // ranges of message ids that it has taken
  uint64_t in_hand;                          // the batch that it handles: in_hand_of(); 0: none
  uint64_t idle_looks;                       // how often it has found nothing to do
};
static_assert(sizeof(ControlBlock) == 2 * RK_CACHE_LINE);

}  // namespace ringkernel
