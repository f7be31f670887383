// What becomes of messages when a GPU breaks. On the simulated driver, which breaks on demand.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <dlfcn.h>

#include <atomic>
#include <cstdlib>

#include "backend/suite.hpp"
#include "cuda/mapped_memory.hpp"
#include "cuda/simulated_driver.hpp"

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
    void* library = dlopen(std::getenv("RINGK_CUDA_LIBRARY"), RTLD_NOW);
    REQUIRE(library != nullptr);
    reinterpret_cast<void (*)(SimulatedFault)>(dlsym(library, "rk_simulate"))(fault);
  }
};

}  // namespace

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

TEST_CASE("more resident blocks than fit are refused with the figures, and fit when others end") {
  Runtime runtime = make_runtime();
  const auto large = LaunchOptions::multi_block(40, 256);
  auto first = runtime.launch<Swallow>("first", large);
  ok(first);
  auto second = runtime.launch<Swallow>("second", large);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().message.find("asks for 40 resident blocks") != std::string::npos);
  CHECK(second.error().message.find("limited by 256 threads") != std::string::npos);
  ok(first->terminate());
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
