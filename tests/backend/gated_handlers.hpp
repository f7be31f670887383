// Handlers of the behaviour suite that wait until the test lets them go on, on every processor.
#pragma once

#if !defined(__CUDACC__)
#include <unistd.h>
#endif

#include "backend/device_handlers.hpp"

// In memory that the host and handlers share (shared_memory()); each word has one writer.
struct GateWords {
  alignas(RK_CACHE_LINE) uint32_t open;     // the host
  alignas(RK_CACHE_LINE) uint32_t arrived;  // the handler, in one block
};

// True: the gate is open. False: it never was, in ten seconds or more, and the test is over.
RK_HD bool pass_gate(uint64_t address) {
  auto* gate = reinterpret_cast<GateWords*>(address);
  ringkernel::store_release<ringkernel::Scope::System>(
      &gate->arrived, ringkernel::load_relaxed<ringkernel::Scope::System>(&gate->arrived) + 1);
  for (uint32_t looks = 0; looks < 10'000'000; ++looks) {
    if (ringkernel::load_acquire<ringkernel::Scope::System>(&gate->open) != 0) return true;
#if RK_ON_DEVICE
    __nanosleep(1000);
#else
    usleep(100);
#endif
  }
  return false;
}

struct GatedAdd {
  struct Params {
    uint64_t gate;
  };
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<GatedAdd>;
  RK_DEVICE_SOURCE(GatedAdd);
  static void on_message(Context& ctx, const Number& n) {
    if (!pass_gate(ctx.params().gate)) return ctx.fail("the gate stays shut");
    ctx.emit(port::out, n);
  }
};

// The same for the first message alone; a thread for each message.
struct GatedThreads {
  struct Params {
    uint64_t gate;
  };
  struct State {
    uint64_t seen;
  };
  static constexpr ringkernel::Granularity kGranularity = ringkernel::Granularity::Thread;
  using Ports = ringkernel::Ports<port::out>;
  using Keys = ringkernel::Keys<&Number::key>;
  using Context = ringkernel::Context<GatedThreads>;
  RK_DEVICE_SOURCE(GatedThreads);
  static void on_message(Context& ctx, State& state, const Number& n) {
    if (n.id == 0 && !pass_gate(ctx.params().gate)) return ctx.fail("the gate stays shut");
    ctx.emit(port::out, Number{n.id, n.key, state.seen++});
  }
};

// Waits before it changes its buffer.
struct GatedTally {
  struct Params {
    uint64_t gate;
  };
  using Buffers = ringkernel::Buffers<buf::sums>;
  using Context = ringkernel::Context<GatedTally>;
  RK_DEVICE_SOURCE(GatedTally);
  static void on_message(Context& ctx, const Number& n) {
    if (!pass_gate(ctx.params().gate)) return ctx.fail("the gate stays shut");
    ctx.buffer(buf::sums)(n.id, n.key) += n.value;
  }
};

// All threads of the block together; its leader waits.
struct GatedTeam {
  struct Params {
    uint64_t gate;
  };
  static constexpr ringkernel::Granularity kGranularity = ringkernel::Granularity::Block;
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<GatedTeam>;
  RK_DEVICE_SOURCE(GatedTeam);
  static void on_message(Context& ctx, const Number& n) {
    ctx.once([&] {
      if (n.id == 0 && !pass_gate(ctx.params().gate)) ctx.fail("the gate stays shut");
    });
    ctx.emit(port::out, n);
  }
};
