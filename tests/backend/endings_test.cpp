// Terminating, launching again and failing, at the worst of moments.
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <thread>

#include "backend/suite.hpp"

TEST_CASE("terminate waits for what the host has not received yet") {
  Runtime runtime = make_runtime();
  auto options = LaunchOptions{}.with_output_queue_capacity(4).without_auto_activate();
  auto kernel = runtime.launch<Add>("add", options).value();
  send_all(kernel, 10);
  ok(kernel.activate());  // the ring takes four, what is handled beyond waits at the kernel
  eventually([&] { return kernel.metrics().messages_processed > 4; });
  std::thread terminator([&] { ok(kernel.terminate()); });
  eventually([&] { return kernel.state() == KernelState::Terminating; });
  for (uint64_t i = 0; i < 10; ++i) CHECK(receive(kernel).id == i);
  terminator.join();
  CHECK(code_of(kernel.receive()) == ErrorCode::Closed);
  CHECK(runtime.wait_idle());
}

TEST_CASE("what a kernel has emitted goes out, though it is deactivated meanwhile") {
  Runtime runtime = make_runtime();
  auto options = LaunchOptions{}.with_output_queue_capacity(4).without_auto_activate();
  auto kernel = runtime.launch<Add>("add", options).value();
  send_all(kernel, 10);
  ok(kernel.activate());
  eventually([&] { return kernel.metrics().messages_processed > 4; });
  ok(kernel.deactivate());
  const uint64_t handled = kernel.metrics().messages_processed;
  receive(kernel, handled);
  CHECK(code_of(kernel.try_receive()) == ErrorCode::QueueEmpty);
}

TEST_CASE("terminate keeps its time where nobody receives, and what is left is a dead letter") {
  std::atomic<uint64_t> dead{0};
  Runtime runtime = builder()
                        .on_dead_letter([&](const DeadMessage& letter) {
                          if (letter.reason == "drain_timeout") dead.fetch_add(1);
                        })
                        .build()
                        .value();
  auto options = LaunchOptions{}.with_output_queue_capacity(4).without_auto_activate();
  auto kernel = runtime.launch<Farewell>("farewell", options).value();
  send_all(kernel, 10);
  ok(kernel.activate());
  eventually([&] { return kernel.metrics().messages_processed > 4; });
  CHECK(code_of(kernel.terminate(20ms)) == ErrorCode::Timeout);
  receive(kernel, 4);
  CHECK(code_of(kernel.receive()) == ErrorCode::Closed);
  eventually([&] { return dead.load() == 6; });
  CHECK(runtime.wait_idle());
}

TEST_CASE(
    "terminate keeps its time where more waits than the queues hold, and all is accounted for") {
  std::atomic<uint64_t> dead{0};
  Runtime runtime = builder()
                        .on_dead_letter([&](const DeadMessage& letter) {
                          if (letter.reason == "drain_timeout") dead.fetch_add(1);
                        })
                        .build()
                        .value();
  auto options = LaunchOptions{}
                     .with_input_queue_capacity(1024)
                     .with_output_queue_capacity(4)
                     .without_auto_activate();
  auto kernel = runtime.launch<Add>("add", options).value();
  send_all(kernel, 1'000);
  ok(kernel.activate());
  eventually([&] { return kernel.metrics().messages_processed > 4; });
  CHECK(code_of(kernel.terminate(20ms)) == ErrorCode::Timeout);
  receive(kernel, 4);
  CHECK(code_of(kernel.receive()) == ErrorCode::Closed);
  eventually([&] { return dead.load() == 996; });
  CHECK(runtime.wait_idle());
  const KernelMetrics m = kernel.metrics();
  CHECK(m.messages_processed == m.messages_received);
}

TEST_CASE("a kernel that never was active ends without having run") {
  std::atomic<uint64_t> dead{0};
  Runtime runtime = builder()
                        .on_dead_letter([&](const DeadMessage& letter) {
                          if (letter.reason == "receiver_terminated") dead.fetch_add(1);
                        })
                        .build()
                        .value();
  auto kernel = runtime.launch<Lifecycle>("life", LaunchOptions{}.without_auto_activate()).value();
  ok(kernel.send(Number{2, 0, 0}));
  ok(kernel.terminate());
  CHECK(code_of(kernel.receive()) == ErrorCode::Closed);
  eventually([&] { return dead.load() == 1; });
  CHECK(kernel.metrics().messages_processed == 0);
}

TEST_CASE("a message that was accepted while its kernel is terminated is counted to its end") {
  Runtime runtime = make_runtime();
  for (int round = 0; round < 120; ++round) {
    auto kernel =
        runtime
            .launch<Swallow>(
                "brief", round % 2 == 0 ? LaunchOptions{} : LaunchOptions{}.without_auto_activate())
            .value();
    std::atomic<bool> sending{false};
    std::thread sender([&] {
      sending.store(true);
      while (kernel.send(Number{1, 0, 0}, 30s)) {
      }
    });
    while (!sending.load()) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::microseconds(round % 50));
    ok(kernel.terminate());
    sender.join();
    REQUIRE(runtime.wait_idle(30s));
  }
}

TEST_CASE("kernels are launched and wired while dead letters are on their way") {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> dead{0};
  Runtime runtime =
      builder(1).on_dead_letter([&](const DeadMessage&) { dead.fetch_add(1); }).build().value();
  auto failing = runtime.launch<Unruly>("failing").value();
  std::thread sender([&] {
    while (!stop.load()) ok(failing.send(Number{1, 0, 0}, 30s));
  });
  eventually([&] { return dead.load() > 0; });
  auto first = runtime.launch<Add>("first").value();
  for (int i = 0; i < 20; ++i) {
    auto kernel = runtime.launch<Add>("kernel " + std::to_string(i)).value();
    ok(runtime.connect(first.port("out"), kernel));
  }
  stop.store(true);
  sender.join();
  REQUIRE(runtime.wait_idle());
}

TEST_CASE("the first message to a kernel does not wait for workers that are busy") {
  Runtime runtime = make_runtime(1);
  Gate gate;
  auto busy = runtime.launch<GatedAdd>("busy", {}, {.gate = gate.address()}).value();
  auto idle = runtime.launch<Swallow>("idle", LaunchOptions{}.without_auto_activate()).value();
  ok(busy.send(Number{1, 0, 0}));
  eventually([&] { return gate.arrived() == 1; });
  ok(idle.try_send(Number{1, 0, 0}));
  gate.open();
  receive(busy);
}

TEST_CASE_TEMPLATE("a message whose deadline passes behind a busy handler is not handled", Handler,
                   GatedAdd, GatedThreads, GatedTeam) {
  std::atomic<uint64_t> late{0};
  Runtime runtime = builder()
                        .on_dead_letter([&](const DeadMessage& letter) {
                          const auto n = letter.envelope.as<Number>();
                          if (letter.reason == "deadline_passed" && n && n->id == 1) ++late;
                        })
                        .build()
                        .value();
  Gate gate;
  auto kernel =
      runtime.launch<Handler>("gated", LaunchOptions::single_block(2), {.gate = gate.address()})
          .value();
  ok(kernel.send(Number{0, 0, 0}));
  eventually([&] { return gate.arrived() == 1; });
  auto now_us = [] {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  Envelope envelope = Envelope::of(Number{1, 0, 0});
  envelope.header.deadline = static_cast<uint64_t>(now_us()) + 100'000;
  ok(kernel.send_envelope(envelope));
  ok(kernel.send(Number{2, 0, 0}));
  eventually([&] { return static_cast<uint64_t>(now_us()) > envelope.header.deadline + 20'000; });
  gate.open();
  CHECK(receive(kernel).id == 0);
  CHECK(receive(kernel).id == 2);
  REQUIRE(runtime.wait_idle(30s));
  eventually([&] { return late.load() == 1; });
  const KernelMetrics m = kernel.metrics();
  CHECK(m.messages_received == 2);
  CHECK(m.messages_processed == 2);
  CHECK(m.messages_failed == 0);
}

TEST_CASE("more late messages than there is room for dead letters wait for it") {
  constexpr uint64_t kCount = 1'000;
  std::atomic<bool> slow{true};
  std::atomic<uint64_t> late{0};
  Runtime runtime = builder()
                        .on_dead_letter([&](const DeadMessage& letter) {
                          while (slow.load()) std::this_thread::sleep_for(1ms);
                          if (letter.reason == "deadline_passed") ++late;
                        })
                        .build()
                        .value();
  auto kernel = runtime.launch<Add>("add", quiet(), {.amount = 0}).value();
  Envelope envelope = Envelope::of(Number{1, 0, 0});
  envelope.header.deadline = 1;  // 1970
  for (uint64_t i = 0; i < kCount; ++i) ok(kernel.send_envelope(envelope));
  ok(kernel.send(Number{2, 0, 0}));
  ok(kernel.activate());
  eventually([&] { return kernel.metrics().input_queue_depth < kCount; });
  std::this_thread::sleep_for(1ms);  // it has filled what room there is
  CHECK(code_of(kernel.try_receive()) == ErrorCode::QueueEmpty);
  slow.store(false);
  CHECK(receive(kernel).id == 2);
  REQUIRE(runtime.wait_idle());
  eventually([&] { return late.load() == kCount; });
  CHECK(kernel.metrics().messages_received == 1);
}

TEST_CASE("a runtime with a source that has just been activated is not idle") {
  Runtime runtime = make_runtime();
  auto source =
      runtime.launch<Source>("source", LaunchOptions{}.without_auto_activate(), {.count = 5'000})
          .value();
  auto sink = runtime.launch<Swallow>("sink").value();
  ok(runtime.connect(source.port("out"), sink));
  REQUIRE(runtime.wait_idle());
  std::this_thread::sleep_for(1ms);  // its block has looked around
  ok(source.activate());
  REQUIRE(runtime.wait_idle());
  CHECK(sink.metrics().messages_processed == 5'000);
}

TEST_CASE("a kernel may have the name of anything of the engine's own") {
  Runtime runtime = builder().on_dead_letter([](const DeadMessage&) {}).build().value();
  for (const char* name : {"host", "dead letters"}) {
    auto kernel = runtime.launch<Add>(name, {}, {.amount = 1}).value();
    ok(kernel.send(Number{1, 0, 1}));
    CHECK(receive(kernel).value == 2);
    CHECK(kernel.metrics().output_queue_depth == 0);
  }
}

TEST_CASE("a kernel that was launched again is wired again in place of the one that ended") {
  std::atomic<uint64_t> dead{0};
  Runtime runtime =
      builder().on_dead_letter([&](const DeadMessage&) { dead.fetch_add(1); }).build().value();
  auto from = runtime.launch<Add>("from").value();
  for (int round = 0; round < 3; ++round) {
    auto to = runtime.launch<Add>("to").value();
    ok(runtime.connect(from.port("out"), to));
    send_all(from, 5);
    receive(to, 5);
    ok(to.terminate());
    CHECK(code_of(runtime.connect(from.port("out"), to)) == ErrorCode::Closed);
  }
  CHECK(runtime.metrics().dead_letters == 0);
}

TEST_CASE("launching again and again keeps no State, and nothing is kept of a message") {
  Runtime runtime = make_runtime();
  auto life = [&] {
    auto kernel = runtime.launch<Count>("count").value();
    send_all(kernel, 200, 100);
    receive(kernel, 200);
    ok(kernel.terminate());
  };
  for (int i = 0; i < 10; ++i) life();
  uint64_t before = runtime.metrics().host_memory_used;
  for (int i = 0; i < 100; ++i) life();
  // Counters and the rings' cursors stay; messages and State would be 50 KiB a life.
  CHECK(runtime.metrics().host_memory_used < before + 100 * 40'000);
  auto kernel = runtime.launch<Swallow>("swallow").value();
  auto deliver = [&](int n) {
    for (int i = 0; i < n; ++i)
      CHECK(runtime.deliver("swallow", Envelope::of(Number{1, 0, 0}), 30s) ==
            DeliveryStatus::Delivered);
  };
  deliver(2'000);
  before = runtime.metrics().host_memory_used;
  deliver(20'000);
  // A latency that was not seen before may touch a page of its histogram.
  CHECK(runtime.metrics().host_memory_used <= before + 2 * 4096);
}

TEST_CASE("drop_oldest drops no more than it must while its receiver is busy") {
  Runtime runtime = make_runtime();
  auto from = runtime.launch<Add>("from").value();
  Gate gate;
  auto to = runtime
                .launch<GatedAdd>("to", LaunchOptions{}.with_input_queue_capacity(8),
                                  {.gate = gate.address()})
                .value();
  ok(runtime.connect(from.port("out"), to, {.on_full = OnFull::DropOldest}));
  // What waits in the ring to a GPU has been delivered.
  const uint64_t held = backend_under_test() == Backend::Cuda ? 64 : 1;
  for (uint64_t i = 0; i < held; ++i) {
    ok(from.send(Number{i, 0, 0}));
    eventually([&] { return to.metrics().messages_received == i + 1; });
  }
  eventually([&] { return gate.arrived() == 1; });
  for (uint64_t i = held; i < held + 12; ++i) ok(from.send(Number{i, 0, 0}));
  eventually([&] { return from.metrics().messages_processed == held + 12; });
  eventually([&] { return to.metrics().messages_dropped == 4; });
  gate.open();
  for (uint64_t i = 0; i < held; ++i) CHECK(receive(to).id == i);
  for (uint64_t i = held + 4; i < held + 12; ++i) CHECK(receive(to).id == i);
  REQUIRE(runtime.wait_idle());
  CHECK(to.metrics().messages_dropped == 4);
}

TEST_CASE("threads that share an inbox handle each message once") {
  Runtime runtime = make_runtime(4);
  auto options = LaunchOptions::multi_block(4, 8).with_threads(2).with_scheduler(
      SchedulerConfig::round_robin());
  auto kernel = runtime.launch<EachThread>("each", options).value();
  constexpr uint64_t kCount = 20'000;
  std::vector<std::thread> senders;
  for (uint64_t s = 0; s < 2; ++s)
    senders.emplace_back([&, s] {
      for (uint64_t i = s; i < kCount; i += 2) ok(kernel.send(Number{i, 0, 0}, 30s));
    });
  std::vector<int> seen(kCount);
  for (const Number& n : receive(kernel, kCount)) ++seen[n.id];
  for (auto& sender : senders) sender.join();
  CHECK(std::count(seen.begin(), seen.end(), 1) == static_cast<std::ptrdiff_t>(kCount));
}

TEST_CASE("what is stolen is handled, whatever the batch leaves over") {
  Runtime runtime = make_runtime();
  auto config = SchedulerConfig::work_stealing(4).with_share_threshold(8);
  config.with_steal_neighborhood(1);
  for (int round = 0; round < 20; ++round) {
    auto kernel =
        runtime.launch<Swallow>("swallow", LaunchOptions::multi_block(8, 1).with_scheduler(config))
            .value();
    send_all(kernel, 2'000);
    REQUIRE(runtime.wait_idle(30s));
    CHECK(kernel.metrics().messages_processed == 2'000);
    ok(kernel.terminate());
  }
}

TEST_CASE("the reply of a forwarded request is of the type of who answered") {
  Runtime runtime = make_runtime();
  auto quotes = runtime.launch<Quotes>("quotes").value();
  auto last = runtime.launch<Double>("double").value();
  auto first = runtime.launch<Forward>("first").value();
  ok(runtime.connect(first.port("out"), last));
  auto reply = first.call<Number>(Number{1, 0, 4}, 30s);
  ok(reply);
  CHECK(reply->value == 8);
  CHECK(code_of(first.call<Quote>(Number{1, 0, 4}, 30s)) == ErrorCode::InvalidMessage);
}

TEST_CASE("a request that is forwarded to the host has no reply") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Forward>("forward").value();
  std::thread host([&] { receive(kernel); });
  CHECK(code_of(kernel.call<Number>(Number{1, 0, 4}, 30s)) == ErrorCode::NoReply);
  host.join();
}

TEST_CASE("a late reply is a dead letter") {
  std::mutex mutex;
  std::vector<DeadMessage> dead;
  Runtime runtime = builder()
                        .on_dead_letter([&](const DeadMessage& letter) {
                          std::lock_guard lock(mutex);
                          dead.push_back(letter);
                        })
                        .build()
                        .value();
  auto kernel = runtime.launch<Double>("double", LaunchOptions{}.without_auto_activate()).value();
  CHECK(code_of(kernel.call<Number>(Number{1, 0, 21}, 1ms)) == ErrorCode::Timeout);
  ok(kernel.activate());
  eventually([&] {
    std::lock_guard lock(mutex);
    return dead.size() == 1;
  });
  CHECK(dead[0].reason == "late_reply");
  CHECK(dead[0].envelope.as<Number>()->value == 42);
  CHECK(kernel.metrics().messages_failed == 0);
}

TEST_CASE("a stamp far ahead of the clock is refused") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Add>("add").value();
  Envelope envelope = Envelope::of(Number{1, 0, 0});
  envelope.header.hlc = ~uint64_t{0};
  CHECK(code_of(kernel.send_envelope(envelope)) == ErrorCode::ClockSkew);
  envelope.header.hlc = runtime.clock().now();
  ok(kernel.send_envelope(envelope));
  auto got = kernel.receive_timeout(30s);
  ok(got);
  CHECK(got->header.hlc > envelope.header.hlc);
}

TEST_CASE("who receives before the first message was sent gets it, and hears of the end") {
  Runtime runtime = make_runtime();
  auto spoken = runtime.launch<Add>("spoken").value();
  auto silent = runtime.launch<Add>("silent").value();
  auto ended = runtime.launch<Add>("ended").value();
  CHECK(code_of(spoken.try_receive()) == ErrorCode::QueueEmpty);
  CHECK(code_of(spoken.receive_timeout(1ms)) == ErrorCode::Timeout);
  std::thread receiver([&] { CHECK(receive(spoken).id == 7); });
  std::thread waiting([&] { CHECK(code_of(silent.receive()) == ErrorCode::Closed); });
  ok(spoken.send(Number{7, 0, 1}));
  receiver.join();
  ok(silent.terminate());
  waiting.join();
  // Nobody has ever asked for what it says.
  ok(ended.terminate());
  CHECK(code_of(ended.receive()) == ErrorCode::Closed);
  CHECK(code_of(ended.try_receive()) == ErrorCode::Closed);
}

TEST_CASE("a port is wired, whether somebody has received from it before or not") {
  for (const bool received_before : {false, true}) {
    CAPTURE(received_before);
    Runtime runtime = make_runtime();
    auto first = runtime.launch<Add>("first", {}, {.amount = 1}).value();
    auto second = runtime.launch<Add>("second", {}, {.amount = 10}).value();
    if (received_before) CHECK(code_of(first.try_receive()) == ErrorCode::QueueEmpty);
    ok(runtime.connect(first.port("out"), second));
    ok(first.send(Number{1, 0, 1}));
    CHECK(receive(second).value == 12);
    CHECK(runtime.wait_idle());
  }
}

TEST_CASE("one receive per event of the descriptor leaves nothing behind") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Add>("add").value();
  constexpr uint64_t kCount = 20'000;
  std::thread sender([&] { send_all(kernel, kCount); });
  int fd = kernel.receive_descriptor().value();
  for (uint64_t received = 0; received < kCount;) {
    pollfd p{fd, POLLIN, 0};
    REQUIRE(poll(&p, 1, 30'000) == 1);
    if (kernel.try_receive()) ++received;
  }
  sender.join();
}
