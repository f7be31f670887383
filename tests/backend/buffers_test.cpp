// The buffers of kernels, on every backend.
#include <array>
#include <filesystem>
#include <numeric>

#include "backend/suite.hpp"
#include "unit/launcher/scratch_folder.hpp"

namespace {

using Sums = std::array<uint64_t, 32>;

Sums counting() {
  Sums sums{};
  std::iota(sums.begin(), sums.end(), uint64_t{100});
  return sums;
}

}  // namespace

TEST_CASE("a buffer begins zeroed or as it is loaded, and is saved when its kernel has ended") {
  Runtime runtime = make_runtime();
  const Sums loaded = counting();
  Sums saved{};
  std::array<bool, 32> seen{true, true, true};
  for (const uint64_t value : {1U, 1U}) {  // launched again, it begins from what is loaded again
    const auto buffers =
        KernelBuffers{}.load(buf::sums, loaded).save(buf::sums, saved).save(buf::seen, seen);
    auto kernel = runtime.launch<Tally>("tally", {}, {}, buffers).value();
    CHECK(kernel.metrics().host_memory_used + kernel.metrics().gpu_memory_used >= sizeof(Sums));
    ok(kernel.send(Number{2, 3, value}));
    CHECK(receive(kernel).value == 100 + 2 * 8 + 3 + value);
    ok(kernel.send(Number{2, 3, value}));
    CHECK(receive(kernel).value == 100 + 2 * 8 + 3 + 2 * value);
    ok(kernel.terminate());
    Sums expected = loaded;
    expected[2 * 8 + 3] += 2 * value;
    CHECK(saved == expected);
    std::array<bool, 32> expected_seen{};
    expected_seen[2 * 8 + 3] = true;
    CHECK(seen == expected_seen);
  }
}

TEST_CASE("a buffer is one for all blocks") {
  Runtime runtime = make_runtime();
  Sums saved{};
  auto kernel = runtime
                    .launch<Tally>("tally", LaunchOptions::multi_block(3, 2), {},
                                   KernelBuffers{}.save(buf::sums, saved))
                    .value();
  for (uint64_t i = 0; i < 32; ++i)
    ok(kernel.send(Number{i / 8, static_cast<uint32_t>(i % 8), 1000 + i}));
  receive(kernel, 32);
  ok(runtime.shutdown());
  for (uint64_t i = 0; i < 32; ++i) CHECK(saved[i] == 1000 + i);
}

TEST_CASE("what a buffer holds outlives the launches of an event-driven kernel") {
  Runtime runtime = make_runtime();
  auto kernel =
      runtime.launch<Tally>("tally", LaunchOptions{}.with_mode(KernelMode::EventDriven)).value();
  for (uint64_t i = 1; i <= 5; ++i) {
    ok(kernel.send(Number{0, 0, 10}));
    CHECK(receive(kernel).value == 10 * i);
    REQUIRE(runtime.wait_idle(30s));
  }
}

TEST_CASE("all threads work on a large buffer, and all of it comes back") {
  Runtime runtime = make_runtime();
  std::vector<uint32_t> wide(size_t{3} << 19);
  std::iota(wide.begin(), wide.end(), 0U);
  const auto options = LaunchOptions::multi_block(2, 2).with_threads(2);
  const auto buffers = KernelBuffers{}
                           .load(buf::wide, std::span<const uint32_t>(wide))
                           .save(buf::wide, std::span(wide));
  auto changed_by = [&](KernelHandle kernel, uint32_t times) {
    for (uint32_t i = 0; i < times; ++i) ok(kernel.send(Number{i, 0, 0}));
    for (uint32_t i = 0; i < times; ++i) CHECK(receive(kernel).id == i);
    ok(kernel.terminate());
  };
  // Two blocks would each change it, so the one that handles its message alone has to be the only.
  changed_by(runtime
                 .launch<ChangeInBlock>("block", LaunchOptions::single_block(2).with_threads(2), {},
                                        buffers)
                 .value(),
             2);
  changed_by(runtime.launch<ChangeInGrid>("grid", options, {}, buffers).value(), 1);
  bool right = true;
  for (uint32_t at = 0; at < wide.size(); ++at) {
    const uint32_t row = at >> 19;
    right = right && wide[at] == 3 * (3 * (3 * at + row) + row) + row;
  }
  CHECK(right);
}

TEST_CASE("buffers are loaded from files of numpy and saved to them, the same ones if so wished") {
  const ScratchFolder folder;
  const std::string file = folder.path() + "/sums.npy";
  Runtime runtime = make_runtime();
  for (uint64_t run = 1; run <= 3; ++run) {
    auto buffers = KernelBuffers{}.save(buf::sums, file);
    if (run > 1) buffers.load("sums", file);
    auto kernel = runtime.launch<Tally>("tally", {}, {}, buffers).value();
    ok(kernel.send(Number{3, 7, 5}));
    CHECK(receive(kernel).value == 5 * run);
    ok(kernel.terminate());
  }
  CHECK(std::filesystem::file_size(file) == 128 + sizeof(Sums));
  // uint64 (4, 8) is not what the other has.
  auto wrong = runtime.launch<ChangeInBlock>("wrong", {}, {}, KernelBuffers{}.load("wide", file));
  CHECK(code_of(wrong) == ErrorCode::ValidationError);
  CHECK(wrong.error().message ==
        "buffer 'wide': " + file + " holds uint64 (4, 8), and the buffer is u32[3,524288]");
  CHECK(wrong.error().where == "wrong");
}

TEST_CASE("buffers that cannot be loaded or saved are errors") {
  const ScratchFolder folder;
  Runtime runtime = make_runtime();
  auto launch = [&](const KernelBuffers& buffers) {
    return runtime.launch<Tally>("tally", {}, {}, buffers);
  };
  CHECK(code_of(launch(KernelBuffers{}.load("sum", "x.npy"))) == ErrorCode::InvalidConfig);
  CHECK(code_of(launch(KernelBuffers{}.load("sums", folder.path() + "/x.npy"))) ==
        ErrorCode::NotFound);
  CHECK(code_of(launch(KernelBuffers{}.save("sums", folder.path() + "/x/y.npy"))) ==
        ErrorCode::IoError);
  const auto few = launch(KernelBuffers{}.load(buf::sums, std::array<uint64_t, 3>{}));
  CHECK(code_of(few) == ErrorCode::InvalidConfig);
  CHECK(few.error().message == "buffer 'sums' has 256 bytes, and is given 24");

  std::filesystem::create_directory(folder.path() + "/gone");
  std::array<bool, 32> seen{};
  auto kernel =
      launch(KernelBuffers{}.save("sums", folder.path() + "/gone/sums.npy").save(buf::seen, seen))
          .value();
  ok(kernel.send(Number{1, 1, 1}));
  receive(kernel);
  std::filesystem::remove(folder.path() + "/gone");
  CHECK(code_of(kernel.terminate()) == ErrorCode::IoError);
  CHECK(kernel.is_terminated());
  CHECK(seen[8 + 1]);  // the other one is saved all the same
}
