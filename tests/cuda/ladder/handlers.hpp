// Messages and handlers of the ladder, for the CPU and for a GPU.
#pragma once

#include "ringkernel/handler.hpp"
#include "ringkernel/message.hpp"

struct Small {
  uint64_t word[8];
};
struct Medium {
  uint64_t word[32];
};
struct Large {
  uint64_t word[512];
};
// What a kernel has seen of a sequence that begins at 0.
struct Tally {
  uint64_t seen;
  uint64_t wrong;  // doubled or overtaken, or not whole
  uint64_t sum;
};
// A token, and the key that says to which block it goes.
struct Token {
  uint64_t hops;
  uint64_t to;
  uint64_t rest[6];
};
RK_MESSAGE(Small, word)
RK_MESSAGE(Token, hops, to, rest)
RK_MESSAGE(Medium, word)
RK_MESSAGE(Large, word)
RK_MESSAGE(Tally, seen, wrong, sum)

namespace port {
inline constexpr ringkernel::Port<"out", Small> out;
inline constexpr ringkernel::Port<"out", Token> token;
inline constexpr ringkernel::Port<"tally", Tally> tally;
}  // namespace port

// Answers with the same payload, its first word plus one.
#define RK_LADDER_ECHO(Name, Message)                         \
  struct Name {                                               \
    using Reply = Message;                                    \
    using Context = ringkernel::Context<Name>;                \
    RK_DEVICE_SOURCE(Name);                                   \
    static void on_message(Context& ctx, const Message& in) { \
      Message answer = in;                                    \
      ++answer.word[0];                                       \
      ctx.reply(answer);                                      \
    }                                                         \
  }
RK_LADDER_ECHO(EchoSmall, Small);
RK_LADDER_ECHO(EchoMedium, Medium);
RK_LADDER_ECHO(EchoLarge, Large);
#undef RK_LADDER_ECHO

// The same where nobody asked: to whoever receives.
struct PassOn {
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<PassOn>;
  RK_DEVICE_SOURCE(PassOn);
  static void on_message(Context& ctx, const Small& in) {
    Small next = in;
    ++next.word[0];
    ctx.emit(port::out, next);
  }
};

// The same, each thread its own message.
struct PassOnThreads : PassOn {
  static constexpr ringkernel::Granularity kGranularity = ringkernel::Granularity::Thread;
  using Context = ringkernel::Context<PassOnThreads>;
  RK_DEVICE_SOURCE(PassOnThreads);
  static void on_message(Context& ctx, const Small& in) {
    Small next = in;
    ++next.word[0];
    ctx.emit(port::out, next);
  }
};

// A token around kernels: word[0] counts its hops down.
struct Relay {
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<Relay>;
  RK_DEVICE_SOURCE(Relay);
  static void on_message(Context& ctx, const Small& in) {
    if (in.word[0] == 0) return;
    Small next = in;
    --next.word[0];
    ctx.emit(port::out, next);
  }
};

// A token between two blocks of one kernel.
struct Bounce {
  struct Params {
    uint64_t key[2];  // that goes to each block
  };
  struct State {
    uint64_t seen;
  };
  using Ports = ringkernel::Ports<port::token>;
  using Keys = ringkernel::Keys<&Token::to>;
  using Context = ringkernel::Context<Bounce>;
  RK_DEVICE_SOURCE(Bounce);
  static void on_message(Context& ctx, State& state, const Token& in) {
    ++state.seen;
    if (in.hops == 0) return;
    ctx.emit(port::token, Token{in.hops - 1, ctx.params().key[1 - ctx.block()], {}});
  }
};

// Each block emits 0, 1, ... by itself; on a GPU, or on the CPU.
template <class Handler>
struct SourceOf {
  struct Params {
    uint64_t count;  // of each block
  };
  struct State {
    uint64_t next;
  };
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<Handler>;
  static bool on_poll(Context& ctx, State& state) {
    if (state.next == ctx.params().count) return false;
    ctx.emit(port::out, Small{{state.next, ctx.block(), 2, 3, 4, 5, 6, 7}});
    return ++state.next < ctx.params().count;
  }
};
struct Source : SourceOf<Source> {
  RK_DEVICE_SOURCE(Source);
};
struct SourceOnHost : SourceOf<SourceOnHost> {};

// Looks at the order of each sender's messages (word[1] is the sender's block), and tells when it
// stops; as above.
template <class Handler>
struct CheckOf {
  static constexpr uint32_t kSenders = 256;
  struct State {
    uint64_t seen, wrong, sum;
    uint64_t next[kSenders];
  };
  using Ports = ringkernel::Ports<port::tally>;
  using Context = ringkernel::Context<Handler>;
  static void on_message(Context&, State& state, const Small& in) {
    uint64_t& next = state.next[in.word[1] % kSenders];
    if (in.word[0] < next || in.word[7] != 7) ++state.wrong;
    next = in.word[0] + 1;
    ++state.seen;
    state.sum += in.word[0];
  }
  static void on_stop(Context& ctx, State& state) {
    ctx.emit(port::tally, Tally{state.seen, state.wrong, state.sum});
  }
};
struct Check : CheckOf<Check> {
  RK_DEVICE_SOURCE(Check);
};
struct CheckOnHost : CheckOf<CheckOnHost> {};
