// Every option of a launch and of the builder shows what it does.
#include "backend/suite.hpp"

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
        LaunchOptions{}.with_shared_memory(size_t{1} << 60), LaunchOptions::multi_block(0, 1),
        LaunchOptions::multi_block(9, 1).with_cluster_size(9),
        LaunchOptions::multi_block(3, 1).with_cluster_size(2), LaunchOptions{}.with_lease(99ms),
        LaunchOptions{}.with_lease(25h)})
    CHECK(code_of(runtime.launch<Add>("add", options)) == ErrorCode::InvalidConfig);
  CHECK(code_of(runtime.launch<Add>("add", LaunchOptions::multi_block(70'000, 1))) ==
        ErrorCode::LaunchFailed);
  CHECK(runtime.list_kernels().empty());
  ok(runtime.launch<Add>("add"));
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
