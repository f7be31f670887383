// What makes a kernel that is started per batch start, and what does not let one stay resident.
#include "backend/suite.hpp"
#include "cuda/simulated_driver.hpp"
#include "unit/launcher/scratch_folder.hpp"

namespace {

uint64_t launches() {
  const auto count = in_simulated_driver<decltype(&rk_simulated_launches)>("rk_simulated_launches");
  REQUIRE(bool(count));
  return count();
}

uint64_t ends() {
  const auto count = in_simulated_driver<decltype(&rk_simulated_ends)>("rk_simulated_ends");
  REQUIRE(bool(count));
  return count();
}

LaunchOptions in_batches(uint32_t size, std::chrono::microseconds delay) {
  return LaunchOptions{}.with_mode(KernelMode::EventDriven).with_batch(size, delay);
}

// What a runtime logs of its kernels.
class Log {
 public:
  void operator()(std::string_view, LogLevel level, std::string_view text, double) {
    std::lock_guard lock(mutex_);
    if (level >= LogLevel::Warning) text_ += std::string(text) + "\n";
  }
  bool has(std::string_view part) const {
    std::lock_guard lock(mutex_);
    return text_.find(part) != std::string::npos;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

}  // namespace

TEST_CASE("a launch takes no more than its batch") {
  Runtime runtime = make_runtime();
  auto kernel =
      runtime.launch<Add>("add", in_batches(16, 0us).without_auto_activate(), {.amount = 1})
          .value();
  send_all(kernel, 512);
  const uint64_t before = launches();
  ok(kernel.activate());
  for (uint64_t i = 0; i < 512; ++i) CHECK(receive(kernel).id == i);
  CHECK(launches() - before >= 512 / 16 - 1);  // the one at its beginning may have taken the first
}

TEST_CASE("a source that is started per batch lets the device go in between") {
  Runtime runtime = make_runtime();
  const uint64_t before = launches();
  auto source = runtime.launch<Source>("source", in_batches(64, 0us), {.count = 1000}).value();
  CHECK(receive(source, 1000).size() == 1000);
  CHECK(launches() - before >= 1000 / 64 - 1);
}

TEST_CASE("what a kernel reads over the bus while nothing comes is counted") {
  Runtime runtime = make_runtime();
  auto idle = runtime.launch<Swallow>("idle", LaunchOptions::multi_block(2, 32)).value();
  auto batches = runtime.launch<Swallow>("batches", in_batches(8, 0ms)).value();
  uint64_t before = 0;
  for (int tellings = 0; tellings < 3; ++tellings) {
    eventually([&] { return idle.metrics().bytes_polled > before; });
    before = idle.metrics().bytes_polled;
    // 256 looks at 32 slots, and 32 of them at three words of the host: a sector of 32 bytes each.
    CHECK(before % ((256 * 32 + 32 * 3) * 32) == 0);
  }
  CHECK(batches.metrics().bytes_polled == 0);
  ok(idle.terminate());
  CHECK(idle.metrics().bytes_polled >= before);
}

TEST_CASE("a batch begins when it is full") {
  Runtime runtime = make_runtime();
  const uint64_t ended = ends();
  auto kernel = runtime.launch<Add>("add", in_batches(8, 1h), {.amount = 1}).value();
  eventually([&] { return ends() > ended; });  // the launch at its beginning takes what it finds
  const uint64_t before = launches();
  for (uint64_t i = 0; i < 7; ++i) {
    const uint64_t bytes = kernel.metrics().bytes_to_device;
    ok(kernel.send(Number{i, 0, i}));
    eventually([&] { return kernel.metrics().bytes_to_device > bytes; });
  }
  CHECK(launches() == before);
  CHECK(kernel.metrics().messages_processed == 0);
  ok(kernel.send(Number{7, 0, 7}));
  for (uint64_t i = 0; i < 8; ++i) CHECK(receive(kernel).id == i);
  CHECK(launches() == before + 1);
}

TEST_CASE("a batch begins when its first message has waited long enough") {
  Runtime runtime = make_runtime();
  auto kernel = runtime.launch<Add>("add", in_batches(8, 1ms), {.amount = 1}).value();
  ok(kernel.send(Number{1, 0, 1}));
  CHECK(receive(kernel).id == 1);
  auto asks = runtime.launch<Add>("refused", in_batches(0, 1ms), {.amount = 1});
  CHECK(code_of(asks) == ErrorCode::InvalidConfig);
}

TEST_CASE("nothing stays resident on the GPU of a display, and the kernel says so") {
  const ScopedVariable shared("RK_SIMULATED_SHARED_WITH", "display");
  Log log;
  auto runtime = builder().on_log(std::ref(log)).build().value();
  auto kernel = runtime.launch<Add>("add", {}, {.amount = 1}).value();
  CHECK(kernel.status().mode == KernelMode::EventDriven);
  CHECK(log.has("the watchdog of a display ends what stays resident on cuda0"));
  send_all(kernel, 100);
  for (uint64_t i = 0; i < 100; ++i) CHECK(receive(kernel).id == i);
}

TEST_CASE("a GPU that MPS shares is used, and the danger named") {
  const ScopedVariable shared("RK_SIMULATED_SHARED_WITH", "mps");
  Log log;
  auto runtime = builder().on_log(std::ref(log)).build().value();
  auto kernel = runtime.launch<Add>("add", {}, {.amount = 1}).value();
  CHECK(kernel.status().mode == KernelMode::Persistent);
  CHECK(log.has("a fault in another process ends its kernels"));
}

TEST_CASE("a grid needs a GPU that launches its blocks together") {
  const ScopedVariable apart("RK_SIMULATED_WITHOUT_COOPERATION", "1");
  Runtime runtime = make_runtime();
  const auto grid = runtime.launch<GridCount>("grid", LaunchOptions::multi_block(2, 32));
  REQUIRE_FALSE(grid.has_value());
  CHECK(grid.error().message ==
        "granularity grid needs cooperative launch, which cuda0 (Simulated GPU) has not");
}

TEST_CASE("a device that is lost says which messages each kernel had in hand") {
  Dead dead;
  auto runtime = builder().on_dead_letter(std::ref(dead)).build().value();
  Gate gate;
  auto idle = runtime.launch<Swallow>("idle").value();
  auto busy = runtime.launch<GatedAdd>("busy", {}, {.gate = gate.address()}).value();
  ok(busy.send(Number{1, 0, 1}));
  eventually([&] { return gate.arrived() == 1; });
  ok(busy.send(Number{2, 0, 2}));
  eventually([&] { return busy.metrics().messages_received == 2; });
  const auto simulate = in_simulated_driver<decltype(&rk_simulate)>("rk_simulate");
  REQUIRE(bool(simulate));
  simulate(SimulatedFault::IllegalAddress);
  REQUIRE(busy.wait(30s));
  REQUIRE(idle.wait(30s));
  const std::string at_fault = busy.metrics().last_error;
  INFO(at_fault);
  CHECK(at_fault.find("CUDA_ERROR_ILLEGAL_ADDRESS") != std::string::npos);
  CHECK(at_fault.find("; in hand were block 0: message ") != std::string::npos);
  CHECK(idle.metrics().last_error.ends_with("; no message was in hand"));
  eventually([&] { return dead.of("device_lost").size() == 2; });
  const auto letters = dead.of("device_lost");
  CHECK(letters[0].detail == "it was in hand on the device");
  CHECK(letters[1].detail == "it was on the device");
  CHECK(at_fault.find("message " + std::to_string(letters[0].envelope.header.message_id)) !=
        std::string::npos);
  gate.open();
  simulate(SimulatedFault::None);
}
