// Wires between kernels. On a device they lie there whole; what a sender, a receiver and an
// observer see is the same.
#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "backend/suite.hpp"

TEST_CASE("a chain of kernels keeps order and loses nothing, however small its queues") {
  for (size_t capacity : {2UL, 8UL, 1024UL}) {
    CAPTURE(capacity);
    Runtime runtime = make_runtime();
    auto source =
        runtime.launch<Source>("source", LaunchOptions{}.without_auto_activate(), {.count = 2'000})
            .value();
    std::vector<KernelHandle> stages;
    for (int i = 0; i < 4; ++i)
      stages.push_back(runtime
                           .launch<Add>("stage" + std::to_string(i),
                                        LaunchOptions{}.with_queue_capacity(capacity),
                                        {.amount = 1})
                           .value());
    ok(runtime.connect(source.port("out"), stages[0]));
    for (size_t i = 0; i + 1 < stages.size(); ++i)
      ok(runtime.connect(stages[i].port("out"), stages[i + 1]));
    ok(source.activate());
    bool in_order = true;
    uint64_t next = 0;
    for (const Number& n : receive(stages[3], 2'000)) {
      in_order = in_order && n.id == next && n.value == next + 4;
      ++next;
    }
    CHECK(in_order);
    CHECK(runtime.wait_idle());
    for (const KernelHandle& stage : stages) {
      const KernelMetrics m = stage.metrics();
      CHECK(m.messages_processed == 2'000);
      CHECK(m.messages_received == 2'000);
      CHECK(m.messages_sent == 2'000);
      CHECK(m.input_queue_depth == 0);
      CHECK(m.invocations > 0);
    }
  }
}

TEST_CASE("keys find their block over a wire, in order, whoever handles them") {
  Runtime runtime = make_runtime(3);
  auto in = runtime.launch<Add>("in", {}, {.amount = 0}).value();
  auto serial = runtime.launch<Count>("serial", LaunchOptions{}.with_grid_size(3)).value();
  // What it gives is received last, and must not hold up the others.
  auto threads =
      runtime
          .launch<Threads>("threads", LaunchOptions::multi_block(3, 32).with_queue_capacity(4096))
          .value();
  ok(runtime.connect(in.port("out"), serial));
  ok(runtime.connect(in.port("out"), threads));
  std::thread sender([&] {
    for (uint64_t i = 0; i < 3000; ++i)
      ok(in.send(Number{i * 100, static_cast<uint32_t>(i % 37), i}, 30s));
  });
  for (const KernelHandle& kernel : {serial, threads}) {
    std::map<uint32_t, uint64_t> next;
    bool counted = true;
    for (const Number& n : receive(kernel, 3000)) counted = counted && n.value == next[n.key]++;
    CHECK(counted);
    CHECK(next.size() == 37);
  }
  sender.join();
  CHECK(runtime.wait_idle());
}

TEST_CASE("what fails behind a wire is a dead letter with its payload and its edge") {
  Dead dead;
  Runtime runtime = builder().on_dead_letter(std::ref(dead)).build().value();
  auto in = runtime.launch<Add>("in", {}, {.amount = 5}).value();
  auto unruly = runtime.launch<Unruly>("unruly").value();
  ok(runtime.connect(in.port("out"), unruly));
  for (uint64_t id = 0; id < 6; ++id) ok(in.send(Number{id, 0, 10 * id}));
  std::set<uint64_t> passed;
  for (const Number& n : receive(unruly, 3)) passed.insert(n.id);
  CHECK(passed == std::set<uint64_t>{0, 4, 5});
  REQUIRE(runtime.wait_idle());
  eventually([&] {
    return dead.of("failed").size() + dead.of("threw").size() + dead.of("max_exceeded").size() == 3;
  });
  const DeadMessage asked = dead.of("failed").front();
  CHECK(asked.detail == "asked to fail");
  CHECK(asked.kernel == "unruly");
  CHECK(asked.edge == "in.out:unruly");
  CHECK(asked.envelope.as<Number>().value().value == 15);
  CHECK(dead.of("max_exceeded").front().envelope.as<Number>().value().id == 3);
  CHECK(unruly.metrics().messages_failed == 3);
  CHECK(unruly.metrics().messages_processed == 6);
}

TEST_CASE(
    "a deactivated receiver's backlog waits, and ends as dead letters when it is terminated") {
  Dead dead;
  Runtime runtime = builder().on_dead_letter(std::ref(dead)).build().value();
  auto in = runtime.launch<Add>("in", {}, {.amount = 0}).value();
  auto to = runtime.launch<Add>("to", {}, {.amount = 1}).value();
  ok(runtime.connect(in.port("out"), to));
  ok(in.send(Number{0, 0, 0}));
  CHECK(receive(to).value == 1);
  ok(to.deactivate());
  send_all(in, 50);
  eventually([&] { return to.metrics().input_queue_depth == 50; });
  ok(to.activate());
  CHECK(receive(to, 50).size() == 50);
  ok(to.deactivate());
  send_all(in, 20);
  eventually([&] { return to.metrics().input_queue_depth == 20; });
  ok(to.terminate());
  eventually([&] { return dead.of("receiver_terminated").size() == 20; });
  std::set<uint64_t> ids;
  for (const DeadMessage& letter : dead.of("receiver_terminated"))
    ids.insert(letter.envelope.as<Number>().value().id);
  CHECK(ids.size() == 20);
  CHECK(to.metrics().messages_processed == 51);
  CHECK(runtime.wait_idle());
}

TEST_CASE("a kernel launched again takes the place of the one that has ended") {
  Dead dead;
  Runtime runtime = builder().on_dead_letter(std::ref(dead)).build().value();
  auto in = runtime.launch<Add>("in", {}, {.amount = 0}).value();
  for (uint64_t round = 0; round < 5; ++round) {
    auto to = runtime.launch<Add>("to", {}, {.amount = round}).value();
    ok(runtime.connect(in.port("out"), to));
    ok(in.send(Number{1, 0, 100}));
    CHECK(receive(to).value == 100 + round);
    ok(to.terminate());
    ok(in.send(Number{2, 0, 100}));
    eventually([&] { return dead.of("receiver_terminated").size() == round + 1; });
  }
  CHECK(runtime.wait_idle());
}

TEST_CASE("a terminated sender's messages are still handled") {
  Runtime runtime = make_runtime();
  auto in = runtime.launch<Add>("in", {}, {.amount = 1}).value();
  auto to =
      runtime.launch<Add>("to", LaunchOptions{}.without_auto_activate(), {.amount = 1}).value();
  ok(runtime.connect(in.port("out"), to));
  send_all(in, 100);
  eventually([&] { return to.metrics().input_queue_depth == 100; });
  ok(in.terminate());
  ok(to.activate());
  for (uint64_t i = 0; i < 100; ++i) CHECK(receive(to).value == i + 2);
  CHECK(runtime.wait_idle());
}

TEST_CASE("what on_start emits goes over a wire, and a message without a key visits the keys") {
  Runtime runtime = make_runtime();
  auto to = runtime.launch<Add>("to", {}, {.amount = 7}).value();
  auto life =
      runtime.launch<Lifecycle>("life", LaunchOptions{}.with_grid_size(2).without_auto_activate())
          .value();
  ok(runtime.connect(life.port("out"), to));
  ok(life.activate());
  for (const Number& n : receive(to, 2)) CHECK(n.value == 7);

  auto ticks = runtime.launch<Clock>("ticks").value();
  auto window =
      runtime.launch<Window>("window", LaunchOptions{}.with_output_queue_capacity(4)).value();
  ok(runtime.connect(ticks.port("ticks"), window));
  ok(runtime.connect(ticks.port("out"), window));
  for (uint64_t i = 0; i < 200; ++i)
    ok(ticks.send(Number{1, static_cast<uint32_t>(i % 40), 1}, 30s));
  eventually([&] { return window.metrics().messages_processed == 200; });
  ok(ticks.send(Number{0, 0, 77}));
  std::set<uint32_t> keys;
  for (const Number& n : receive(window, 40)) {
    CHECK(n.id == 77);
    CHECK(n.value == 5);
    keys.insert(n.key);
  }
  CHECK(keys.size() == 40);
  CHECK(runtime.wait_idle());
}

TEST_CASE("what every key gives, on a tick and at the end, goes over a wire") {
  Runtime runtime = make_runtime();
  auto window = runtime.launch<Window>("window").value();
  auto last = runtime.launch<Add>("last", {}, {.amount = 100}).value();
  ok(runtime.connect(window.port("out"), last));
  for (uint64_t id : {uint64_t{77}, uint64_t{999}}) {
    for (uint64_t i = 0; i < 80; ++i)
      ok(window.send(Number{1, static_cast<uint32_t>(i % 40), 1}, 30s));
    if (id == 77)
      ok(window.send(Tick{id}));
    else
      ok(window.terminate());
    std::set<uint32_t> keys;
    for (const Number& n : receive(last, 40)) {
      CHECK(n.id == id);
      CHECK(n.value == 102);
      keys.insert(n.key);
    }
    CHECK(keys.size() == 40);
  }
  CHECK(runtime.wait_idle());
  CHECK(window.metrics().messages_sent == 80);
}

TEST_CASE("what a message that fails has emitted is not seen over a wire, what follows it is") {
  Runtime runtime = make_runtime();
  auto unruly = runtime.launch<Unruly>("unruly", quiet()).value();
  auto last = runtime.launch<Add>("last", {}, {.amount = 0}).value();
  ok(runtime.connect(unruly.port("out"), last));
  for (uint64_t i = 0; i < 300; ++i) ok(unruly.send(Number{i % 5, 0, i}, 30s));
  ok(unruly.activate());
  for (uint64_t i = 0; i < 300; ++i)
    if (i % 5 == 0 || i % 5 == 4) CHECK(receive(last).value == i);
  CHECK(runtime.wait_idle());
  CHECK(unruly.metrics().messages_failed == 180);
  CHECK(unruly.metrics().messages_sent == 120);
}

TEST_CASE("every message has an id of its own, however many wires its port has") {
  Runtime runtime = make_runtime();
  auto both = runtime.launch<Both>("both", quiet()).value();
  std::vector<KernelHandle> tell;
  for (const char* name : {"one", "two", "three"})
    tell.push_back(runtime.launch<TellId>(name).value());
  ok(runtime.connect(both.port("out"), tell[0]));
  ok(runtime.connect(both.port("other"), tell[1]));
  ok(runtime.connect(both.port("other"), tell[2]));
  for (uint64_t i = 0; i < 210; ++i) ok(both.send(Number{i, 0, 0}, 30s));
  ok(both.activate());
  std::set<uint64_t> ids;
  for (const KernelHandle& kernel : tell)
    for (uint64_t i = 0; i < 210; ++i) {
      if (i % 7 == 6) continue;
      const Number n = receive(kernel);
      CHECK(n.id == i);
      ids.insert(n.value);
    }
  CHECK(ids.size() == 3 * 180);
  CHECK(runtime.wait_idle());
}

TEST_CASE("a port with wires to a kernel and to the host gives both, and requests pass through") {
  Runtime runtime = make_runtime();
  auto in = runtime.launch<Split>("in").value();
  auto to = runtime.launch<Double>("to").value();
  auto add = runtime.launch<Add>("add", {}, {.amount = 1}).value();
  ok(runtime.connect(in.port("out"), to));
  ok(runtime.connect(in.port("out"), add));
  auto reply = in.call<Number>(Number{1, 0, 21}, 30s);
  ok(reply);
  CHECK(reply->value == 42);
  CHECK(code_of(in.call<Number>(Number{7, 0, 1}, 30s)) == ErrorCode::NoReply);
  CHECK(code_of(in.call<Number>(Number{8, 0, 1}, 30s)) == ErrorCode::KernelFailed);
  for (uint64_t value : {22U, 2U, 2U}) CHECK(receive(add).value == value);
  for (uint64_t value : {21U, 1U, 1U}) CHECK(receive(in).value == value);  // its other port
  CHECK(runtime.wait_idle());
}

TEST_CASE("the priority strategy takes the highest level of a wire first, each in order") {
  Runtime runtime = make_runtime();
  auto in = runtime.launch<Rank>("in").value();
  auto to =
      runtime
          .launch<Add>(
              "to",
              LaunchOptions{}.without_auto_activate().with_scheduler(SchedulerConfig::priority(3)),
              {.amount = 0})
          .value();
  ok(runtime.connect(in.port("out"), to));
  for (uint64_t i = 0; i < 10; ++i) ok(in.send(Number{i, static_cast<uint32_t>(i % 4), 0}));
  eventually([&] { return to.metrics().input_queue_depth == 10; });
  ok(to.activate());
  std::vector<uint64_t> ids;
  for (const Number& n : receive(to, 10)) ids.push_back(n.id);
  CHECK(ids == std::vector<uint64_t>{2, 3, 6, 7, 1, 5, 9, 0, 4, 8});  // past the highest: as it
  CHECK(runtime.wait_idle());
}

TEST_CASE("under every strategy each message of a wire is handled once, however small its queues") {
  for (const SchedulerConfig& scheduler : every_strategy()) {
    for (size_t capacity : {1UL, 4UL, 1024UL}) {
      CAPTURE(to_string(scheduler.strategy));
      CAPTURE(capacity);
      Runtime runtime = make_runtime(3);
      auto source =
          runtime
              .launch<Source>("source", LaunchOptions{}.with_grid_size(2).without_auto_activate(),
                              {.count = 1'000})
              .value();
      auto options = LaunchOptions::multi_block(3, 32).with_scheduler(scheduler);
      auto middle =
          runtime.launch<Add>("middle", options.with_queue_capacity(capacity), {.amount = 1})
              .value();
      auto last = runtime.launch<EachThread>("last", options).value();
      ok(runtime.connect(source.port("out"), middle));
      ok(runtime.connect(middle.port("out"), last));
      ok(source.activate());
      std::map<uint64_t, uint64_t> times;
      for (const Number& n : receive(last, 2'000)) ++times[n.value];
      CHECK(times.size() == 1'000);
      CHECK(std::all_of(times.begin(), times.end(), [](auto& one) { return one.second == 2; }));
      CHECK(runtime.wait_idle());
      for (const KernelHandle& kernel : {middle, last}) {
        const KernelMetrics m = kernel.metrics();
        CHECK(m.messages_processed == 2'000);
        CHECK(m.messages_received == 2'000);
        CHECK(m.input_queue_depth == 0);
      }
    }
  }
}

TEST_CASE("blocks that share what comes over a wire do not wait for one that is busy") {
  for (const SchedulerConfig& scheduler :
       {SchedulerConfig::round_robin(),
        SchedulerConfig::work_stealing(4).with_share_threshold(0).with_max_steal_batch(5)}) {
    CAPTURE(to_string(scheduler.strategy));
    Runtime runtime = make_runtime(3);
    Gate gate;
    auto in = runtime.launch<Add>("in", {}, {.amount = 0}).value();
    auto to =
        runtime
            .launch<GatedTeam>("to", LaunchOptions::multi_block(2, 2).with_scheduler(scheduler),
                               {.gate = gate.address()})
            .value();
    ok(runtime.connect(in.port("out"), to));
    ok(in.send(Number{0, 0, 0}));
    eventually([&] { return gate.arrived() == 1; });
    for (uint64_t id = 1; id <= 101; ++id) ok(in.send(Number{id, 0, 0}));
    std::set<uint64_t> others;
    for (const Number& n : receive(to, 101)) others.insert(n.id);
    CHECK(others.size() == 101);
    CHECK(others.count(0) == 0);
    if (scheduler.strategy == SchedulerStrategy::WorkStealing) CHECK(to.metrics().stolen >= 50);
    gate.open();
    CHECK(receive(to).id == 0);
    CHECK(runtime.wait_idle());
  }
}

TEST_CASE("under every strategy a backlog waits for its receiver, or for its dead letters") {
  for (const SchedulerConfig& scheduler : every_strategy()) {
    CAPTURE(to_string(scheduler.strategy));
    Dead dead;
    Runtime runtime = builder().on_dead_letter(std::ref(dead)).build().value();
    auto in = runtime.launch<Add>("in", {}, {.amount = 0}).value();
    auto launch = [&] {
      auto to = runtime
                    .launch<Add>("to", LaunchOptions::multi_block(2, 32).with_scheduler(scheduler),
                                 {.amount = 1})
                    .value();
      ok(runtime.connect(in.port("out"), to));
      return to;
    };
    auto to = launch();
    send_all(in, 10);
    receive(to, 10);
    ok(to.deactivate());
    send_all(in, 50);
    eventually([&] { return to.metrics().input_queue_depth == 50; });
    ok(to.activate());
    receive(to, 50);
    ok(to.deactivate());
    send_all(in, 20);
    eventually([&] { return to.metrics().input_queue_depth == 20; });
    ok(to.terminate());
    eventually([&] { return dead.of("receiver_terminated").size() == 20; });
    CHECK(to.metrics().messages_processed == 60);
    to = launch();
    send_all(in, 10);
    receive(to, 10);
    CHECK(runtime.wait_idle());
    CHECK(dead.of("receiver_terminated").size() == 20);
  }
}

TEST_CASE("a kernel's wire to itself joins its blocks, whatever the size of its clusters") {
  for (uint32_t cluster : {1U, 2U, 4U}) {
    CAPTURE(cluster);
    Runtime runtime = make_runtime();
    auto hop = runtime
                   .launch<Hop>("hop", LaunchOptions::multi_block(4, 32)
                                           .with_cluster_size(cluster)
                                           .with_input_queue_capacity(32))
                   .value();
    ok(runtime.connect(hop.port("out"), hop));
    for (uint64_t id = 0; id < 30; ++id) ok(hop.send(Number{id, 0, 10 * id}));
    std::set<uint64_t> ids;
    for (const Number& n : receive(hop, 30)) {
      CHECK(n.key == 10 * n.id);
      ids.insert(n.id);
    }
    CHECK(ids.size() == 30);
    CHECK(runtime.wait_idle());
    CHECK(hop.metrics().messages_processed == 30 + 10 * (29 * 30 / 2));
    ok(hop.send(Number{0, 0, 0}));
    ok(hop.terminate());
    CHECK(receive(hop).id == 0);
  }
}
