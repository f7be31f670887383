// What every backend must do; backend_under_test() says which one this executable is for.
#include <doctest/doctest.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "backend/suite.hpp"

TEST_CASE("a message reaches its handler, and what it emits comes back") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Add>("add", {}, {.amount = 5}).value();
  CHECK(kernel.is_active());
  ok(kernel.send(Number{1, 0, 37}));
  auto reply = kernel.receive_timeout(30s);
  ok(reply);
  CHECK(reply->as<Number>()->value == 42);
  CHECK(reply->type == "Number");
  CHECK(reply->header.source != kHostId);
  CHECK(reply->header.message_id != 0);
  CHECK(code_of(reply->as<Tick>()) == ErrorCode::InvalidMessage);
}

TEST_CASE("far more messages than the queues hold pass in order") {
  Runtime runtime = make_runtime();
  auto kernel =
      runtime.launch<Add>("add", LaunchOptions{}.with_queue_capacity(64), {.amount = 1}).value();
  constexpr uint64_t kCount = 20'000;
  std::thread sender([&] { send_all(kernel, kCount); });
  bool ordered = true;
  for (uint64_t i = 0; i < kCount; ++i) {
    Number n = receive(kernel);
    ordered = ordered && n.id == i && n.value == i + 1;
  }
  sender.join();
  CHECK(ordered);
  CHECK(code_of(kernel.try_receive()) == ErrorCode::QueueEmpty);
}

TEST_CASE("a full queue says QueueFull at once and keeps nothing of the envelope") {
  Runtime runtime = make_runtime();
  auto kernel =
      runtime
          .launch<Add>("add", LaunchOptions{}.with_queue_capacity(8).without_auto_activate(),
                       {.amount = 0})
          .value();
  uint64_t accepted = 0;
  while (kernel.try_send(Number{accepted, 0, accepted})) ++accepted;
  CHECK(accepted == 8);
  CHECK(code_of(kernel.try_send(Number{99, 0, 0})) == ErrorCode::QueueFull);
  CHECK(code_of(kernel.send(Number{99, 0, 0}, 5ms)) == ErrorCode::Timeout);
  CHECK(kernel.status().input_queue_depth == 8);
  ok(kernel.activate());
  for (uint64_t i = 0; i < accepted; ++i) CHECK(receive(kernel).id == i);
  CHECK(code_of(kernel.try_receive()) == ErrorCode::QueueEmpty);
}

TEST_CASE("capacities that are no power of two are rounded up") {
  Runtime runtime = make_runtime();
  auto kernel =
      runtime
          .launch<Add>("add", LaunchOptions{}.with_queue_capacity(100).without_auto_activate(),
                       {.amount = 0})
          .value();
  uint64_t accepted = 0;
  while (kernel.try_send(Number{accepted, 0, 0})) ++accepted;
  CHECK(accepted == 128);
}

TEST_CASE("the lifecycle allows its transitions and names both states for the others") {
  Runtime runtime = make_runtime();
  auto kernel =
      runtime.launch<Add>("add", LaunchOptions{}.without_auto_activate(), {.amount = 0}).value();
  CHECK(kernel.state() == KernelState::Launched);
  CHECK(code_of(kernel.deactivate()) == ErrorCode::InvalidStateTransition);
  ok(kernel.send(Number{1, 0, 1}));
  CHECK(code_of(kernel.receive_timeout(5ms)) == ErrorCode::Timeout);
  ok(kernel.activate());
  CHECK(receive(kernel).id == 1);
  auto again = kernel.activate();
  CHECK(code_of(again) == ErrorCode::InvalidStateTransition);
  CHECK(again.error().message.find("from active to active") != std::string::npos);
  ok(kernel.suspend());
  CHECK(kernel.state() == KernelState::Deactivated);
  ok(kernel.send(Number{2, 0, 2}));
  CHECK(code_of(kernel.receive_timeout(5ms)) == ErrorCode::Timeout);
  ok(kernel.resume());
  CHECK(receive(kernel).id == 2);
  ok(kernel.terminate());
  CHECK(kernel.is_terminated());
  ok(kernel.wait(1s));
  CHECK(code_of(kernel.activate()) == ErrorCode::InvalidStateTransition);
  CHECK(code_of(kernel.send(Number{3, 0, 3})) == ErrorCode::Closed);
  CHECK(code_of(kernel.receive_timeout(30s)) == ErrorCode::Closed);
}

TEST_CASE("a terminated id can be launched again, a running one cannot") {
  Runtime runtime = make_runtime();
  for (int round = 0; round < 20; ++round) {
    auto kernel = runtime.launch<Add>("again", {}, {.amount = 1}).value();
    CHECK(code_of(runtime.launch<Add>("again")) == ErrorCode::KernelAlreadyExists);
    ok(kernel.send(Number{1, 0, 1}));
    CHECK(receive(kernel).value == 2);
    ok(kernel.terminate());
    CHECK_FALSE(runtime.get_kernel("again").has_value());
  }
  CHECK(runtime.list_kernels().empty());
  CHECK(runtime.metrics().total_launched == 20);
}

TEST_CASE("on_start runs in every block before messages, on_stop when it is terminated") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Lifecycle>("life", LaunchOptions::multi_block(3, 32)).value();
  auto started = receive(kernel, 3);
  std::set<uint32_t> blocks;
  for (const Number& n : started) {
    CHECK(n.id == 1);
    blocks.insert(n.key);
  }
  CHECK(blocks.size() == 3);
  ok(kernel.send(Number{2, 0, 0}));
  Number n = receive(kernel);
  CHECK(n.id == 2);
  CHECK(n.value == 1);
  ok(kernel.terminate());
  for (const Number& stop : receive(kernel, 3)) CHECK(stop.id == 3);
  CHECK(code_of(kernel.receive()) == ErrorCode::Closed);
}

TEST_CASE("two receivers on one queue share the messages") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Add>("add", {}, {.amount = 0}).value();
  constexpr uint64_t kCount = 20'000;
  std::atomic<uint64_t> received{0};
  std::vector<std::atomic<uint8_t>> seen(kCount);
  auto work = [&] {
    for (;;) {
      auto got = kernel.receive_timeout(30s);
      if (!got) return;
      seen[got->as<Number>()->id].fetch_add(1);
      received.fetch_add(1);
    }
  };
  std::thread a(work), b(work);
  std::thread c([&] {
    for (uint64_t i = 0; i < kCount; i += 2) ok(kernel.send(Number{i, 0, 0}, 30s));
  });
  std::thread d([&] {
    for (uint64_t i = 1; i < kCount; i += 2) ok(kernel.send(Number{i, 0, 0}, 30s));
  });
  c.join();
  d.join();
  eventually([&] { return received.load() == kCount; });
  ok(kernel.terminate());
  a.join();
  b.join();
  CHECK(std::all_of(seen.begin(), seen.end(), [](auto& n) { return n.load() == 1; }));
}

TEST_CASE("State is per key, and a key's messages keep their order over blocks and workers") {
  for (uint32_t workers : {1U, 4U}) {
    for (uint32_t blocks : {1U, 4U}) {
      CAPTURE(workers);
      CAPTURE(blocks);
      Runtime runtime = make_runtime(workers);
      auto kernel = runtime.launch<Count>("count", LaunchOptions::multi_block(blocks, 32)).value();
      constexpr uint64_t kCount = 5'000;
      std::thread sender([&] { send_all(kernel, kCount, 31); });
      std::map<uint32_t, uint64_t> next;
      bool right = true;
      for (uint64_t i = 0; i < kCount; ++i) {
        Number n = receive(kernel);
        right = right && n.value == next[n.key]++ && n.id == n.value * 31 + n.key;
      }
      sender.join();
      CHECK(right);
      CHECK(next.size() == 31);
    }
  }
}

TEST_CASE("a message without a key visits every key, and so does on_stop") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Window>("window", LaunchOptions::multi_block(2, 32)).value();
  for (uint32_t key = 0; key < 10; ++key) ok(kernel.send(Number{0, key, key}));
  ok(kernel.send(Tick{5}));
  std::map<uint32_t, uint64_t> sums;
  for (const Number& n : receive(kernel, 10)) {
    CHECK(n.id == 5);
    sums[n.key] = n.value;
  }
  CHECK(sums.size() == 10);
  for (auto [key, sum] : sums) CHECK(sum == key);
  ok(kernel.send(Number{0, 3, 33}));
  ok(kernel.terminate());
  uint64_t last = 0;
  for (const Number& n : receive(kernel, 10)) {
    CHECK(n.id == 999);
    last += n.value;
  }
  CHECK(last == 33);
}

TEST_CASE("a visit of more keys than the queue holds pauses and goes on") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Window>("window", LaunchOptions{}.with_queue_capacity(16)).value();
  for (uint32_t key = 0; key < 500; ++key) ok(kernel.send(Number{0, key, 1}, 30s));
  ok(kernel.send(Tick{6}));
  uint64_t sum = 0;
  for (const Number& n : receive(kernel, 500)) sum += n.value;
  CHECK(sum == 500);
}

TEST_CASE("what comes over another wire waits until a visit of every key is over") {
  Runtime runtime = make_runtime();
  auto from = runtime.launch<Add>("from", {}, {.amount = 0}).value();
  auto kernel = runtime.launch<Window>("window", LaunchOptions{}.with_queue_capacity(16)).value();
  ok(runtime.connect(from.port("out"), kernel));
  constexpr uint32_t kKeys = 100;
  for (uint32_t key = 0; key < kKeys; ++key) ok(kernel.send(Number{0, key, 1}, 30s));
  ok(kernel.send(Tick{6}, 30s));
  // The visit has begun, and pauses for want of room.
  std::vector<Number> sums{receive(kernel)};
  for (uint32_t key = kKeys; key-- > 0;) ok(from.send(Number{0, key, 1000}, 30s));
  eventually([&] { return from.metrics().messages_processed >= 16; });
  for (const Number& n : receive(kernel, kKeys - 1)) sums.push_back(n);
  for (const Number& n : sums) {
    CHECK(n.id == 6);
    CHECK(n.value == 1);
  }
  eventually([&] { return kernel.metrics().messages_processed == 2 * kKeys + 1; });
  CHECK(kernel.metrics().messages_received == 2 * kKeys + 1);
  ok(kernel.send(Tick{7}));
  for (const Number& n : receive(kernel, kKeys)) CHECK(n.value == 1000);
  CHECK(runtime.wait_idle());
}

TEST_CASE("further keys than key_capacity fail, whatever their block") {
  std::mutex mutex;
  std::map<std::string, int> reasons;
  Runtime runtime = builder()
                        .on_dead_letter([&](const DeadMessage& dead) {
                          std::lock_guard lock(mutex);
                          ++reasons[dead.reason];
                        })
                        .build()
                        .value();
  auto kernel = runtime
                    .launch_module("count", module_of<Count>(), LaunchOptions::multi_block(4, 32),
                                   nullptr, 0, 10)
                    .value();
  for (uint32_t key = 0; key < 25; ++key) ok(kernel.send(Number{key, key, 0}));
  for (uint32_t key = 0; key < 25; ++key) ok(kernel.send(Number{key, key, 0}));
  receive(kernel, 20);
  REQUIRE(runtime.wait_idle());
  eventually([&] {
    std::lock_guard lock(mutex);
    return reasons["keys_full"] == 30;
  });
  CHECK(kernel.metrics().messages_failed == 30);
}

TEST_CASE("a message that fails has emitted nothing, and becomes a dead letter with its payload") {
  std::mutex mutex;
  std::vector<DeadMessage> dead;
  Runtime runtime = builder()
                        .on_dead_letter([&](const DeadMessage& letter) {
                          std::lock_guard lock(mutex);
                          dead.push_back(letter);
                        })
                        .build()
                        .value();
  auto kernel = runtime.launch<Unruly>("unruly").value();
  for (uint64_t id = 0; id < 6; ++id) ok(kernel.send(Number{id, 0, 10 * id}));
  std::vector<uint64_t> passed;
  for (const Number& n : receive(kernel, 3)) passed.push_back(n.id);
  CHECK(passed == std::vector<uint64_t>{0, 4, 5});
  eventually([&] {
    std::lock_guard lock(mutex);
    return dead.size() == 3;
  });
  CHECK(dead[0].reason == "failed");
  CHECK(dead[0].detail == "asked to fail");
  CHECK(dead[0].envelope.as<Number>()->value == 10);
  CHECK(dead[0].kernel == "unruly");
  CHECK(dead[0].edge == "host:unruly");
  CHECK(dead[1].reason == "threw");
  CHECK(dead[1].detail == "asked to throw");
  CHECK(dead[2].reason == "max_exceeded");
  KernelMetrics m = kernel.metrics();
  CHECK(m.messages_received == 6);
  CHECK(m.messages_processed == 6);
  CHECK(m.messages_failed == 3);
  CHECK(m.messages_sent == 3);
  CHECK(runtime.metrics().dead_letters == 3);
}

TEST_CASE("a request has exactly one completion") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Double>("double").value();
  auto reply = kernel.call<Number>(Number{1, 0, 21}, 30s);
  ok(reply);
  CHECK(reply->value == 42);
  CHECK(code_of(kernel.call<Number>(Number{7, 0, 0}, 30s)) == ErrorCode::NoReply);
  auto failed = kernel.call<Number>(Number{8, 0, 0}, 30s);
  CHECK(code_of(failed) == ErrorCode::KernelFailed);
  CHECK(failed.error().message.find("will not") != std::string::npos);
  ok(kernel.deactivate());
  CHECK(code_of(kernel.call<Number>(Number{2, 0, 1}, 5ms)) == ErrorCode::Timeout);
  ok(kernel.activate());  // the late reply finds nobody
  ok(kernel.call<Number>(Number{3, 0, 1}, 30s));
  ok(kernel.send(Number{4, 0, 1}));  // nobody asked
  REQUIRE(runtime.wait_idle());
  RuntimeMetrics m = runtime.metrics();
  CHECK(m.requests_sent == 5);
  CHECK(m.requests_replied == 2);
  CHECK(m.requests_failed == 1);
  CHECK(m.requests_no_reply == 1);
  CHECK(m.requests_timed_out == 1);
  CHECK(m.requests_pending == 0);
}

TEST_CASE("many threads call at once and each gets its own reply") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Double>("double", LaunchOptions::multi_block(2, 32)).value();
  std::atomic<uint64_t> wrong{0};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 500; ++i) {
        uint64_t value = t * 1000 + i;
        auto reply = kernel.call<Number>(Number{100, 0, value}, 30s);
        if (!reply || reply->value != 2 * value) wrong.fetch_add(1);
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(wrong.load() == 0);
}

TEST_CASE("a forwarded request is answered by the kernel it ends at, and hops are limited") {
  Runtime runtime = make_runtime();
  auto first = runtime.launch<Forward>("first").value();
  auto second = runtime.launch<Forward>("second").value();
  auto last = runtime.launch<Double>("last").value();
  ok(runtime.connect(first.port("out"), second));
  ok(runtime.connect(second.port("out"), last));
  auto reply = first.call<Number>(Number{1, 0, 4}, 30s);
  ok(reply);
  CHECK(reply->value == 8);
  auto a = runtime.launch<Forward>("a").value();
  auto b = runtime.launch<Forward>("b").value();
  ok(runtime.connect(a.port("out"), b));
  ok(runtime.connect(b.port("out"), a));
  CHECK(code_of(a.call<Number>(Number{1, 0, 4}, 30s)) == ErrorCode::MaxHopsExceeded);
}

TEST_CASE("kernels talk to each other, and two senders of one kernel lose nothing") {
  Runtime runtime = make_runtime();
  auto quiet = LaunchOptions{}.without_auto_activate();
  auto a = runtime.launch<Source>("a", quiet, {.count = 10'000}).value();
  auto b = runtime.launch<Source>("b", quiet, {.count = 10'000}).value();
  auto both = runtime.launch<Count>("both", LaunchOptions{}.with_queue_capacity(32)).value();
  ok(runtime.connect(a.port("out"), both));
  ok(runtime.connect(b.port("out"), both));
  ok(a.activate());
  ok(b.activate());
  std::map<uint32_t, uint64_t> seen;
  std::map<uint64_t, int> copies;
  bool counted = true;
  for (const Number& n : receive(both, 20'000)) {
    counted = counted && n.value == seen[n.key]++;
    ++copies[n.id];
  }
  CHECK(counted);
  CHECK(copies.size() == 10'000);
  CHECK(std::all_of(copies.begin(), copies.end(), [](auto& c) { return c.second == 2; }));
  CHECK(runtime.wait_idle());
}

TEST_CASE("a port fans out to every wire") {
  Runtime runtime = make_runtime();
  auto in = runtime.launch<Add>("in", {}, {.amount = 0}).value();
  auto x = runtime.launch<Add>("x", {}, {.amount = 1}).value();
  auto y = runtime.launch<Add>("y", LaunchOptions::multi_block(3, 1), {.amount = 2}).value();
  ok(runtime.connect(in.port("out"), x));
  ok(runtime.connect(in.port("out"), y, {.route = Route::All}));
  ok(in.send(Number{1, 0, 10}));
  CHECK(receive(x).value == 11);
  for (const Number& n : receive(y, 3)) CHECK(n.value == 12);
}

TEST_CASE("errors of connect say what does not fit") {
  Runtime runtime = make_runtime();
  auto add = runtime.launch<Add>("add").value();
  CHECK(code_of(runtime.connect(add.port("nope"), add)) == ErrorCode::ValidationError);
  CHECK(code_of(runtime.connect({"nobody", "out"}, add)) == ErrorCode::KernelNotFound);
  CHECK(code_of(add.send(Tick{1})) == ErrorCode::InvalidMessage);
}

TEST_CASE(
    "policies of a full edge: what is dropped or refused is counted, the newest or the oldest "
    "stays") {
  struct Case {
    OnFull policy;
    uint64_t dropped, failed, dead;
    uint64_t first;
  };
  for (Case c : {Case{OnFull::DropNewest, 6, 0, 0, 0}, Case{OnFull::DropOldest, 6, 0, 0, 6},
                 Case{OnFull::DeadLetter, 0, 6, 6, 0}, Case{OnFull::Fail, 0, 6, 6, 0}}) {
    CAPTURE(static_cast<int>(c.policy));
    std::atomic<uint64_t> dead{0};
    Runtime runtime = builder()
                          .on_dead_letter([&](const DeadMessage& letter) {
                            CHECK(letter.reason == "queue_full");
                            dead.fetch_add(1);
                          })
                          .build()
                          .value();
    auto from = runtime.launch<Add>("from", {}, {.amount = 0}).value();
    auto to =
        runtime
            .launch<Add>("to", LaunchOptions{}.with_input_queue_capacity(4).without_auto_activate(),
                         {.amount = 0})
            .value();
    ok(runtime.connect(from.port("out"), to, {.on_full = c.policy}));
    send_all(from, 10);
    eventually([&] { return to.metrics().input_queue_depth == 4; });
    eventually([&] { return from.metrics().messages_processed == 10 && dead.load() == c.dead; });
    // OnFull::Fail: the message in hand fails, and has sent nothing.
    CHECK(from.metrics().messages_sent == (c.policy == OnFull::Fail ? 4 : 10));
    ok(to.activate());
    auto got = receive(to, 4);
    for (uint64_t i = 0; i < 4; ++i) CHECK(got[i].id == c.first + i);
    REQUIRE(runtime.wait_idle());
    CHECK(to.metrics().messages_dropped == c.dropped);
    CHECK(dead.load() == c.dead);
    CHECK(code_of(to.try_receive()) == ErrorCode::QueueEmpty);
  }
}

TEST_CASE("a kernel that waits for a full edge blocks its senders in turn, and loses nothing") {
  Runtime runtime = make_runtime();
  auto a = runtime.launch<Add>("a", LaunchOptions{}.with_queue_capacity(4), {.amount = 0}).value();
  auto b = runtime
               .launch<Add>("b", LaunchOptions{}.with_queue_capacity(4).without_auto_activate(),
                            {.amount = 0})
               .value();
  ok(runtime.connect(a.port("out"), b));
  // a's inbox, one batch in a's hand, b's inbox: then the host has to wait.
  uint64_t accepted = 0;
  while (a.send(Number{accepted, 0, 0}, 1s)) ++accepted;
  CHECK(accepted >= 8);
  CHECK(a.metrics().input_queue_depth == 4);
  ok(b.activate());
  for (uint64_t i = 0; i < accepted; ++i) CHECK(receive(b).id == i);
}

TEST_CASE("terminating a receiver closes its edges: what comes later is a dead letter") {
  std::atomic<uint64_t> terminated{0};
  Runtime runtime = builder()
                        .on_dead_letter([&](const DeadMessage& letter) {
                          if (letter.reason == "receiver_terminated") terminated.fetch_add(1);
                        })
                        .build()
                        .value();
  auto from = runtime.launch<Add>("from", {}, {.amount = 0}).value();
  auto to = runtime.launch<Swallow>("to").value();
  ok(runtime.connect(from.port("out"), to));
  send_all(from, 100);
  REQUIRE(runtime.wait_idle());
  ok(to.terminate());
  send_all(from, 10);
  eventually([&] { return terminated.load() == 10; });
  CHECK(to.metrics().messages_processed == 100);
}

TEST_CASE("a deadline that has passed fails the message before its handler") {
  std::atomic<uint64_t> late{0};
  Runtime runtime = builder()
                        .on_dead_letter([&](const DeadMessage& letter) {
                          if (letter.reason == "deadline_passed") late.fetch_add(1);
                        })
                        .build()
                        .value();
  auto kernel = runtime.launch<Add>("add", {}, {.amount = 0}).value();
  Envelope envelope = Envelope::of(Number{1, 0, 0});
  envelope.header.deadline = 1;  // 1970
  ok(kernel.send_envelope(envelope));
  envelope.header.deadline = ~uint64_t{0} >> 12;
  ok(kernel.send_envelope(envelope));
  CHECK(receive(kernel).id == 1);
  eventually([&] { return late.load() == 1; });
  CHECK(code_of(kernel.try_receive()) == ErrorCode::QueueEmpty);
}

TEST_CASE("the priority strategy takes the highest level first") {
  Runtime runtime = make_runtime();
  auto kernel =
      runtime
          .launch<Add>(
              "add",
              LaunchOptions{}.with_scheduler(SchedulerConfig::priority(4)).without_auto_activate(),
              {.amount = 0})
          .value();
  for (uint64_t i = 0; i < 12; ++i) {
    Envelope envelope = Envelope::of(Number{i, 0, 0});
    envelope.header.priority = static_cast<uint8_t>(i % 4);
    ok(kernel.send_envelope(envelope));
  }
  ok(kernel.activate());
  std::vector<uint64_t> order;
  for (const Number& n : receive(kernel, 12)) order.push_back(n.id);
  CHECK(order == std::vector<uint64_t>{3, 7, 11, 2, 6, 10, 1, 5, 9, 0, 4, 8});
}

TEST_CASE("round robin shares one inbox among the blocks, work stealing helps a sibling") {
  for (auto config : {SchedulerConfig::round_robin(),
                      SchedulerConfig::work_stealing(4).with_share_threshold(8)}) {
    CAPTURE(static_cast<int>(config.strategy));
    Runtime runtime = make_runtime(4);
    auto kernel = runtime
                      .launch<Add>("add", LaunchOptions::multi_block(4, 1).with_scheduler(config),
                                   {.amount = 1})
                      .value();
    std::thread sender([&] { send_all(kernel, 10'000); });
    std::vector<bool> seen(10'000);
    for (const Number& n : receive(kernel, 10'000)) {
      CHECK_FALSE(seen[n.id]);
      seen[n.id] = true;
    }
    sender.join();
  }
  Runtime runtime = make_runtime();
  auto keyed = runtime.launch<Count>(
      "keyed", LaunchOptions{}.with_scheduler(SchedulerConfig::work_stealing(4)));
  CHECK(code_of(keyed) == ErrorCode::InvalidConfig);
}

TEST_CASE("an event-driven kernel handles its messages in batches") {
  Runtime runtime = make_runtime();
  auto kernel =
      runtime.launch<Add>("add", LaunchOptions{}.with_mode(KernelMode::EventDriven), {.amount = 1})
          .value();
  std::thread sender([&] { send_all(kernel, 1000); });
  for (uint64_t i = 0; i < 1000; ++i) CHECK(receive(kernel).id == i);
  sender.join();
  CHECK(kernel.status().mode == KernelMode::EventDriven);
  CHECK(kernel.metrics().invocations >= 1);
  CHECK(kernel.metrics().invocations <= 1000);
}

TEST_CASE("what all threads of a block emit together goes over a wire once") {
  Runtime runtime = make_runtime();
  auto team = runtime.launch<Team>("team", LaunchOptions::single_block(16).with_threads(4)).value();
  auto swallow = runtime.launch<Swallow>("swallow").value();
  ok(runtime.connect(team.port("out"), swallow));
  send_all(team, 100);
  REQUIRE(runtime.wait_idle());
  CHECK(swallow.metrics().messages_processed == 100);
}

TEST_CASE("a grid keeps State per key, resident or started per batch, and is wired as others are") {
  for (const KernelMode mode : {KernelMode::Persistent, KernelMode::EventDriven}) {
    CAPTURE(to_string(mode));
    Runtime runtime = make_runtime();
    auto in = runtime.launch<Add>("in", {}, {.amount = 0}).value();
    auto grid =
        runtime
            .launch<GridCount>(
                "grid",
                LaunchOptions::multi_block(2, 32).with_threads(2).with_mode(mode).with_batch(16,
                                                                                             0us))
            .value();
    auto out = runtime.launch<Add>("out", {}, {.amount = 1}).value();
    ok(runtime.connect(in.port("out"), grid));
    ok(runtime.connect(grid.port("out"), out));
    std::thread sender([&] { send_all(in, 500, 5); });
    std::map<uint32_t, uint64_t> next;
    for (uint64_t i = 0; i < 500; ++i) {
      const Number n = receive(out);
      CHECK(n.id == i);
      CHECK(n.value == ++next[n.key]);
    }
    sender.join();
    REQUIRE(runtime.wait_idle());
    CHECK(grid.metrics().messages_failed == 0);
  }
}

TEST_CASE("several threads of a block give what one gives") {
  for (uint32_t threads : {1U, 4U}) {
    CAPTURE(threads);
    Runtime runtime = make_runtime();
    auto options = LaunchOptions::single_block(16).with_threads(threads);
    auto team = runtime.launch<Team>("team", options).value();
    ok(team.send(Number{1, 0, 1000}));
    Number n = receive(team);
    CHECK(n.value == 999 * 1000 / 2);
    if (backend_under_test() == Backend::Cpu) CHECK(n.key == threads);  // a GPU has block_size
    auto parallel = runtime.launch<Parallel>("parallel", options).value();
    ok(parallel.send(Number{1, 0, 0}));
    CHECK(receive(parallel).value == 85344);
    auto each = runtime.launch<Threads>("threads", options).value();
    std::thread sender([&] { send_all(each, 2000, 5); });
    std::map<uint32_t, uint64_t> next;
    uint64_t last = 0;
    bool right = true;
    for (uint64_t i = 0; i < 1980; ++i) {
      Number got = receive(each);
      right = right && got.value == next[got.key]++ && (i == 0 || got.id > last);
      last = got.id;
    }
    sender.join();
    CHECK(right);
    REQUIRE(runtime.wait_idle());
    CHECK(each.metrics().messages_failed == 20);
  }
}

TEST_CASE("shared memory is the block's own, zeroed, and null where it is too small") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Shared>("shared", LaunchOptions{}.with_shared_memory(64)).value();
  ok(kernel.send(Number{1, 0, 7}));
  ok(kernel.send(Number{2, 0, 8}));
  CHECK(receive(kernel).value == 0);
  CHECK(receive(kernel).value == 7);
  auto small = runtime.launch<Shared>("small").value();
  ok(small.send(Number{1, 0, 7}));
  CHECK(receive(small).value == 12345);
}

TEST_CASE("a port's max is the most a message may emit") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Fan>("fan", LaunchOptions{}.with_queue_capacity(8)).value();
  ok(kernel.send(Number{1, 0, 8}));
  ok(kernel.send(Number{2, 0, 9}));
  ok(kernel.send(Number{3, 0, 1}));
  auto got = receive(kernel, 9);
  CHECK(got[8].id == 3);
  REQUIRE(runtime.wait_idle());
  CHECK(kernel.metrics().messages_failed == 1);
}

TEST_CASE("a descriptor tells event loops that something can be received") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Add>("add", {}, {.amount = 0}).value();
  int fd = kernel.receive_descriptor().value();
  while (kernel.try_receive()) {
  }
  pollfd p{fd, POLLIN, 0};
  CHECK(poll(&p, 1, 0) == 0);
  ok(kernel.send(Number{1, 0, 0}));
  CHECK(poll(&p, 1, 30'000) == 1);
  CHECK(kernel.try_receive().has_value());
  CHECK(code_of(kernel.try_receive()) == ErrorCode::QueueEmpty);
  CHECK(poll(&p, 1, 0) == 0);
}

TEST_CASE("delivery status says what became of a message") {
  Runtime runtime = make_runtime();
  auto kernel =
      runtime
          .launch<Add>("add", LaunchOptions{}.with_queue_capacity(2).without_auto_activate(),
                       {.amount = 0})
          .value();
  Envelope envelope = Envelope::of(Number{1, 0, 0});
  CHECK(runtime.deliver("nobody", envelope) == DeliveryStatus::NotFound);
  CHECK(runtime.deliver("add", envelope) == DeliveryStatus::Pending);
  CHECK(runtime.deliver("add", envelope) == DeliveryStatus::Pending);
  CHECK(runtime.deliver("add", envelope) == DeliveryStatus::QueueFull);
  CHECK(runtime.deliver("add", envelope, 5ms) == DeliveryStatus::Timeout);
  ok(kernel.activate());
  receive(kernel, 2);
  CHECK(runtime.deliver("add", envelope) == DeliveryStatus::Delivered);
  envelope.header.hops = kMaxHops + 1;
  CHECK(runtime.deliver("add", envelope) == DeliveryStatus::MaxHopsExceeded);
}

TEST_CASE("the figures of status and metrics are counted") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Add>("add", {}, {.amount = 0}).value();
  send_all(kernel, 100);
  receive(kernel, 60);
  REQUIRE([&] {
    eventually([&] { return kernel.metrics().output_queue_depth == 40; });
    return true;
  }());
  KernelStatus s = kernel.status();
  CHECK(s.id == "add");
  CHECK(s.state == KernelState::Active);
  CHECK(s.messages_processed == 100);
  CHECK(s.input_queue_depth == 0);
  CHECK(s.output_queue_depth == 40);
  CHECK(s.uptime.count() > 0);
  KernelMetrics m = kernel.metrics();
  CHECK(m.messages_received == 100);
  CHECK(m.messages_sent == 100);
  CHECK(m.latency_max_us >= m.latency_min_us);
  CHECK(m.latency_p99_us >= m.latency_p50_us);
  CHECK(m.host_memory_used > 0);
  const bool on_gpu = backend_under_test() == Backend::Cuda;
  CHECK(m.gpu_launched == on_gpu);
  CHECK((m.bytes_to_device > 0) == on_gpu);
  CHECK((m.bytes_from_device > 0) == on_gpu);
  if (!on_gpu) CHECK(m.bytes_polled == 0);
  CHECK((m.gpu_memory_used > 0) == on_gpu);
  RuntimeMetrics r = runtime.metrics();
  CHECK(r.active_kernels == 1);
  CHECK(r.messages_sent == 100);
  CHECK(r.messages_received == 60);
  CHECK(r.host_memory_used > 0);
  CHECK(runtime.kernel_metrics("add").has_value());
  CHECK_FALSE(runtime.kernel_metrics("nobody").has_value());
  receive(kernel, 40);
  ok(runtime.shutdown());
  CHECK(runtime.metrics().active_kernels == 0);
}

TEST_CASE("what a handler logs is told with its number, however long") {
  std::mutex mutex;
  std::vector<std::string> lines;
  Runtime runtime =
      builder()
          .on_log(
              [&](std::string_view kernel, LogLevel level, std::string_view text, double number) {
                CHECK(kernel == "talker");
                CHECK(level == LogLevel::Warning);
                std::lock_guard lock(mutex);
                lines.push_back(std::string(text) + " " + std::to_string(static_cast<int>(number)));
              })
          .build()
          .value();
  auto kernel = runtime.launch<Talker>("talker").value();
  ok(kernel.send(Number{0, 0, 7}));
  ok(kernel.send(Number{1, 0, 8}));
  REQUIRE(runtime.wait_idle());
  std::lock_guard lock(mutex);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "short 7");
  CHECK(lines[1].ends_with("than some eighty or so 8"));
}

TEST_CASE("an on_start that fails has sent nothing and is a dead letter, and messages go on") {
  std::atomic<uint64_t> dead{0};
  Runtime runtime = builder()
                        .on_dead_letter([&](const DeadMessage& letter) {
                          CHECK(letter.reason == "failed");
                          ++dead;
                        })
                        .build()
                        .value();
  auto kernel = runtime.launch<BadStart>("bad").value();
  ok(kernel.send(Number{5, 0, 0}));
  CHECK(receive(kernel).id == 5);
  eventually([&] { return dead.load() == 1; });
  CHECK(kernel.metrics().last_error == "failed: not today");
  REQUIRE(runtime.wait_idle());
  CHECK(code_of(kernel.try_receive()) == ErrorCode::QueueEmpty);
}

TEST_CASE("a request whose forwarded copy finds no room is answered with that") {
  Runtime runtime = make_runtime();
  auto forward = runtime.launch<Forward>("forward").value();
  auto full = runtime.launch<Swallow>("full", quiet().with_input_queue_capacity(4)).value();
  ok(runtime.connect(forward.port("out"), full, {.on_full = OnFull::DropNewest}));
  send_all(forward, 4);
  eventually([&] { return full.metrics().input_queue_depth == 4; });
  CHECK(code_of(forward.call<Number>(Number{9, 0, 0}, 30s)) == ErrorCode::QueueFull);
  ok(full.activate());
  REQUIRE(runtime.wait_idle());
}

TEST_CASE("what comes through a kernel to a full edge fails there, where the edge says so") {
  std::atomic<uint64_t> dead{0};
  Runtime runtime = builder().on_dead_letter([&](const DeadMessage&) { ++dead; }).build().value();
  auto in = runtime.launch<Add>("in", {}, {.amount = 1}).value();
  auto middle = runtime.launch<Add>("middle", {}, {.amount = 1}).value();
  auto full = runtime.launch<Swallow>("full", quiet().with_input_queue_capacity(4)).value();
  ok(runtime.connect(in.port("out"), middle));
  ok(runtime.connect(middle.port("out"), full, {.on_full = OnFull::Fail}));
  send_all(in, 10);
  eventually([&] { return dead.load() == 6; });
  eventually([&] { return middle.metrics().messages_processed == 10; });
  CHECK(middle.metrics().messages_failed == 6);
  CHECK(full.metrics().input_queue_depth == 4);
  ok(full.activate());
  REQUIRE(runtime.wait_idle());
}

TEST_CASE("a message that visits the keys fails where an edge is full and says so") {
  std::atomic<uint64_t> dead{0};
  Runtime runtime = builder().on_dead_letter([&](const DeadMessage&) { ++dead; }).build().value();
  auto window = runtime.launch<Window>("window").value();
  auto full = runtime.launch<Swallow>("full", quiet().with_input_queue_capacity(4)).value();
  ok(runtime.connect(window.port("out"), full, {.on_full = OnFull::Fail}));
  send_all(window, 14);
  ok(window.send(Tick{1}));
  eventually([&] { return dead.load() == 1; });
  CHECK(window.metrics().messages_failed == 1);
  eventually([&] { return window.metrics().messages_processed == 15; });
  CHECK(full.metrics().input_queue_depth == 4);
  ok(full.activate());
  REQUIRE(runtime.wait_idle());
}
