// That wires between kernels of one device lie there: what the behaviour suite cannot see.
#include <fstream>

#include "backend/suite.hpp"
#include "cuda/simulated_driver.hpp"
#include "ringkernel/launcher.hpp"
#include "unit/launcher/scratch_folder.hpp"

namespace {

uint64_t looks_at_peers() {
  const auto looks =
      in_simulated_driver<decltype(&rk_simulated_looks_at_peers)>("rk_simulated_looks_at_peers");
  REQUIRE(bool(looks));
  return looks();
}

}  // namespace

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
    REQUIRE(runtime.wait_idle());
    for (const KernelHandle& kernel : {middle, last}) {
      const KernelMetrics m = kernel.metrics();
      CHECK(m.bytes_to_device == 0);
      CHECK(m.bytes_from_device == 0);
      CHECK(m.messages_received == 1000);
      CHECK(m.latency_max_us >= m.latency_min_us);
    }
    eventually([&] { return last.metrics().latency_histogram.size() > 0; });
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

TEST_CASE("a cycle takes no more in than it has credits for, and all come out") {
  const ScratchFolder folder;
  const ScopedVariable runtime_folder("XDG_RUNTIME_DIR", folder.path().c_str());
  std::ofstream(folder.path() + "/cycle.yaml") << R"(
ringk: 1
name: cycle
messages:
  Hop: {id: u64, left: u32}
kernels:
  hop:
    backend: cuda
    accepts: [Hop]
    emits: {again: Hop, out: Hop}
    code: |
      RK_HANDLER void on_message(Context& ctx, const Hop& hop) {
        if (hop.left == 0) return ctx.emit(port::out, hop);
        ctx.emit(port::again, Hop{hop.id, hop.left - 1});
      }
inputs:
  hops: {file: hops.jsonl, message: Hop}
outputs:
  done: {file: done.jsonl}
wires:
  hops: hop
  hop.again: {to: hop, credits: 2}
  hop.out: done
)";
  std::ofstream hops(folder.path() + "/hops.jsonl");
  for (int id = 0; id < 300; ++id)
    hops << R"({"id":)" << id << R"(,"left":5})"
         << "\n";
  hops.close();
  const auto topology = Topology::load(folder.path() + "/cycle.yaml").value();
  INFO(topology.report(false));
  REQUIRE(topology.valid());
  CHECK(launch(topology, {}) == ExitCode::Ok);
  std::ifstream done(folder.path() + "/done.jsonl");
  size_t lines = 0;
  for (std::string line; std::getline(done, line); ++lines)
    CHECK(line.find(R"("left":0)") != std::string::npos);
  CHECK(lines == 300);
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

static Runtime make_runtime_that_notes(std::string& last_log_line) {
  return builder()
      .on_log(
          [&](std::string_view, LogLevel, std::string_view text, double) { last_log_line = text; })
      .build()
      .value();
}

TEST_CASE("blocks of a cluster send to each other by way of their shared memory") {
  for (const auto& [cluster, capacity] :
       {std::pair{1U, 32UL}, {2U, 32UL}, {4U, 32UL}, {2U, 1UL << 16}}) {
    CAPTURE(cluster);
    CAPTURE(capacity);
    std::string notice;
    Runtime runtime = make_runtime_that_notes(notice);
    const uint64_t before = looks_at_peers();
    auto hop = runtime
                   .launch<Hop>("hop", LaunchOptions::multi_block(4, 32)
                                           .with_cluster_size(cluster)
                                           .with_input_queue_capacity(capacity))
                   .value();
    ok(runtime.connect(hop.port("out"), hop));
    for (uint64_t id = 0; id < 20; ++id) ok(hop.send(Number{id, 0, 100}));
    receive(hop, 20);
    REQUIRE(runtime.wait_idle());
    const KernelMetrics m = hop.metrics();
    CHECK(m.messages_received == 20 * 101);
    CHECK(m.bytes_to_device == 20 * slot_stride(sizeof(Number)));
    // Rings of 65,536 messages do not fit there.
    const bool fits = cluster > 1 && capacity == 32;
    CHECK((looks_at_peers() > before) == fits);
    CHECK((notice.find("lower input_queue_capacity") != std::string::npos) ==
          (cluster > 1 && !fits));
  }
}

TEST_CASE("a device without clusters says so, and does without") {
  setenv("RK_SIMULATED_WITHOUT_CLUSTERS", "1", 1);
  std::string notice;
  {
    Runtime runtime = make_runtime_that_notes(notice);
    auto hop =
        runtime.launch<Hop>("hop", LaunchOptions::multi_block(2, 32).with_cluster_size(2)).value();
    ok(runtime.connect(hop.port("out"), hop));
    ok(hop.send(Number{1, 0, 9}));
    CHECK(receive(hop).key == 9);
  }
  unsetenv("RK_SIMULATED_WITHOUT_CLUSTERS");
  CHECK(notice == "cluster_size has no effect: cuda0 has no clusters of blocks");
}
