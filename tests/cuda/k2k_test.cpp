// That wires between kernels of one device lie there: what the behaviour suite cannot see.
#include "backend/suite.hpp"

TEST_CASE("what one kernel sends another does not cross the bus, under any strategy") {
  for (const SchedulerConfig& scheduler : every_strategy()) {
    CAPTURE(to_string(scheduler.strategy));
    Runtime runtime = make_runtime();
    auto source =
        runtime.launch<Source>("source", LaunchOptions{}.without_auto_activate(), {.count = 1000})
            .value();
    auto options = LaunchOptions::multi_block(2, 32).with_scheduler(scheduler);
    auto middle = runtime.launch<Add>("middle", options, {.amount = 1}).value();
    auto last = runtime.launch<Swallow>("last", options).value();
    ok(runtime.connect(source.port("out"), middle));
    ok(runtime.connect(middle.port("out"), last));
    ok(source.activate());
    eventually([&] { return last.metrics().messages_processed == 1000; });
    for (const KernelHandle& kernel : {middle, last}) {
      const KernelMetrics m = kernel.metrics();
      CHECK(m.bytes_to_device == 0);
      CHECK(m.bytes_from_device == 0);
      CHECK(m.messages_received == 1000);
      CHECK(m.latency_max_us >= m.latency_min_us);
    }
    eventually([&] { return last.metrics().latency_histogram.size() > 0; });
    REQUIRE(runtime.wait_idle());
  }
}

TEST_CASE("wires that the device's rings cannot serve go through the host, with the same result") {
  Runtime runtime = make_runtime();
  auto in = runtime.launch<Add>("in", {}, {.amount = 1}).value();
  auto events =
      runtime
          .launch<Add>("events", LaunchOptions{}.with_mode(KernelMode::EventDriven), {.amount = 1})
          .value();
  auto policy = runtime.launch<Add>("policy", {}, {.amount = 2}).value();
  ok(runtime.connect(in.port("out"), events));
  ok(runtime.connect(in.port("out"), policy, {.on_full = OnFull::DropNewest}));
  send_all(in, 100);
  for (uint64_t i = 0; i < 100; ++i) {
    CHECK(receive(events).value == i + 2);
    CHECK(receive(policy).value == i + 3);
  }
  CHECK(events.metrics().bytes_to_device > 0);
  CHECK(policy.metrics().bytes_to_device > 0);
}

TEST_CASE("more wires than a block has room for go through the host") {
  Runtime runtime = make_runtime();
  auto in = runtime.launch<Add>("in", {}, {.amount = 0}).value();
  std::vector<KernelHandle> all;
  for (int i = 0; i < 18; ++i) {  // 16 of a port lie on the device
    all.push_back(runtime.launch<Add>("to" + std::to_string(i), {}, {.amount = 1}).value());
    ok(runtime.connect(in.port("out"), all.back()));
  }
  ok(in.send(Number{1, 0, 1}));
  for (const KernelHandle& kernel : all) CHECK(receive(kernel).value == 2);
  CHECK(all[15].metrics().bytes_to_device == 0);
  CHECK(all[16].metrics().bytes_to_device > 0);
  CHECK(runtime.wait_idle());
}
