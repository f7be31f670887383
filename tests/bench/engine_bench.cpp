// The engine's own jobs, one JSON line each: {"job", "unit", "value", ...}. Rounds and their spread
// are the caller's business (scripts/floors.sh).
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "ringkernel/runtime.hpp"

struct Payload {
  uint64_t word[8];
};
RK_MESSAGE(Payload, word)

namespace {

using namespace ringkernel;
using Clock = std::chrono::steady_clock;

inline constexpr Port<"out", Payload> out;

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

struct Echo {
  using Reply = Payload;
  using Context = ringkernel::Context<Echo>;
  static void on_message(Context& ctx, const Payload& p) { ctx.reply(p); }
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void report(const char* job, const char* unit, double value) {
  std::printf("{\"job\":\"%s\",\"unit\":\"%s\",\"value\":%.6g}\n", job, unit, value);
  std::fflush(stdout);
}

LaunchOptions quiet(size_t capacity = 1024) {
  return LaunchOptions::single_block(1).with_queue_capacity(capacity).without_auto_activate();
}

void pipeline(uint64_t count, uint32_t workers, size_t capacity) {
  Runtime runtime = RuntimeBuilder{}.backend(Backend::Cpu).workers(workers).build().value();
  auto source = runtime.launch<Source>("source", quiet(capacity), {.count = count}).value();
  std::vector<KernelHandle> all{source};
  for (int i = 0; i < 3; ++i)
    all.push_back(runtime.launch<Stage>("stage" + std::to_string(i), quiet(capacity)).value());
  all.push_back(runtime.launch<Sink>("sink", quiet(capacity)).value());
  for (size_t i = 0; i + 1 < all.size(); ++i)
    if (!runtime.connect(all[i].port("out"), all[i + 1])) std::abort();
  for (size_t i = 1; i < all.size(); ++i)
    if (!all[i].activate()) std::abort();
  auto start = Clock::now();
  if (!source.activate()) std::abort();
  if (!runtime.wait_idle()) std::abort();
  double took = seconds_since(start);
  if (all.back().metrics().messages_processed != count) std::abort();
  std::string job = "pipeline, source and 4 stages, 64 B, " + std::to_string(workers) + " workers";
  report(job.c_str(), "messages/s", static_cast<double>(count) / took);
}

void call(uint64_t count) {
  Runtime runtime = RuntimeBuilder{}.backend(Backend::Cpu).workers(1).build().value();
  auto echo = runtime.launch<Echo>("echo").value();
  std::vector<double> took(count);
  for (uint64_t i = 0; i < count; ++i) {
    Payload p{{i}};
    auto start = Clock::now();
    auto reply = echo.call<Payload>(p);
    took[i] = seconds_since(start);
    if (!reply || reply->word[0] != i) std::abort();
  }
  std::sort(took.begin(), took.end());
  report("call round trip, p50", "us", 1e6 * took[count / 2]);
  report("call round trip, p99", "us", 1e6 * took[count * 99 / 100]);
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

double resident_mb() {
  std::ifstream statm("/proc/self/statm");
  double total = 0;
  double resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

void idle(uint32_t kernels) {
  double before = resident_mb();
  Runtime runtime = RuntimeBuilder{}.backend(Backend::Cpu).workers(2).build().value();
  auto start = Clock::now();
  for (uint32_t i = 0; i < kernels; ++i)
    if (!runtime.launch<Stage>("k" + std::to_string(i))) std::abort();
  report("create a kernel", "us", 1e6 * seconds_since(start) / kernels);
  report("10,000 idle kernels", "MB", resident_mb() - before);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  double cpu = cpu_seconds();
  start = Clock::now();
  std::this_thread::sleep_for(std::chrono::seconds(2));
  report("10,000 idle kernels", "% of a core", 100 * (cpu_seconds() - cpu) / seconds_since(start));
}

}  // namespace

int main(int argc, char** argv) {
  std::string only = argc > 1 ? argv[1] : "";
  uint64_t messages = argc > 2 ? std::stoull(argv[2]) : 10'000'000;
  if (only.empty() || only == "pipeline")
    for (uint32_t workers : {1U, 2U})
      pipeline(messages, workers, argc > 3 ? std::stoul(argv[3]) : 1024);
  if (only.empty() || only == "call") call(200'000);
  if (only.empty() || only == "idle") idle(10'000);
}
