// What only the CPU does: a worker's order, a handler's exceptions, the builder's looks at each
// step.
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include "backend/suite.hpp"

namespace {

std::atomic<bool> may_pass{false};
std::mutex order_mutex;
std::vector<uint64_t> order;

// Stands in the way of a worker until it may pass.
struct Obstacle {
  using Context = ringkernel::Context<Obstacle>;
  static void on_message(Context&, const Number&) {
    while (!may_pass.load()) std::this_thread::sleep_for(1ms);
  }
};

struct Witness {
  using Context = ringkernel::Context<Witness>;
  static void on_message(Context&, const Number& n) {
    std::lock_guard lock(order_mutex);
    order.push_back(n.id);
  }
};

// Message 0 waits until it may pass.
struct FirstWaits {
  using Context = ringkernel::Context<FirstWaits>;
  static void on_message(Context&, const Number& n) {
    while (n.id == 0 && !may_pass.load()) std::this_thread::sleep_for(1ms);
    std::lock_guard lock(order_mutex);
    order.push_back(n.id);
  }
};

// Writes `value` bytes from the start of its shared memory.
struct Scribbler {
  using Context = ringkernel::Context<Scribbler>;
  static void on_message(Context& ctx, const Number& n) {
    auto* bytes = reinterpret_cast<volatile char*>(ctx.shared<char[16]>());
    for (uint64_t i = 0; i < n.value; ++i) bytes[i] = 1;
  }
};

// Writes `value` elements from the start of its buffer.
struct Overflower {
  using Buffers = ringkernel::Buffers<buf::sums>;
  using Context = ringkernel::Context<Overflower>;
  static void on_message(Context& ctx, const Number& n) {
    volatile uint64_t* elements = ctx.buffer(buf::sums).data();
    for (uint64_t i = 0; i < n.value; ++i) elements[i] = 1;
  }
};

struct Slow {
  using Context = ringkernel::Context<Slow>;
  static void on_message(Context&, const Number& n) {
    std::this_thread::sleep_for(std::chrono::milliseconds(n.value));
  }
};

struct ThrowsOnThreads {
  using Context = ringkernel::Context<ThrowsOnThreads>;
  static void on_message(Context& ctx, const Number& n) {
    ctx.parallel_for(8, [&](uint32_t i) {
      if (i == n.id) throw std::runtime_error("thread " + std::to_string(i));
    });
  }
};

}  // namespace

TEST_CASE("priority decides which kernel's blocks a worker runs first") {
  Runtime runtime = make_runtime(1);
  auto obstacle = runtime.launch<Obstacle>("obstacle").value();
  auto low = runtime.launch<Witness>("low", LaunchOptions{}.with_priority(Priority::Low)).value();
  auto critical =
      runtime.launch<Witness>("critical", LaunchOptions{}.with_priority(Priority::Critical))
          .value();
  may_pass.store(true);
  for (const auto& kernel : {obstacle, low, critical}) ok(kernel.send(Number{0, 0, 0}));
  REQUIRE(runtime.wait_idle());
  constexpr int kRounds = 20;
  int first = 0;
  for (int round = 0; round < kRounds; ++round) {
    order.clear();
    may_pass.store(false);
    ok(obstacle.send(Number{0, 0, 0}));
    eventually(
        [&] { return obstacle.metrics().messages_received == static_cast<uint64_t>(round) + 2; });
    ok(low.send(Number{1, 0, 0}));
    ok(critical.send(Number{2, 0, 0}));
    may_pass.store(true);
    REQUIRE(runtime.wait_idle());
    std::lock_guard lock(order_mutex);
    REQUIRE(order.size() == 2);
    first += order[0] == 2 ? 1 : 0;
  }
  CHECK(first >= kRounds - 3);  // now and then a worker looks at the low ones first
}

TEST_CASE("what comes during a turn is taken by its level too") {
  Runtime runtime = make_runtime(1);
  auto kernel = runtime
                    .launch<FirstWaits>(
                        "kernel", LaunchOptions{}.with_scheduler(SchedulerConfig::priority(4)))
                    .value();
  may_pass.store(false);
  const auto send = [&](uint64_t id, uint8_t priority) {
    Envelope envelope = Envelope::of(Number{id, 0, 0});
    envelope.header.priority = priority;
    ok(kernel.send_envelope(envelope));
  };
  // Turn by turn a block may handle more before it looks up.
  for (uint64_t i = 100; i < 110; ++i) {
    send(i, 0);
    REQUIRE(runtime.wait_idle());
  }
  order.clear();
  send(0, 0);
  eventually([&] { return kernel.metrics().messages_received == 11; });
  for (uint8_t i = 0; i < 8; ++i) send(1 + i, i % 4);
  may_pass.store(true);
  REQUIRE(runtime.wait_idle());
  CHECK(order == std::vector<uint64_t>{0, 4, 8, 3, 7, 2, 6, 1, 5});
}

TEST_CASE("a throw on any thread of a block fails the message") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<ThrowsOnThreads>("throws", LaunchOptions{}.with_threads(4)).value();
  for (uint64_t id = 0; id < 9; ++id) ok(kernel.send(Number{id, 0, 0}));
  REQUIRE(runtime.wait_idle());
  CHECK(kernel.metrics().messages_failed == 8);
  CHECK(kernel.metrics().last_error == "threw: thread 7");
}

TEST_CASE("debug tells of a handler that writes past its shared memory") {
  std::atomic<int> logged{0};
  Runtime runtime =
      builder()
          .debug(true)
          .on_log([&](std::string_view kernel, LogLevel level, std::string_view, double) {
            if (kernel == "scribbler" && level == LogLevel::Error) ++logged;
          })
          .build()
          .value();
  auto kernel =
      runtime.launch<Scribbler>("scribbler", LaunchOptions{}.with_shared_memory(16)).value();
  ok(kernel.send(Number{1, 0, 16}));
  REQUIRE(runtime.wait_idle());
  ok(kernel.deactivate());  // the step has ended
  CHECK(kernel.metrics().last_error.empty());
  ok(kernel.activate());
  ok(kernel.send(Number{1, 0, 17}));
  eventually([&] { return logged.load() == 1; });
  CHECK(kernel.metrics().last_error.find("past its") != std::string::npos);
}

TEST_CASE("debug tells of a handler that writes past its buffer") {
  std::atomic<int> logged{0};
  auto runtime =
      builder()
          .debug(true)
          .on_log([&](std::string_view, LogLevel, std::string_view, double) { ++logged; })
          .build()
          .value();
  auto kernel = runtime.launch<Overflower>("overflower").value();
  ok(kernel.send(Number{1, 0, 32}));
  REQUIRE(runtime.wait_idle());
  ok(kernel.deactivate());  // the step has ended
  CHECK(kernel.metrics().last_error.empty());
  ok(kernel.activate());
  ok(kernel.send(Number{1, 0, 33}));
  eventually([&] { return logged.load() == 1; });
  CHECK(kernel.metrics().last_error.find("a buffer") != std::string::npos);
}

TEST_CASE("profiling takes the latency of each message, not that of its batch") {
  for (bool profiling : {false, true}) {
    CAPTURE(profiling);
    Runtime runtime = builder().profiling(profiling).build().value();
    auto kernel = runtime.launch<Slow>("slow", quiet()).value();
    // A step begins with one message, and takes more when it knows how long they take.
    ok(kernel.activate());
    for (int i = 0; i < 3; ++i) {
      ok(kernel.send(Number{1, 0, 0}));
      REQUIRE(runtime.wait_idle());
    }
    ok(kernel.deactivate());
    uint64_t stamp = runtime.clock().now();
    for (uint64_t wait : {uint64_t{0}, uint64_t{50}}) {
      Envelope envelope = Envelope::of(Number{1, 0, wait});
      envelope.header.hlc = stamp;
      ok(kernel.send_envelope(envelope));
    }
    ok(kernel.activate());
    REQUIRE(runtime.wait_idle());
    KernelMetrics m = kernel.metrics();
    uint64_t sum = 0, slow = 0;
    for (const LatencyBucket& bucket : m.latency_histogram) {
      sum += bucket.count;
      if (bucket.upper_us > 49'000) slow += bucket.count;
    }
    CHECK(sum == 5);
    CHECK(slow == (profiling ? 1 : 2));  // the one that waits, or all of its batch
  }
}
