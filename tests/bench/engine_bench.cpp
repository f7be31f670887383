// The engine's own jobs, those of the peers by the same names: one JSON line per result,
// {"job", "peer", "unit", "value"}. usage: engine_bench [JOB [MESSAGES]]
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "measure.hpp"
#include "ringkernel/device/mpmc_ring.hpp"
#include "ringkernel/device/spsc_ring.hpp"
#include "ringkernel/runtime.hpp"

struct Payload {
  uint64_t word[8];
};
RK_MESSAGE(Payload, word)
struct Token {
  uint64_t left;
};
RK_MESSAGE(Token, left)

namespace {

using namespace ringkernel;

inline constexpr Port<"out", Payload> out;
inline constexpr Port<"next", Token> next;

struct Source {
  struct Params {
    uint64_t count;
  };
  struct State {
    uint64_t sent;
  };
  using Ports = ringkernel::Ports<out>;
  using Context = ringkernel::Context<Source>;
  static bool on_poll(Context& ctx, State& state) {
    Payload p;
    for (uint64_t w = 0; w < 8; ++w) p.word[w] = state.sent + w;
    ctx.emit(out, p);
    return ++state.sent < ctx.params().count;
  }
};

struct Stage {
  using Ports = ringkernel::Ports<out>;
  using Context = ringkernel::Context<Stage>;
  static void on_message(Context& ctx, const Payload& in) {
    Payload p = in;
    p.word[0] += 1;
    ctx.emit(out, p);
  }
};

struct Sink {
  struct State {
    uint64_t seen, sum;
  };
  using Context = ringkernel::Context<Sink>;
  static void on_message(Context&, State& state, const Payload& p) {
    ++state.seen;
    state.sum += p.word[0] + p.word[7];
  }
};

struct Relay {
  using Ports = ringkernel::Ports<next>;
  using Context = ringkernel::Context<Relay>;
  static void on_message(Context& ctx, const Token& token) {
    if (token.left > 0) ctx.emit(next, Token{token.left - 1});
  }
};

struct Echo {
  using Reply = Payload;
  using Context = ringkernel::Context<Echo>;
  static void on_message(Context& ctx, const Payload& p) { ctx.reply(p); }
};

void report(const std::string& job, const char* peer, const char* unit, double value) {
  std::printf("{\"job\":\"%s\",\"peer\":\"%s\",\"unit\":\"%s\",\"value\":%.6g}\n", job.c_str(),
              peer, unit, value);
  std::fflush(stdout);
}

std::string peer_of(uint32_t workers) {
  return workers == 1 ? "ringkernel, 1 worker" : "ringkernel";
}

// Messages per second until the last one is handled.
double rate(const Runtime& runtime, uint64_t count, const std::vector<KernelHandle>& sources,
            const KernelHandle& sink, uint64_t expected) {
  return static_cast<double>(count) / run_to_end(runtime, sources, sink, expected);
}

void pipeline(uint32_t workers, uint64_t count) {
  Runtime runtime = runtime_of(workers);
  auto source = runtime.launch<Source>("source", quiet(), {.count = count}).value();
  std::vector<KernelHandle> all{source};
  for (int i = 0; i < 3; ++i)
    all.push_back(runtime.launch<Stage>("stage" + std::to_string(i), quiet()).value());
  all.push_back(runtime.launch<Sink>("sink", quiet()).value());
  for (size_t i = 0; i + 1 < all.size(); ++i)
    demand(runtime.connect(all[i].port("out"), all[i + 1]).has_value());
  for (size_t i = 1; i < all.size(); ++i) demand(all[i].activate().has_value());
  report("pipeline, source and 4 stages, 64 B", peer_of(workers).c_str(), "messages/s end to end",
         rate(runtime, count, {source}, all.back(), count));
}

void fan_in(uint32_t workers, uint64_t count) {
  Runtime runtime = runtime_of(workers);
  auto sink = runtime.launch<Sink>("sink").value();
  std::vector<KernelHandle> sources;
  for (int i = 0; i < 4; ++i) {
    sources.push_back(
        runtime.launch<Source>("source" + std::to_string(i), quiet(), {.count = count / 4})
            .value());
    demand(runtime.connect(sources.back().port("out"), sink).has_value());
  }
  report("fan-in 4 to 1, 64 B", peer_of(workers).c_str(), "messages/s",
         rate(runtime, count, sources, sink, count));
}

// One token around `kernels` kernels; hops per second.
double token_ring(uint32_t workers, uint32_t kernels, uint64_t hops) {
  Runtime runtime = runtime_of(workers);
  std::vector<KernelHandle> all;
  for (uint32_t i = 0; i < kernels; ++i)
    all.push_back(runtime.launch<Relay>("relay" + std::to_string(i)).value());
  for (uint32_t i = 0; i < kernels; ++i)
    demand(runtime.connect(all[i].port("next"), all[(i + 1) % kernels]).has_value());
  auto start = Clock::now();
  demand(all[0].send(Token{hops}).has_value());
  demand(runtime.wait_idle());
  const double took = seconds_since(start);
  uint64_t handled = 0;
  for (const KernelHandle& kernel : all) handled += kernel.metrics().messages_processed;
  demand(handled == hops + 1);
  return static_cast<double>(hops) / took;
}

void create(uint32_t kernels) {
  Runtime runtime = runtime_of(2);
  std::vector<KernelHandle> all;
  auto start = Clock::now();
  for (uint32_t i = 0; i < kernels; ++i)
    all.push_back(runtime.launch<Sink>("k" + std::to_string(i)).value());
  for (const KernelHandle& kernel : all) demand(kernel.send(Payload{}).has_value());
  demand(runtime.wait_idle());
  report("create 10,000 and handle a first message", "ringkernel", "us/actor",
         1e6 * seconds_since(start) / kernels);
}

void call(uint64_t count) {
  Runtime runtime = runtime_of(1);
  auto echo = runtime.launch<Echo>("echo").value();
  std::vector<double> took(count);
  for (uint64_t i = 0; i < count; ++i) {
    Payload p{{i}};
    auto start = Clock::now();
    auto reply = echo.call<Payload>(p);
    took[i] = seconds_since(start);
    demand(reply && reply->word[0] == i);
  }
  std::sort(took.begin(), took.end());
  report("call round trip, 64 B, p50", "ringkernel", "us", 1e6 * took[count / 2]);
  report("call round trip, 64 B, p99", "ringkernel", "us", 1e6 * took[count * 99 / 100]);
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double total = 0;
  double resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

void idle(uint32_t kernels) {
  const double before = resident_bytes();
  Runtime runtime = runtime_of(2);
  for (uint32_t i = 0; i < kernels; ++i)
    demand(runtime.launch<Stage>("k" + std::to_string(i)).has_value());
  report("idle kernel, default queues", "ringkernel", "bytes",
         (resident_bytes() - before) / kernels);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const double cpu = cpu_seconds();
  auto start = Clock::now();
  std::this_thread::sleep_for(std::chrono::seconds(2));
  report("10,000 idle kernels", "ringkernel", "% of a core",
         100 * (cpu_seconds() - cpu) / seconds_since(start));
}

// --- the rings alone, header and all

struct RingMemory {
  explicit RingMemory(uint32_t capacity)
      : bytes(ring_bytes(capacity, kStride)),
        memory(static_cast<unsigned char*>(std::aligned_alloc(RK_CACHE_LINE, bytes))) {
    std::memset(memory.get(), 0, bytes);
    ring = ring_at(memory.get(), capacity, kStride);
  }
  static constexpr uint32_t kStride = sizeof(MessageHeader) + sizeof(Payload);
  struct Free {
    void operator()(unsigned char* p) const { std::free(p); }
  };
  size_t bytes;
  std::unique_ptr<unsigned char, Free> memory;
  Ring ring;
};

constexpr uint32_t kRingSlots = 4096;
constexpr uint32_t kRingBatch = 64;

// As a block uses it: up to a batch is written and published at once, and freed at once.
void spsc_ring(uint64_t count) {
  RingMemory memory(kRingSlots);
  auto start = Clock::now();
  std::thread producer([&] {
    SpscSender sender;
    sender.ring = memory.ring;
    for (uint64_t i = 0; i < count;) {
      uint32_t n = std::min<uint32_t>(sender.room(kRingBatch), kRingBatch);
      if (n == 0) __builtin_ia32_pause();
      for (; n > 0 && i < count; --n, ++i) {
        MessageHeader* h = sender.append();
        h->message_id = i;
        *static_cast<Payload*>(payload_of(h)) = Payload{{i, 1, 2, 3, 4, 5, 6, 7}};
      }
      sender.publish();
    }
  });
  SpscReceiver receiver;
  receiver.ring = memory.ring;
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count;) {
    uint32_t n = std::min(receiver.available(), kRingBatch);
    if (n == 0) __builtin_ia32_pause();
    for (; n > 0; --n, ++i) {
      sum += static_cast<const Payload*>(payload_of(receiver.front()))->word[0];
      receiver.pop();
    }
    receiver.release();
  }
  producer.join();
  demand(sum == count * (count - 1) / 2);
  report("queue 1P1C, 64 B", "ringkernel", "messages/s",
         static_cast<double>(count) / seconds_since(start));
}

void mpmc_ring(uint32_t producers, uint64_t count) {
  RingMemory memory(kRingSlots);
  MpmcRing ring{memory.ring};
  const uint64_t each = count / producers;
  auto start = Clock::now();
  std::vector<std::thread> threads;
  for (uint32_t p = 0; p < producers; ++p)
    threads.emplace_back([&] {
      for (uint64_t i = 0; i < each;) {
        uint32_t n = static_cast<uint32_t>(std::min<uint64_t>(kRingBatch, each - i));
        uint64_t first = 0;
        if (ring.claim(n, first) != MpmcRing::Claim::Ok) {
          std::this_thread::yield();
          continue;
        }
        for (uint32_t k = 0; k < n; ++k, ++i) {
          MessageHeader* h = ring.ring.slot(first + k);
          h->message_id = i;
          *static_cast<Payload*>(payload_of(h)) = Payload{{i, 1, 2, 3, 4, 5, 6, 7}};
          ring.publish(first + k);
        }
      }
    });
  uint64_t sum = 0;
  for (uint64_t i = 0; i < each * producers;) {
    uint64_t first = 0;
    const uint32_t n = ring.take(kRingBatch, first);
    if (n == 0) std::this_thread::yield();
    for (uint32_t k = 0; k < n; ++k, ++i) {
      sum += static_cast<const Payload*>(payload_of(ring.ring.slot(first + k)))->word[0];
      ring.release(first + k);
    }
  }
  for (std::thread& thread : threads) thread.join();
  demand(sum == producers * (each * (each - 1) / 2));
  report("queue " + std::to_string(producers) + "P1C, 64 B", "ringkernel", "messages/s",
         static_cast<double>(each * producers) / seconds_since(start));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string only = argc > 1 ? argv[1] : "";
  const uint64_t asked = argc > 2 ? std::stoull(argv[2]) : 0;
  const auto messages = [&](uint64_t usual) { return asked > 0 ? asked : usual; };
  const auto job = [&](const char* name, const std::function<void()>& run) {
    if (only.empty() || only == name) run();
  };
  // First: later, memory that other jobs have given back would not be counted.
  job("idle", [&] { idle(10'000); });
  job("pipeline", [&] {
    for (uint32_t workers : {1U, 2U}) pipeline(workers, messages(5'000'000));
  });
  job("fan-in", [&] {
    for (uint32_t workers : {1U, 2U}) fan_in(workers, messages(8'000'000));
  });
  job("ping-pong", [&] {
    // A round trip is two hops.
    report("ping-pong", "ringkernel", "round trips/s", token_ring(2, 2, messages(2'000'000)) / 2);
  });
  job("ring", [&] {
    report("ring of 100, one token", "ringkernel", "hops/s",
           token_ring(2, 100, messages(2'000'000)));
  });
  job("create", [&] { create(10'000); });
  job("call", [&] { call(messages(100'000)); });
  job("spsc", [&] { spsc_ring(messages(10'000'000)); });
  job("mpmc", [&] {
    for (uint32_t producers : {2U, 4U}) mpmc_ring(producers, messages(4'000'000));
  });
}
