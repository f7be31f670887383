// Every option of a launch and of the builder shows what it does.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "backend/suite.hpp"

namespace {

std::atomic<bool> gate_open{false};
std::mutex order_mutex;
std::vector<uint64_t> order;

// Stands in the way of a worker until the gate opens.
struct Gate {
  using Context = ringkernel::Context<Gate>;
  static void on_message(Context&, const Number&) {
    while (!gate_open.load()) std::this_thread::sleep_for(1ms);
  }
};

struct Witness {
  using Context = ringkernel::Context<Witness>;
  static void on_message(Context&, const Number& n) {
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

LaunchOptions quiet() { return LaunchOptions{}.without_auto_activate(); }

}  // namespace

TEST_CASE("grid_size is the number of blocks, and cooperative makes them one actor") {
  Runtime runtime = make_runtime();
  auto apart = runtime.launch<Lifecycle>("apart", LaunchOptions::multi_block(4, 1)).value();
  receive(apart, 4);
  auto together =
      runtime.launch<Lifecycle>("together", LaunchOptions::multi_block(4, 1).with_cooperative(true))
          .value();
  receive(together);
  ok(together.terminate());
  CHECK(receive(together).id == 3);
  CHECK(code_of(together.receive()) == ErrorCode::Closed);
}

TEST_CASE("block_size bounds the threads of a block") {
  Runtime runtime = make_runtime();
  auto kernel =
      runtime.launch<Team>("team", LaunchOptions::single_block(2).with_threads(4)).value();
  ok(kernel.send(Number{1, 0, 10}));
  CHECK(receive(kernel).key == 2);
}

TEST_CASE("output_queue_capacity bounds what waits for the host") {
  Runtime runtime = make_runtime();
  auto narrow =
      runtime.launch<Add>("narrow", LaunchOptions{}.with_output_queue_capacity(4)).value();
  auto wide = runtime.launch<Add>("wide", LaunchOptions{}.with_output_queue_capacity(512)).value();
  for (const auto& kernel : {narrow, wide}) send_all(kernel, 500);
  eventually([&] { return wide.metrics().messages_processed == 500; });
  // The ring and the batch that did not fit into it.
  CHECK(narrow.metrics().messages_processed <= 4 + 64 + 64);
  receive(narrow, 500);
}

TEST_CASE("enable_k2k is on for who asks for it and for who is wired to a kernel") {
  Runtime runtime = make_runtime();
  auto asked = runtime.launch<Add>("asked", LaunchOptions{}.with_k2k(true)).value();
  auto from = runtime.launch<Add>("from").value();
  auto to = runtime.launch<Add>("to").value();
  CHECK(asked.status().k2k);
  CHECK_FALSE(from.status().k2k);
  ok(runtime.connect(from.port("out"), to));
  CHECK(from.status().k2k);
  CHECK(to.status().k2k);
}

TEST_CASE("priority decides which kernel's blocks a worker runs first") {
  Runtime runtime = make_runtime(1);
  auto gate = runtime.launch<Gate>("gate").value();
  auto low = runtime.launch<Witness>("low", LaunchOptions{}.with_priority(Priority::Low)).value();
  auto critical =
      runtime.launch<Witness>("critical", LaunchOptions{}.with_priority(Priority::Critical))
          .value();
  gate_open.store(true);
  for (const auto& kernel : {gate, low, critical}) ok(kernel.send(Number{0, 0, 0}));
  REQUIRE(runtime.wait_idle());
  constexpr int kRounds = 20;
  int first = 0;
  for (int round = 0; round < kRounds; ++round) {
    order.clear();
    gate_open.store(false);
    ok(gate.send(Number{0, 0, 0}));
    eventually(
        [&] { return gate.metrics().messages_received == static_cast<uint64_t>(round) + 2; });
    ok(low.send(Number{1, 0, 0}));
    ok(critical.send(Number{2, 0, 0}));
    gate_open.store(true);
    REQUIRE(runtime.wait_idle());
    std::lock_guard lock(order_mutex);
    REQUIRE(order.size() == 2);
    first += order[0] == 2 ? 1 : 0;
  }
  CHECK(first >= kRounds - 3);  // now and then a worker looks at the low ones first
}

TEST_CASE("levels of the priority strategy: what is past the highest counts as the highest") {
  Runtime runtime = make_runtime();
  auto kernel =
      runtime.launch<Add>("add", quiet().with_scheduler(SchedulerConfig::priority(2))).value();
  for (uint64_t i = 0; i < 8; ++i) {
    Envelope envelope = Envelope::of(Number{i, 0, 0});
    envelope.header.priority = static_cast<uint8_t>(i % 4);
    ok(kernel.send_envelope(envelope));
  }
  ok(kernel.activate());
  std::vector<uint64_t> ids;
  for (const Number& n : receive(kernel, 8)) ids.push_back(n.id);
  CHECK(ids == std::vector<uint64_t>{1, 2, 3, 5, 6, 7, 0, 4});
  CHECK(code_of(runtime.launch<Add>(
            "none", LaunchOptions{}.with_scheduler(SchedulerConfig::priority(17)))) ==
        ErrorCode::InvalidConfig);
}

TEST_CASE("options past their limits are refused, and the name stays free") {
  Runtime runtime = make_runtime();
  for (const LaunchOptions& options :
       {LaunchOptions{}.with_queue_capacity(0),
        LaunchOptions{}.with_queue_capacity(size_t{1} << 40),
        LaunchOptions{}.with_shared_memory(size_t{1} << 60), LaunchOptions::multi_block(0, 1)})
    CHECK(code_of(runtime.launch<Add>("add", options)) == ErrorCode::InvalidConfig);
  CHECK(code_of(runtime.launch<Add>("add", LaunchOptions::multi_block(70'000, 1))) ==
        ErrorCode::LaunchFailed);
  CHECK(runtime.list_kernels().empty());
  ok(runtime.launch<Add>("add"));
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

TEST_CASE("reserved backends answer that they are not available, Auto takes one that is") {
  for (Backend backend : {Backend::Metal, Backend::Wgpu}) {
    CHECK_FALSE(Runtime::is_backend_available(backend));
    auto built = RuntimeBuilder{}.backend(backend).build();
    CHECK(code_of(built) == ErrorCode::BackendUnavailable);
  }
  CHECK(RuntimeBuilder{}.build().value().backend() != Backend::Auto);
  CHECK(to_string(Backend::Wgpu) == "WebGPU");
  CHECK(to_string(Backend::Cpu) == "CPU");
}
