// Messages and handlers of the behaviour suite that run on every processor.
#pragma once

#if !defined(__CUDACC__)
#include <stdexcept>
#endif

#include "ringkernel/handler.hpp"
#include "ringkernel/message.hpp"

struct Number {
  uint64_t id;
  uint32_t key;
  uint64_t value;
};
struct Tick {
  uint64_t at;
};
// Of the same size as Number.
struct Quote {
  uint64_t bid;
  uint64_t ask;
  uint64_t at;
};
RK_MESSAGE(Number, id, key, value)
RK_MESSAGE(Quote, bid, ask, at)
RK_MESSAGE(Tick, at)

namespace port {
inline constexpr ringkernel::Port<"out", Number> out;
inline constexpr ringkernel::Port<"other", Number> other;
inline constexpr ringkernel::Port<"many", Number, 8> many;
inline constexpr ringkernel::Port<"ticks", Tick> ticks;
}  // namespace port

struct Add {
  struct Params {
    uint64_t amount;
  };
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<Add>;
  RK_DEVICE_SOURCE(Add);
  static void on_message(Context& ctx, const Number& n) {
    ctx.emit(port::out, Number{n.id, n.key, n.value + ctx.params().amount});
  }
};

// `value` hops to go, each to a block of the same kernel; then out.
struct Hop {
  using Ports = ringkernel::Ports<port::out, port::other>;
  using Context = ringkernel::Context<Hop>;
  RK_DEVICE_SOURCE(Hop);
  static void on_message(Context& ctx, const Number& n) {
    if (n.value == 0) return ctx.emit(port::other, Number{n.id, n.key, 0});
    ctx.emit(port::out, Number{n.id, n.key + 1, n.value - 1});
  }
};

// The key is the priority of what it emits.
struct Rank {
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<Rank>;
  RK_DEVICE_SOURCE(Rank);
  static void on_message(Context& ctx, const Number& n) {
    ctx.emit(port::out, n, {.priority = static_cast<int>(n.key)});
  }
};

struct Swallow {
  using Context = ringkernel::Context<Swallow>;
  RK_DEVICE_SOURCE(Swallow);
  static void on_message(Context&, const Number&) {}
};

// value: how many of its key came before
struct Count {
  struct State {
    uint64_t seen;
  };
  using Ports = ringkernel::Ports<port::out>;
  using Keys = ringkernel::Keys<&Number::key>;
  using Context = ringkernel::Context<Count>;
  RK_DEVICE_SOURCE(Count);
  static void on_message(Context& ctx, State& state, const Number& n) {
    ctx.emit(port::out, Number{n.id, n.key, state.seen++});
  }
};

// Emits its total when a tick comes, and when it stops.
struct Window {
  using Accepts = ringkernel::Accepts<Number, Tick>;
  struct State {
    uint64_t sum;
  };
  using Ports = ringkernel::Ports<port::out>;
  using Keys = ringkernel::Keys<&Number::key>;
  using Context = ringkernel::Context<Window>;
  RK_DEVICE_SOURCE(Window);
  static void on_message(Context&, State& state, const Number& n) { state.sum += n.value; }
  static void on_message(Context& ctx, State& state, const Tick& tick) {
    ctx.emit(port::out, Number{tick.at, static_cast<uint32_t>(ctx.key()), state.sum});
    state.sum = 0;
  }
  static void on_stop(Context& ctx, State& state) {
    ctx.emit(port::out, Number{999, static_cast<uint32_t>(ctx.key()), state.sum});
  }
};

// id decides: 1 fails, 2 throws, 3 emits too much, others pass.
struct Unruly {
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<Unruly>;
  RK_DEVICE_SOURCE(Unruly);
  static void on_message(Context& ctx, const Number& n) {
    ctx.emit(port::out, n);
    if (n.id == 1) ctx.fail("asked to fail");
#if defined(__CUDACC__)
    if (n.id == 2) ctx.fail("asked to throw");  // no exceptions on a GPU
#else
    if (n.id == 2) throw std::runtime_error("asked to throw");
#endif
    if (n.id == 3) ctx.emit(port::out, n);
  }
};

// Logs a word for id 0, and for others more than a record of its messages holds.
struct Talker {
  using Context = ringkernel::Context<Talker>;
  RK_DEVICE_SOURCE(Talker);
  static void on_message(Context& ctx, const Number& n) {
    const char* text =
        n.id == 0
            ? "short"
            : "a line of a hundred bytes, of which a record of a small message holds not more "
              "than some eighty or so";
    ctx.log(ringkernel::LogLevel::Warning, text, static_cast<double>(n.value));
  }
};

// Its beginning fails, and takes back what it emitted.
struct BadStart {
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<BadStart>;
  RK_DEVICE_SOURCE(BadStart);
  static void on_start(Context& ctx) {
    ctx.emit(port::out, Number{1, 0, 0});
    ctx.fail("not today");
  }
  static void on_message(Context& ctx, const Number& n) { ctx.emit(port::out, n); }
};

struct Double {
  using Reply = Number;
  using Context = ringkernel::Context<Double>;
  RK_DEVICE_SOURCE(Double);
  static void on_message(Context& ctx, const Number& n) {
    if (n.id == 7) return;  // no reply
    if (n.id == 8) return ctx.fail("will not");
    ctx.reply(Number{n.id, n.key, 2 * n.value});
  }
};

struct Quotes {
  using Reply = Quote;
  using Context = ringkernel::Context<Quotes>;
  RK_DEVICE_SOURCE(Quotes);
  static void on_message(Context& ctx, const Number& n) { ctx.reply(Quote{n.id, n.value, 0}); }
};

struct Forward {
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<Forward>;
  RK_DEVICE_SOURCE(Forward);
  static void on_message(Context& ctx, const Number& n) { ctx.forward(port::out, n); }
};

// Emits 0 .. count-1 by itself.
struct Source {
  struct Params {
    uint64_t count;
  };
  struct State {
    uint64_t next;
  };
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<Source>;
  RK_DEVICE_SOURCE(Source);
  static bool on_poll(Context& ctx, State& state) {
    if (state.next == ctx.params().count) return false;
    ctx.emit(port::out, Number{state.next, static_cast<uint32_t>(state.next % 13), state.next});
    return ++state.next < ctx.params().count;
  }
};

struct Fan {
  using Ports = ringkernel::Ports<port::many>;
  using Context = ringkernel::Context<Fan>;
  RK_DEVICE_SOURCE(Fan);
  static void on_message(Context& ctx, const Number& n) {
    for (uint64_t i = 0; i < n.value; ++i) ctx.emit(port::many, Number{n.id, n.key, i});
  }
};

struct Lifecycle {
  struct State {
    uint64_t started;
  };
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<Lifecycle>;
  RK_DEVICE_SOURCE(Lifecycle);
  static void on_start(Context& ctx, State& state) {
    state.started = 1;
    ctx.emit(port::out, Number{1, ctx.block(), 0});
  }
  static void on_message(Context& ctx, State& state, const Number& n) {
    ctx.emit(port::out, Number{n.id, ctx.block(), state.started});
  }
  static void on_stop(Context& ctx, State&) { ctx.emit(port::out, Number{3, ctx.block(), 0}); }
};

// All threads of the block work on one message.
struct Team {
  struct State {
    uint64_t sums[16];
  };
  static constexpr ringkernel::Granularity kGranularity = ringkernel::Granularity::Block;
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<Team>;
  RK_DEVICE_SOURCE(Team);
  static void on_message(Context& ctx, State& state, const Number& n) {
    uint64_t sum = 0;
    for (uint64_t i = ctx.thread_rank(); i < n.value; i += ctx.num_threads()) sum += i;
    state.sums[ctx.thread_rank()] = sum;
    ctx.sync();
    uint64_t total = 0;
    for (uint32_t i = 0; i < ctx.num_threads(); ++i) total += state.sums[i];
    ctx.sync();
    ctx.emit(port::out, Number{n.id, ctx.num_threads(), total});
  }
};

// Every thread of a grid counts the messages of a key; they all see what all have counted.
struct GridCount {
  static constexpr uint32_t kThreads = 64;
  struct State {
    uint64_t seen[kThreads];
  };
  static constexpr ringkernel::Granularity kGranularity = ringkernel::Granularity::Grid;
  using Ports = ringkernel::Ports<port::out>;
  using Keys = ringkernel::Keys<&Number::key>;
  using Context = ringkernel::Context<GridCount>;
  RK_DEVICE_SOURCE(GridCount);
  static void on_message(Context& ctx, State& state, const Number& n) {
    ++state.seen[ctx.thread_rank()];
    ctx.sync();
    uint64_t agree = 0;
    for (uint32_t i = 0; i < ctx.num_threads(); ++i)
      agree += state.seen[i] == state.seen[ctx.thread_rank()] ? 1U : 0U;
    ctx.sync();
    if (agree != ctx.num_threads()) ctx.fail("threads differ");
    ctx.emit(port::out, Number{n.id, n.key, state.seen[ctx.thread_rank()] - 1});
  }
};

struct Threads {
  struct State {
    uint64_t seen;
  };
  static constexpr ringkernel::Granularity kGranularity = ringkernel::Granularity::Thread;
  using Ports = ringkernel::Ports<port::out>;
  using Keys = ringkernel::Keys<&Number::key>;
  using Context = ringkernel::Context<Threads>;
  RK_DEVICE_SOURCE(Threads);
  static void on_message(Context& ctx, State& state, const Number& n) {
    if (n.id % 100 == 50) return ctx.fail("fifty");
    ctx.emit(port::out, Number{n.id, n.key, state.seen++});
  }
};

struct EachThread {
  static constexpr ringkernel::Granularity kGranularity = ringkernel::Granularity::Thread;
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<EachThread>;
  RK_DEVICE_SOURCE(EachThread);
  static void on_message(Context& ctx, const Number& n) { ctx.emit(port::out, n); }
};

struct Farewell {
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<Farewell>;
  RK_DEVICE_SOURCE(Farewell);
  static void on_message(Context& ctx, const Number& n) { ctx.emit(port::out, n); }
  static void on_stop(Context& ctx) { ctx.emit(port::out, Number{999, 0, 0}); }
};

struct Parallel {
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<Parallel>;
  RK_DEVICE_SOURCE(Parallel);
  static void on_message(Context& ctx, const Number& n) {
    uint64_t squares[64] = {};
    ctx.parallel_for(64, [&](uint32_t i) { squares[i] = uint64_t{i} * i; });
    uint64_t sum = 0;
    for (uint64_t s : squares) sum += s;
    ctx.emit(port::out, Number{n.id, ctx.num_threads(), sum});
  }
};

struct Shared {
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<Shared>;
  RK_DEVICE_SOURCE(Shared);
  static void on_message(Context& ctx, const Number& n) {
    auto* words = ctx.shared<uint64_t[4]>();
    uint64_t before = words != nullptr ? (*words)[0] : 12345;
    if (words != nullptr) (*words)[0] = n.value;
    ctx.emit(port::out, Number{n.id, n.key, before});
  }
};

// id 0 becomes a tick, others pass.
struct Clock {
  using Ports = ringkernel::Ports<port::out, port::ticks>;
  using Context = ringkernel::Context<Clock>;
  RK_DEVICE_SOURCE(Clock);
  static void on_message(Context& ctx, const Number& n) {
    if (n.id == 0) return ctx.emit(port::ticks, Tick{n.value});
    ctx.emit(port::out, n);
  }
};

// Hands on the duty to answer, and tells the other port.
struct Split {
  using Ports = ringkernel::Ports<port::out, port::other>;
  using Context = ringkernel::Context<Split>;
  RK_DEVICE_SOURCE(Split);
  static void on_message(Context& ctx, const Number& n) {
    ctx.forward(port::out, n);
    ctx.emit(port::other, n);
  }
};

// value: the id of the message in hand
struct TellId {
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<TellId>;
  RK_DEVICE_SOURCE(TellId);
  static void on_message(Context& ctx, const Number& n) {
    ctx.emit(port::out, Number{n.id, n.key, ctx.header().message_id});
  }
};

// On one port and then on another.
struct Both {
  using Ports = ringkernel::Ports<port::out, port::other>;
  using Context = ringkernel::Context<Both>;
  RK_DEVICE_SOURCE(Both);
  static void on_message(Context& ctx, const Number& n) {
    ctx.emit(port::out, n);
    ctx.emit(port::other, n);
    if (n.id % 7 == 6) ctx.fail("asked to fail");
  }
};

namespace buf {
inline constexpr ringkernel::Buffer<"sums", uint64_t, 4, 8> sums;
inline constexpr ringkernel::Buffer<"seen", bool, 4, 8> seen;
inline constexpr ringkernel::Buffer<"wide", uint32_t, 3, 1 << 19> wide;
inline constexpr ringkernel::Buffer<"huge", float, 1024, 1024, 1024> huge;
}  // namespace buf

// Adds the value to the element that id and key name.
struct Tally {
  using Ports = ringkernel::Ports<port::out>;
  using Buffers = ringkernel::Buffers<buf::sums, buf::seen>;
  using Context = ringkernel::Context<Tally>;
  RK_DEVICE_SOURCE(Tally);
  static void on_message(Context& ctx, const Number& n) {
    uint64_t& sum = ctx.buffer(buf::sums)(n.id, n.key);
    sum += n.value;
    ctx.buffer(buf::seen)(n.id, n.key) = true;
    ctx.emit(port::out, Number{n.id, n.key, sum});
  }
};

// All threads change all elements, and then each looks at those of the others.
template <ringkernel::Granularity G>
struct Change {
  static constexpr ringkernel::Granularity kGranularity = G;
  using Ports = ringkernel::Ports<port::out>;
  using Buffers = ringkernel::Buffers<buf::wide>;
  using Context = ringkernel::Context<Change>;
  static void on_message(Context& ctx, const Number& n) {
    const auto wide = ctx.buffer(buf::wide);
    const auto columns = static_cast<uint32_t>(wide.extent(1));
    for (uint32_t i = 0; i < wide.extent(0); ++i)
      for (uint32_t j = ctx.thread_rank(); j < columns; j += ctx.num_threads())
        wide(i, j) = 3 * wide(i, j) + i;
    ctx.sync();
    ctx.emit(port::out, Number{n.id, n.key, wide(2, columns - 1)});
  }
};
struct ChangeInBlock : Change<ringkernel::Granularity::Block> {
  RK_DEVICE_SOURCE(ChangeInBlock);
};
struct ChangeInGrid : Change<ringkernel::Granularity::Grid> {
  RK_DEVICE_SOURCE(ChangeInGrid);
};

struct Hoarder {
  using Buffers = ringkernel::Buffers<buf::huge>;
  using Context = ringkernel::Context<Hoarder>;
  RK_DEVICE_SOURCE(Hoarder);
  static void on_message(Context& ctx, const Number&) { ctx.buffer(buf::huge)(0, 0, 0) = 1; }
};
