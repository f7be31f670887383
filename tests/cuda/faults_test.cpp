// What becomes of messages when a GPU breaks. On the simulated driver, which breaks on demand.
#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "backend/suite.hpp"
#include "cuda/mapped_memory.hpp"
#include "cuda/simulated_driver.hpp"
#include "ringkernel/device/resident_frame.hpp"
#include "ringkernel/launcher.hpp"
#include "unit/launcher/scratch_folder.hpp"

ringkernel::Backend backend_under_test() { return Backend::Cuda; }
void* shared_memory(size_t bytes) { return mapped_memory(bytes); }

namespace {

// From here to the end of the scope the driver has this fault.
class Broken {
 public:
  explicit Broken(SimulatedFault fault) { simulate(fault); }
  ~Broken() { mend(); }
  void mend() { simulate(SimulatedFault::None); }

 private:
  static void simulate(SimulatedFault fault) {
    const auto told = in_simulated_driver<decltype(&rk_simulate)>("rk_simulate");
    REQUIRE(bool(told));
    told(fault);
  }
};

// Until the end of the scope this function of the driver answers CUDA_ERROR_UNKNOWN.
class FailingCall {
 public:
  explicit FailingCall(const char* function) { simulate(function); }
  ~FailingCall() { simulate(nullptr); }

 private:
  static void simulate(const char* function) {
    const auto told = in_simulated_driver<decltype(&rk_simulate_failure)>("rk_simulate_failure");
    REQUIRE(bool(told));
    told(function);
  }
};

}  // namespace

TEST_CASE("a call of the driver that fails is an error that names it, and the next launch works") {
  struct Case {
    const char* function;
    const char* said;
  };
  for (const Case& c :
       {Case{"cuDeviceGetCount", "the devices cannot be counted"},
        Case{"cuDevicePrimaryCtxRetain", "making a context on cuda0"},
        Case{"cuStreamCreateWithPriority", "making a stream on cuda0"},
        Case{"cuCtxSetCurrent", "entering the context of cuda0"},
        Case{"cuMemHostAlloc", "mapping "}, Case{"cuModuleGetFunction", "finding its entry"},
        Case{"cuFuncLoad", "loading its entry"}, Case{"cuMemcpyHtoD_v2", "copying to cuda0"}}) {
    CAPTURE(c.function);
    Runtime runtime = make_runtime();
    {
      FailingCall failing(c.function);
      const auto kernel = runtime.launch<Add>("add", {}, {.amount = 1});
      REQUIRE_FALSE(kernel.has_value());
      CAPTURE(kernel.error().message);
      CHECK(kernel.error().message.find(c.said) != std::string::npos);
      CHECK(kernel.error().message.find("CUDA_ERROR_UNKNOWN") != std::string::npos);
    }
    auto kernel = runtime.launch<Add>("add", {}, {.amount = 1}).value();
    ok(kernel.send(Number{1, 0, 1}));
    CHECK(receive(kernel).value == 2);
  }
}

TEST_CASE("a wire whose tables do not reach the device is an error, and can be made again") {
  Runtime runtime = make_runtime();
  auto from = runtime.launch<Add>("from", {}, {.amount = 1}).value();
  auto to = runtime.launch<Add>("to", {}, {.amount = 1}).value();
  {
    FailingCall failing("cuMemcpyHtoD_v2");
    const auto connected = runtime.connect(from.port("out"), to);
    REQUIRE_FALSE(connected.has_value());
    CHECK(connected.error().message.find("CUDA_ERROR_UNKNOWN") != std::string::npos);
  }
  ok(runtime.connect(from.port("out"), to));
  ok(from.send(Number{1, 0, 1}));
  CHECK(receive(to).value == 3);
}

TEST_CASE("buffers that cannot be copied are errors") {
  Runtime runtime = make_runtime();
  std::array<uint64_t, 32> sums{};
  auto kernel =
      runtime.launch<Tally>("tally", {}, {}, KernelBuffers{}.save(buf::sums, sums)).value();
  FailingCall failing("cuMemcpyDtoH_v2");
  const auto ended = kernel.terminate();
  REQUIRE_FALSE(ended.has_value());
  CHECK(ended.error().message.find("CUDA_ERROR_UNKNOWN") != std::string::npos);
}

TEST_CASE("without a device that can be used there is no runtime, and the reason is given") {
  const auto reason = [] {
    const auto built = builder().build();
    REQUIRE_FALSE(built.has_value());
    return built.error().message;
  };
  {
    FailingCall failing("cuDeviceGetCount");
    CHECK(reason().find("the devices cannot be counted") != std::string::npos);
  }
  {
    const ScopedVariable none("RK_SIMULATED_DEVICES", "0");
    CHECK(reason() == "there is no GPU");
  }
  {
    const ScopedVariable unusable("RK_SIMULATED_UNUSABLE", "memory");
    CHECK(reason().find("it cannot address the host's memory") != std::string::npos);
  }
  const ScopedVariable unusable("RK_SIMULATED_UNUSABLE", "mode");
  CHECK(reason() == "Simulated GPU: its compute mode is 'prohibited'");
}

TEST_CASE(
    "a device that is gone when a kernel is launched is an error, and so is one that is shut") {
  Runtime runtime = make_runtime();
  {
    const ScopedVariable none("RK_SIMULATED_DEVICES", "0");
    const auto kernel = runtime.launch<Swallow>("swallow");
    REQUIRE_FALSE(kernel.has_value());
    CHECK(kernel.error().message == "there is no device 0, only 0");
  }
  const ScopedVariable unusable("RK_SIMULATED_UNUSABLE", "mode");
  const auto kernel = runtime.launch<Swallow>("swallow");
  REQUIRE_FALSE(kernel.has_value());
  CHECK(kernel.error().message == "its compute mode is 'prohibited'");
}

TEST_CASE("an error that the driver has no name for is told by its number") {
  Runtime runtime = make_runtime();
  Broken broken(SimulatedFault::LaunchFails);
  FailingCall nameless("cuGetErrorName");
  const auto kernel = runtime.launch<Swallow>("swallow");
  REQUIRE_FALSE(kernel.has_value());
  CAPTURE(kernel.error().message);
  CHECK(kernel.error().message.find("CUDA error 701") != std::string::npos);
}

TEST_CASE("a block that is too large for its device is refused, with what limits it") {
  Runtime runtime = make_runtime();
  {
    Broken broken(SimulatedFault::FewRegisters);
    const auto wide = runtime.launch<Swallow>("wide", LaunchOptions::single_block(512));
    REQUIRE_FALSE(wide.has_value());
    CHECK(wide.error().message.find("a block of 512 threads is too large: 256 fit") == 0);
  }
  const auto heavy = runtime.launch<Swallow>("heavy", LaunchOptions{}.with_shared_memory(1 << 20));
  REQUIRE_FALSE(heavy.has_value());
  CHECK(heavy.error().message.find("asks for 1048576 bytes of shared memory, ") == 0);
}

TEST_CASE("a device on which this process showed no life for a lease has let its kernel go") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Swallow>("swallow").value();
  Broken broken(SimulatedFault::ClockRuns);
  REQUIRE(kernel.wait(30s));
  CHECK(kernel.state() == KernelState::Failed);
  CHECK(kernel.metrics().last_error.find("showed no life for longer than its lease") !=
        std::string::npos);
}

TEST_CASE("a kernel's blocks carry the lease that it was launched with") {
  const auto told = in_simulated_driver<decltype(&rk_simulated_argument)>("rk_simulated_argument");
  REQUIRE(bool(told));
  const auto lease_ns = [&] { return static_cast<const ResidentFrame*>(told())->lease_ns; };
  Runtime runtime = make_runtime();
  ok(runtime.launch<Swallow>("usual"));
  CHECK(lease_ns() == 5'000'000'000);
  ok(runtime.launch<Swallow>("brief", LaunchOptions{}.with_lease(250ms)));
  CHECK(lease_ns() == 250'000'000);
}

TEST_CASE("a kernel whose host is silent leaves its device when its own lease is over") {
  const auto ends = in_simulated_driver<decltype(&rk_simulated_ends)>("rk_simulated_ends");
  REQUIRE(bool(ends));
  Runtime runtime = make_runtime();
  auto patient =
      runtime.launch<Add>("patient", LaunchOptions{}.with_lease(1h), {.amount = 1}).value();
  auto brief = runtime.launch<Swallow>("brief", LaunchOptions{}.with_lease(100ms)).value();
  const unsigned long before = ends();
  {
    Broken silent(SimulatedFault::QueriesHang);
    eventually([&] { return ends() > before; });
  }
  REQUIRE(brief.wait(30s));
  CHECK(brief.state() == KernelState::Failed);
  CHECK(brief.metrics().last_error.find("showed no life for longer than its lease") !=
        std::string::npos);
  CHECK(patient.state() == KernelState::Active);
  ok(patient.send(Number{1, 0, 1}));
  CHECK(receive(patient).value == 2);
  CHECK(ends() == before + 1);
}

TEST_CASE("a batch that ends with its lease is followed by the next one") {
  Runtime runtime = make_runtime();
  Broken broken(SimulatedFault::ClockRuns);
  auto source = runtime
                    .launch<Source>("source", LaunchOptions{}.with_mode(KernelMode::EventDriven),
                                    {.count = 5'000})
                    .value();
  for (uint64_t i = 0; i < 5'000; ++i) CHECK(receive(source).value == i);
  CHECK(source.state() == KernelState::Active);
}

TEST_CASE("a launch that fails is an error with CUDA's name, and the id is free again") {
  Runtime runtime = make_runtime();
  {
    Broken broken(SimulatedFault::LaunchFails);
    auto kernel = runtime.launch<Add>("add", {}, {.amount = 1});
    REQUIRE_FALSE(kernel.has_value());
    CHECK(kernel.error().code == ErrorCode::LaunchFailed);
    CHECK(kernel.error().message.find("CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES") != std::string::npos);
  }
  auto kernel = runtime.launch<Add>("add", {}, {.amount = 1});
  ok(kernel);
  ok(kernel->send(Number{1, 0, 1}));
  CHECK(receive(*kernel).value == 2);
}

TEST_CASE("blocks that never start are an error, not a hang") {
  Runtime runtime = make_runtime();
  Broken broken(SimulatedFault::NeverStarts);
  auto kernel = runtime.launch<Add>("add", LaunchOptions{}.with_grid_size(2), {.amount = 1});
  REQUIRE_FALSE(kernel.has_value());
  CHECK(kernel.error().message.find("2 of its 2 blocks did not start") != std::string::npos);
}

TEST_CASE("a device without memory says so") {
  Runtime runtime = make_runtime();
  Broken broken(SimulatedFault::OutOfMemory);
  // More than what earlier kernels left in the device's chunks.
  auto kernel = runtime.launch<Count>("count", LaunchOptions{}.with_grid_size(32));
  REQUIRE_FALSE(kernel.has_value());
  CHECK(kernel.error().code == ErrorCode::OutOfMemory);
}

TEST_CASE("a buffer that finds no memory on its device says how much there is") {
  Runtime runtime = make_runtime();
  Broken broken(SimulatedFault::OutOfMemory);
  auto kernel = runtime.launch<Hoarder>("hoarder");
  REQUIRE_FALSE(kernel.has_value());
  CHECK(kernel.error().code == ErrorCode::OutOfMemory);
  CHECK(kernel.error().message.find("buffer 'huge' takes 4294967296 bytes, and ") == 0);
  CHECK(kernel.error().message.find(" are free on cuda0") != std::string::npos);
  CHECK(kernel.error().where == "hoarder");
}

TEST_CASE("a buffer's memory is another kernel's when its kernel has ended") {
  Runtime runtime = make_runtime();
  std::array<uint64_t, 32> sums{};
  auto kernel =
      runtime.launch<Tally>("tally", {}, {}, KernelBuffers{}.load(buf::sums, sums)).value();
  const uint64_t before = kernel.metrics().gpu_memory_used;
  CHECK(kernel.metrics().bytes_to_device == sizeof sums);
  ok(kernel.terminate());
  CHECK(kernel.metrics().gpu_memory_used <= before - sizeof sums - 32);
}

TEST_CASE("a buffer of a device that died is not saved") {
  Runtime runtime = make_runtime();
  std::array<bool, 32> seen{true, true, true};
  auto kernel =
      runtime.launch<Tally>("tally", {}, {}, KernelBuffers{}.save(buf::seen, seen)).value();
  ok(kernel.send(Number{1, 1, 1}));
  CHECK(receive(kernel).value == 1);
  Broken broken(SimulatedFault::IllegalAddress);
  REQUIRE(kernel.wait(30s));
  CHECK(kernel.state() == KernelState::Failed);
  CHECK(code_of(kernel.terminate()) == ErrorCode::InvalidStateTransition);
  CHECK(seen == std::array<bool, 32>{true, true, true});
}

TEST_CASE("a run whose device dies says once that buffers are lost, and leaves their files alone") {
  const ScratchFolder folder;
  const ScopedVariable runtime_folder("XDG_RUNTIME_DIR", folder.path().c_str());
  const ScopedVariable cache_folder("XDG_CACHE_HOME", folder.path().c_str());
  const std::string saved = folder.path() + "/seen.npy";
  std::ofstream(folder.path() + "/lost.yaml") << R"(
ringk: 1
name: lost
messages:
  Tick: {}
kernels:
  count:
    backend: cuda
    accepts: [Tick]
    buffers: {seen: {type: "u32[1]", save: seen.npy}}
    code: |
      RK_HANDLER void on_message(Context& ctx, const Tick&) { ++ctx.buffer(buf::seen)[0]; }
inputs:
  ticks: {every: 1ms, value: {}, message: Tick}
wires:
  ticks: count
run: {max_failed: 100%}
dead_letters: {file: /dev/null}
)";
  const auto topology = Topology::load(folder.path() + "/lost.yaml").value();
  INFO(topology.report(false));
  REQUIRE(topology.valid());
  std::optional<Broken> broken;
  std::string said;
  LaunchRequest request;
  request.say = [&](Voice, std::string_view text) { said.append(text).append("\n"); };
  request.on_ready = [&](const LaunchedAs&) -> Result<void> {
    broken.emplace(SimulatedFault::IllegalAddress);
    return {};
  };
  CHECK(launch(topology, request) == ExitCode::Crashed);
  CAPTURE(said);
  const std::string lost = "its buffers are lost, and not saved";
  const size_t first = said.find(lost);
  REQUIRE(first != std::string::npos);
  CHECK(said.find(lost, first + 1) == std::string::npos);
  CHECK(said.find("CUDA_ERROR_ILLEGAL_ADDRESS") < first);
  CHECK_FALSE(std::filesystem::exists(saved));
}

TEST_CASE("more resident blocks than fit are refused with the figures, and fit when others end") {
  Runtime runtime = make_runtime();
  const auto large = LaunchOptions::multi_block(40, 256);
  auto first = runtime.launch<Swallow>("first", large);
  ok(first);
  auto second = runtime.launch<Swallow>("second", large);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().message.find("asks for 40 resident blocks") != std::string::npos);
  CHECK(second.error().message.find("beside the kernels that it runs") != std::string::npos);
  CHECK(second.error().message.ends_with("limited by 256 threads per block"));
  const auto wide = runtime.launch<Swallow>(
      "wide", LaunchOptions::multi_block(60, 32).with_shared_memory(40 << 10));
  REQUIRE_FALSE(wide.has_value());
  CHECK(wide.error().message.ends_with(" bytes of shared memory per block"));
  ok(first->terminate());
  ok(runtime.launch<Swallow>("third", large));
}

TEST_CASE("a slow device gives the results of a fast one") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Count>("count").value();
  Broken broken(SimulatedFault::Slow);
  std::thread sender([&] { send_all(kernel, 500, 5); });
  std::map<uint32_t, uint64_t> next;
  for (const Number& n : receive(kernel, 500)) CHECK(n.value == next[n.key]++);
  sender.join();
  CHECK(runtime.wait_idle());
}

TEST_CASE("a device that dies fails its kernels, and every message is accounted for") {
  std::mutex mutex;
  std::map<std::string, uint64_t> dead;
  auto runtime = builder()
                     .on_dead_letter([&](const DeadMessage& letter) {
                       std::lock_guard lock(mutex);
                       ++dead[letter.reason];
                     })
                     .build()
                     .value();
  auto kernel =
      runtime.launch<Add>("add", LaunchOptions{}.with_input_queue_capacity(64), {.amount = 1})
          .value();
  uint64_t sent = 0;
  {
    Broken broken(SimulatedFault::Slow);  // so that messages are on the device
    while (sent < 300 && kernel.send(Number{sent, 0, sent}, 5s)) ++sent;
  }
  Broken broken(SimulatedFault::IllegalAddress);
  REQUIRE(kernel.wait(30s));
  CHECK(kernel.state() == KernelState::Failed);
  CHECK(kernel.metrics().last_error.find("CUDA_ERROR_ILLEGAL_ADDRESS") != std::string::npos);
  CHECK(kernel.send(Number{0, 0, 0}).error().code == ErrorCode::Closed);
  uint64_t received = 0;
  while (kernel.try_receive()) ++received;
  eventually([&] {
    while (kernel.try_receive()) ++received;
    std::lock_guard lock(mutex);
    return received + dead["device_lost"] + dead["kernel_failed"] == sent;
  });
  const KernelMetrics m = kernel.metrics();
  CHECK(m.messages_processed == m.messages_received);
  CHECK(runtime.wait_idle(30s));
}

TEST_CASE("a device that dies with a message half told keeps its payload") {
  // Where the kernel stands when its output is full, in a message or between two, is chance.
  for (bool half_told = false; !half_told;) {
    constexpr uint64_t kCount = 1'000;
    Dead dead;
    auto runtime = builder().on_dead_letter(std::ref(dead)).build().value();
    auto in = runtime.launch<Add>("in", {}, {.amount = 1}).value();
    auto last =
        runtime.launch<Add>("last", LaunchOptions{}.with_output_queue_capacity(4), {.amount = 1})
            .value();
    ok(runtime.connect(in.port("out"), last));
    send_all(in, kCount);
    // Until nothing moves: what is emitted has no room any more, and nobody receives it.
    eventually_still([&] { return last.metrics().messages_processed; }, 4);
    Broken broken(SimulatedFault::IllegalAddress);
    REQUIRE(last.wait(30s));
    uint64_t received = 0;
    for (;; ++received) {
      const auto got = last.receive();
      if (!got) {
        CHECK(got.error().code == ErrorCode::Closed);
        break;
      }
      CHECK(got->as<Number>()->id == received);
    }
    REQUIRE(runtime.wait_idle(30s));
    const KernelMetrics m = last.metrics();
    CHECK(m.messages_processed == received + m.messages_failed);
    CHECK(m.messages_processed == m.messages_received);
    uint64_t lost = 0;
    eventually([&] {
      lost = 0;
      half_told = false;
      for (const DeadMessage& letter : dead.all()) {
        const bool counts = letter.detail.find("messages were") != std::string::npos;
        lost += counts ? std::stoull(letter.detail) : 1;
        if (letter.edge == "in.out:last" && !counts && letter.envelope.as<Number>())
          half_told = half_told || letter.envelope.as<Number>()->id == received;
      }
      return received + lost == kCount;
    });
  }
}

static constexpr std::string_view kWaiting =
    " messages were on the device, their payload with them";
static constexpr std::string_view kInHand =
    " messages were in hand on the device, their payload with them";

// How many messages the letters with these words are about, by the wire that they came over; in
// hand was also the one that was half told.
static std::map<std::string, uint64_t> lost(const Dead& dead, std::string_view words) {
  std::map<std::string, uint64_t> by_wire;
  for (const DeadMessage& letter : dead.of("device_lost"))
    if (letter.detail.ends_with(words))
      by_wire[letter.edge] += std::stoull(letter.detail);
    else if (words == kInHand && !letter.detail.ends_with(kWaiting))
      ++by_wire[letter.edge];
  return by_wire;
}

TEST_CASE("what a lost device had in hand is told by the wires that it came over") {
  // From which wires the last batches came is chance.
  for (bool from_both = false; !from_both;) {
    Dead dead;
    auto runtime = builder().on_dead_letter(std::ref(dead)).build().value();
    const std::array sources = {runtime.launch<Add>("even", {}, {.amount = 0}).value(),
                                runtime.launch<Add>("odd", {}, {.amount = 0}).value()};
    auto last =
        runtime.launch<Add>("last", LaunchOptions{}.with_output_queue_capacity(4), {.amount = 0})
            .value();
    for (const KernelHandle& source : sources) ok(runtime.connect(source.port("out"), last));
    for (uint64_t i = 0; i < 1'000; ++i) ok(sources[i % 2].send(Number{i, 0, i % 2}, 30s));
    // What it emits has no room any more, so the host does not hear what became of the rest.
    eventually_still([&] { return last.metrics().messages_processed; }, 4);
    Broken broken(SimulatedFault::IllegalAddress);
    REQUIRE(last.wait(30s));
    std::array<uint64_t, 2> out{};
    while (const auto got = last.receive()) ++out[got->as<Number>()->value];
    REQUIRE(runtime.wait_idle(30s));
    const KernelMetrics m = last.metrics();
    CHECK(m.messages_processed == m.messages_received);
    CHECK(m.messages_processed == out[0] + out[1] + m.messages_failed);
    CHECK(m.input_queue_depth == 0);
    std::map<std::string, uint64_t> in_hand, waited;
    eventually([&] {
      in_hand = lost(dead, kInHand);
      waited = lost(dead, kWaiting);
      uint64_t told = out[0] + out[1];
      for (const auto& by_wire : {in_hand, waited})
        for (const auto& [wire, n] : by_wire) told += n;
      return told == 1'000;
    });
    for (uint32_t i = 0; i < 2; ++i) {
      const std::string wire = sources[i].id() + ".out:last";
      CAPTURE(wire);
      CHECK(sources[i].metrics().messages_sent == out[i] + in_hand[wire] + waited[wire]);
    }
    CHECK(m.messages_failed == in_hand["even.out:last"] + in_hand["odd.out:last"]);
    from_both = in_hand["even.out:last"] > 1 && in_hand["odd.out:last"] > 1;
  }
}

TEST_CASE("of what a lost device had in hand, no message is taken for one of another wire's") {
  std::atomic<bool> slow{true};
  std::atomic<uint64_t> failed{0};
  Dead dead;
  auto runtime = builder()
                     .on_dead_letter([&](const DeadMessage& letter) {
                       while (slow.load()) std::this_thread::sleep_for(1ms);
                       letter.reason == "failed" ? void(++failed) : dead(letter);
                     })
                     .build()
                     .value();
  auto good = runtime.launch<Add>("good", {}, {.amount = 0}).value();
  auto bad = runtime.launch<Add>("bad", {}, {.amount = 0}).value();
  auto middle =
      runtime.launch<Unruly>("middle", LaunchOptions{}.with_input_queue_capacity(1024)).value();
  auto last = runtime.launch<Swallow>("last").value();
  ok(runtime.connect(good.port("out"), middle));
  ok(runtime.connect(bad.port("out"), middle));
  ok(runtime.connect(middle.port("out"), last));
  // The host hears of those that fail alone, and stands where its dead letters have no room.
  for (uint64_t i = 0; i < 1'000; ++i) {
    ok(good.send(Number{0, 0, i}, 30s));
    ok(bad.send(Number{1, 0, i}, 30s));
  }
  eventually_still([&] { return middle.metrics().messages_failed; }, 200);
  Broken broken(SimulatedFault::IllegalAddress);
  REQUIRE(middle.wait(30s));
  slow.store(false);
  REQUIRE(runtime.wait_idle(30s));
  const KernelMetrics m = middle.metrics();
  CHECK(m.messages_processed == m.messages_received);
  CHECK(m.input_queue_depth == 0);
  const uint64_t handled = m.messages_processed - m.messages_failed;
  std::map<std::string, uint64_t> in_hand, waited;
  eventually([&] {
    in_hand = lost(dead, kInHand);
    waited = lost(dead, kWaiting);
    return failed.load() + in_hand["bad.out:middle"] == m.messages_failed &&
           good.metrics().messages_sent == handled + waited["good.out:middle"] &&
           bad.metrics().messages_sent == m.messages_failed + waited["bad.out:middle"];
  });
  CHECK(in_hand["bad.out:middle"] > 1);
  CHECK(in_hand.size() == 1);
}

TEST_CASE("a device that dies while a message from a wire visits keys accounts for it once") {
  constexpr uint32_t kKeys = 1'000;
  Dead dead;
  auto runtime = builder().on_dead_letter(std::ref(dead)).build().value();
  auto clock = runtime.launch<Clock>("clock").value();
  auto window =
      runtime.launch<Window>("window", LaunchOptions{}.with_output_queue_capacity(4)).value();
  ok(runtime.connect(clock.port("out"), window));
  ok(runtime.connect(clock.port("ticks"), window));
  for (uint32_t i = 1; i <= kKeys; ++i) ok(clock.send(Number{i, i, 1}, 30s));
  eventually([&] { return window.metrics().messages_processed == kKeys; });
  ok(clock.send(Number{0, 0, 7}, 30s));
  // It stands where what it emits for the keys has no room.
  eventually([&] { return window.metrics().output_queue_depth >= 4; });
  std::this_thread::sleep_for(20ms);
  CHECK(window.metrics().messages_received == kKeys + 1);
  Broken broken(SimulatedFault::IllegalAddress);
  REQUIRE(window.wait(30s));
  while (window.receive()) {
  }
  REQUIRE(runtime.wait_idle(30s));
  const KernelMetrics m = window.metrics();
  CHECK(m.messages_received == kKeys + 1);
  CHECK(m.messages_processed == kKeys + 1);
  CHECK(m.messages_failed == 1);
  CHECK(m.input_queue_depth == 0);
  eventually([&] { return dead.all().size() == 1; });
  const DeadMessage letter = dead.all()[0];
  CHECK(letter.reason == "device_lost");
  CHECK(letter.edge == "clock.ticks:window");
  CHECK(letter.envelope.as<Tick>()->at == 7);
}

TEST_CASE("what is lost with a device waits where the dead letters have no room for it") {
  constexpr uint64_t kCount = 1'000;
  std::atomic<bool> slow{true};
  std::atomic<uint64_t> failed{0}, lost{0};
  auto runtime = builder()
                     .on_dead_letter([&](const DeadMessage& letter) {
                       while (slow.load()) std::this_thread::sleep_for(1ms);
                       if (letter.reason == "failed")
                         ++failed;
                       else if (letter.detail.ends_with("on the device"))
                         ++lost;
                       else
                         lost += std::stoull(letter.detail);  // so many messages
                     })
                     .build()
                     .value();
  auto in = runtime.launch<Add>("in", {}, {.amount = 0}).value();
  auto last =
      runtime.launch<Unruly>("last", LaunchOptions{}.with_input_queue_capacity(1024)).value();
  ok(runtime.connect(in.port("out"), last));
  for (uint64_t i = 0; i < kCount; ++i) ok(in.send(Number{1, 0, i}, 30s));
  eventually_still([&] { return last.metrics().messages_failed; }, 200);
  Broken broken(SimulatedFault::IllegalAddress);
  REQUIRE(last.wait(30s));
  std::this_thread::sleep_for(5ms);  // its block has found no room
  slow.store(false);
  REQUIRE(runtime.wait_idle(30s));
  eventually([&] { return failed.load() + lost.load() == kCount; });
  const KernelMetrics m = last.metrics();
  CHECK(m.messages_processed == m.messages_received);
  CHECK(m.input_queue_depth == 0);
}

TEST_CASE("a handler that never returns is left behind, and its buffers are not saved") {
  std::array<uint64_t, 32> sums{};
  Dead dead;
  auto runtime = builder().on_dead_letter(std::ref(dead)).build().value();
  Gate gate;
  auto kernel = runtime
                    .launch<GatedTally>("gated", {}, {.gate = gate.address()},
                                        KernelBuffers{}.save(buf::sums, sums))
                    .value();
  ok(kernel.send(Number{1, 1, 1}));
  eventually([&] { return gate.arrived() == 1; });
  const auto ended = kernel.terminate(20ms);
  REQUIRE_FALSE(ended.has_value());
  CHECK(ended.error().message.find("a handler did not leave cuda0") != std::string::npos);
  CHECK(sums == std::array<uint64_t, 32>{});
  REQUIRE(runtime.wait_idle(30s));
  const KernelMetrics m = kernel.metrics();
  CHECK(m.messages_received == 1);
  CHECK(m.messages_failed == 1);
  eventually([&] { return dead.all().size() == 1; });
  const DeadMessage letter = dead.all()[0];
  CHECK(letter.reason == "drain_timeout");
  CHECK(letter.envelope.as<Number>()->value == 1);
}

TEST_CASE(
    "what waits on a wire to a handler that never returns is counted when it is left behind") {
  Dead dead;
  auto runtime = builder().on_dead_letter(std::ref(dead)).build().value();
  Gate gate;
  auto in = runtime.launch<Add>("in", {}, {.amount = 0}).value();
  auto stuck = runtime.launch<GatedAdd>("stuck", {}, {.gate = gate.address()}).value();
  ok(runtime.connect(in.port("out"), stuck));
  send_all(in, 1);
  eventually([&] { return gate.arrived() == 1; });
  send_all(in, 4);
  eventually([&] { return stuck.metrics().input_queue_depth == 5; });
  CHECK(code_of(stuck.terminate(20ms)) == ErrorCode::Timeout);
  REQUIRE(runtime.wait_idle(30s));
  CHECK(stuck.metrics().input_queue_depth == 0);
  CHECK(in.metrics().messages_processed == 5);
  eventually([&] { return dead.all().size() == 1; });
  const DeadMessage letter = dead.all()[0];
  CHECK(letter.reason == "drain_timeout");
  CHECK(letter.edge == "in.out:stuck");
  CHECK(letter.detail == "5 messages were on the device, their payload with them");
}

TEST_CASE("a device that dies with messages on its own wires loses none of them silently") {
  for (const SchedulerConfig& scheduler : every_strategy()) {
    CAPTURE(to_string(scheduler.strategy));
    std::mutex mutex;
    std::map<std::string, uint64_t> dead;
    auto runtime = builder()
                       .on_dead_letter([&](const DeadMessage& letter) {
                         std::lock_guard lock(mutex);
                         ++dead[letter.reason + " " + letter.edge];
                       })
                       .build()
                       .value();
    auto options = LaunchOptions::multi_block(2, 32).with_scheduler(scheduler);
    auto in = runtime.launch<Add>("in", {}, {.amount = 1}).value();
    auto middle = runtime.launch<EachThread>("middle", options).value();
    auto last = runtime.launch<Swallow>("last", options.without_auto_activate()).value();
    ok(runtime.connect(in.port("out"), middle));
    ok(runtime.connect(middle.port("out"), last));
    send_all(in, 300);
    eventually([&] { return last.metrics().input_queue_depth == 300; });
    Broken broken(SimulatedFault::IllegalAddress);
    for (const KernelHandle& kernel : {in, middle, last}) {
      REQUIRE(kernel.wait(30s));
      CHECK(kernel.state() == KernelState::Failed);
    }
    REQUIRE(runtime.wait_idle(30s));
    const KernelMetrics m = last.metrics();
    CHECK(m.input_queue_depth == 0);
    CHECK(m.messages_received == 0);
    CHECK(middle.metrics().messages_sent == 300);
    CHECK(in.metrics().messages_processed == 300);
    // One dead letter says how many went with the device.
    eventually([&] {
      std::lock_guard lock(mutex);
      return dead["device_lost middle.out:last"] == 1;
    });
  }
}

TEST_CASE("a device that dies while its blocks share a wire's messages accounts for each") {
  for (const SchedulerConfig& scheduler : every_strategy()) {
    CAPTURE(to_string(scheduler.strategy));
    Runtime runtime = make_runtime();
    auto options = LaunchOptions::multi_block(3, 32).with_scheduler(scheduler);
    auto source = runtime
                      .launch<Source>("source", LaunchOptions{}.without_auto_activate(),
                                      {.count = 1'000'000'000})
                      .value();
    auto middle = runtime.launch<EachThread>("middle", options).value();
    auto last = runtime.launch<Swallow>("last", options).value();
    ok(runtime.connect(source.port("out"), middle));
    ok(runtime.connect(middle.port("out"), last));
    ok(source.activate());
    eventually([&] { return last.metrics().messages_processed > 200; });
    Broken broken(SimulatedFault::IllegalAddress);
    for (const KernelHandle& kernel : {source, middle, last}) REQUIRE(kernel.wait(30s));
    REQUIRE(runtime.wait_idle(30s));
    for (const KernelHandle& kernel : {middle, last}) {
      const KernelMetrics m = kernel.metrics();
      CHECK(m.messages_processed == m.messages_received);
      CHECK(m.input_queue_depth == 0);
    }
  }
}

TEST_CASE("a device that dies while blocks of a cluster send to each other accounts for each") {
  Runtime runtime = make_runtime();
  auto hop =
      runtime
          .launch<Hop>(
              "hop",
              LaunchOptions::multi_block(4, 32).with_cluster_size(2).with_input_queue_capacity(32))
          .value();
  ok(runtime.connect(hop.port("out"), hop));
  for (uint64_t id = 0; id < 20; ++id) ok(hop.send(Number{id, 0, ~uint64_t{0}}));
  eventually([&] { return hop.metrics().messages_processed > 200; });
  Broken broken(SimulatedFault::IllegalAddress);
  REQUIRE(hop.wait(30s));
  REQUIRE(runtime.wait_idle(30s));
  const KernelMetrics m = hop.metrics();
  CHECK(m.messages_processed == m.messages_received);
  CHECK(m.input_queue_depth == 0);
}
