// What one writes by hand in place of a resident kernel, and the two loads of a GPU that the ladder
// needs. Every kernel ends by itself. For NVRTC, and for the simulated GPU.
#pragma once

#include "ringkernel/device/device_thread.hpp"

// One message: its payload, and the word by which the host knows that the answer is there.
struct MessageCall {
  const void* in;  // mapped
  void* out;       // mapped
  uint64_t* flag;  // mapped; the host's
  uint64_t* turn;  // in device memory: counts the calls, so that a graph can replay the same one
  uint32_t units;  // of 16 bytes
};
// `count` messages of `units` side by side; each block sets a flag of its own, a line apart.
struct BatchCall {
  const void* in;
  void* out;
  uint64_t* flags;
  uint64_t turn;
  uint32_t units;
  uint32_t count;
};
// Two blocks that hand a word to and fro through the L2 cache.
struct PingPongCall {
  uint64_t* words;  // in device memory, zeroed: two, a line apart
  uint64_t* done;   // mapped: round trips made, at the end or when the time was up
  uint64_t rounds;
  uint64_t limit_ns;
};
// A load of arithmetic and memory, to see what resident kernels cost another.
struct LoadCall {
  const uint64_t* from;  // one per thread of the grid
  uint64_t* to;          // likewise
  uint32_t rounds;
};

namespace ladder {
using namespace ringkernel;

// Messages of `units` each (a power of two), `all` units together: the same back, the first word of
// each plus one.
RK_HD void answer(void* to, const void* from, uint32_t units, uint32_t all, uint32_t first,
                  uint32_t step) {
  struct alignas(16) Unit {
    uint64_t low, high;
  };
  RK_ROLLED for (uint32_t i = first; i < all; i += step) {
    Unit unit = static_cast<const Unit*>(from)[i];
    if ((i & (units - 1)) == 0) ++unit.low;
    static_cast<Unit*>(to)[i] = unit;
  }
}

RK_HD void one_message(const MessageCall& call, const DeviceThread& thread) {
  answer(call.out, call.in, call.units, call.units, thread.rank(), thread.size());
  thread.sync();
  if (thread.rank() == 0) store_release<Scope::System>(call.flag, ++*call.turn);
}

RK_HD void batch(const BatchCall& call, const DeviceThread& thread) {
  answer(call.out, call.in, call.units, call.units * call.count,
         thread.block() * thread.size() + thread.rank(), thread.blocks() * thread.size());
  thread.sync();
  if (thread.rank() == 0) store_release<Scope::System>(call.flags + 16 * thread.block(), call.turn);
}

RK_HD void ping_pong(const PingPongCall& call, const DeviceThread& thread) {
  if (thread.rank() != 0) return;
  uint64_t* mine = call.words + 16 * thread.block();
  uint64_t* theirs = call.words + 16 * (1 - thread.block());
  const uint64_t begun = thread.now_ns();
  uint64_t round = 0;
  bool in_time = true;
  RK_ROLLED for (; round < call.rounds; ++round) {
    if (thread.block() == 0) store_release(theirs, round + 1);
    uint32_t looks = 0;
    RK_ROLLED while (in_time && load_acquire(mine) != round + 1) {
      if (++looks % 1024 != 0) continue;
      in_time = thread.now_ns() - begun < call.limit_ns;
#if !RK_ON_DEVICE
      thread.pause(1000);
#endif
    }
    if (round % 256 == 0) in_time = in_time && thread.now_ns() - begun < call.limit_ns;
    if (!in_time) break;
    if (thread.block() == 1) store_release(theirs, round + 1);
  }
  if (thread.block() == 0) store_release<Scope::System>(call.done, round);
}

RK_HD void load(const LoadCall& call, const DeviceThread& thread) {
  const uint32_t me = thread.block() * thread.size() + thread.rank();
  const uint32_t all = thread.blocks() * thread.size();
  uint64_t value = me;
  RK_ROLLED for (uint32_t i = 0; i < call.rounds; ++i) value =
      value * 6364136223846793005ULL + call.from[(me + 97 * i) % all];
  call.to[me] = value;
}
}  // namespace ladder

#if defined(__CUDACC__)
#define RK_LADDER_KERNEL(name, Call) \
  extern "C" __global__ void name(Call call) { ladder::name(call, ringkernel::DeviceThread{}); }
#else
#define RK_LADDER_KERNEL(name, Call)                                                    \
  extern "C" __attribute__((visibility("default"))) const size_t name##_argument_bytes; \
  const size_t name##_argument_bytes = sizeof(Call);                                    \
  extern "C" __attribute__((visibility("default"))) void name(                          \
      const Call* call, const ringkernel::DeviceThread* thread) {                       \
    ladder::name(*call, *thread);                                                       \
  }
#endif

#if defined(RK_LADDER_ENTRIES)
RK_LADDER_KERNEL(one_message, MessageCall)
RK_LADDER_KERNEL(batch, BatchCall)
RK_LADDER_KERNEL(ping_pong, PingPongCall)
RK_LADDER_KERNEL(load, LoadCall)
#endif
