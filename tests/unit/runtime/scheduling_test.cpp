// What the fields of SchedulerConfig and the mode do, shown on blocks that are stepped by hand and
// on the scheduler's own count.
#include <doctest/doctest.h>

#include <thread>

#include "backends/cpu/scheduler.hpp"
#include "ringkernel/device/make_module.hpp"
#include "ringkernel/handler.hpp"
#include "ringkernel/message.hpp"
#include "runtime/graph.hpp"
#include "runtime/host_port.hpp"

using namespace ringkernel;
using namespace ringkernel::runtime;

namespace {

struct Job {
  uint64_t id;
};

}  // namespace

RK_MESSAGE(Job, id)

namespace {

struct Work {
  using Context = ringkernel::Context<Work>;
  static void on_message(Context&, const Job&) {}
};

// Four blocks that nobody runs, with ten messages each; only a step by hand moves any.
struct FourBlocks {
  std::unique_ptr<Engine> engine = Engine::create({1, false, false}).value();
  GraphNode* node = nullptr;

  explicit FourBlocks(const SchedulerConfig& config) {
    KernelSpec spec;
    spec.name = "work";
    spec.module = &module_of<Work>();
    spec.options = LaunchOptions::multi_block(4, 1).with_scheduler(config);
    node = static_cast<GraphNode*>(engine->add_kernel(spec).value());
    node->state_.store(KernelState::Active);
    auto sender = engine->impl().sender_to(*node).value();
    Job job{1};
    HostMessage message;
    message.payload = &job;
    message.size = sizeof job;
    for (int i = 0; i < 40; ++i) REQUIRE(sender->send(message, 0).has_value());
  }
  void step(uint32_t block, uint32_t budget) {
    Block& b = node->parts_[block]->owner.block;
    b.pending = ~(kScheduled | kRoom);
    node->step(b, budget);
  }
  uint64_t stolen() const { return node->counts().stolen; }
};

SchedulerConfig config(uint32_t threshold, uint32_t share, uint32_t batch, uint32_t neighborhood) {
  return SchedulerConfig::work_stealing(threshold)
      .with_share_threshold(share)
      .with_max_steal_batch(batch)
      .with_steal_neighborhood(neighborhood);
}

}  // namespace

TEST_CASE("steal_threshold: with fewer messages of its own a block looks at its siblings") {
  FourBlocks rich(config(10, 8, 3, 3));
  rich.step(0, 1);
  CHECK(rich.stolen() == 0);
  FourBlocks poor(config(11, 8, 3, 3));
  poor.step(0, 1);
  CHECK(poor.stolen() == 3);
}

TEST_CASE("share_threshold and max_steal_batch: what a sibling gives, and how much at once") {
  FourBlocks blocks(config(4, 8, 3, 1));
  blocks.step(0, 10);  // its own
  CHECK(blocks.stolen() == 0);
  for (uint64_t sibling = 1; sibling <= 3; ++sibling) {
    blocks.step(0, 3);
    CHECK(blocks.stolen() == 3 * sibling);
  }
  blocks.step(0, 64);  // seven are left at each
  CHECK(blocks.stolen() == 9);
}

TEST_CASE("steal_neighborhood: how many siblings are looked at") {
  for (uint32_t neighborhood : {1U, 2U}) {
    CAPTURE(neighborhood);
    FourBlocks blocks(config(4, 8, 16, neighborhood));
    for (uint32_t block : {0U, 1U, 2U}) blocks.step(block, 10);
    REQUIRE(blocks.stolen() == 0);
    blocks.step(0, 1);  // the last block is the second to be looked at
    CHECK(blocks.stolen() == (neighborhood == 1 ? 0 : 10));
  }
}

TEST_CASE("what is left of a stolen batch is taken up again, and is told in the edge's depth") {
  FourBlocks blocks(config(4, 8, 10, 1));
  blocks.step(0, 10);
  blocks.step(0, 3);
  CHECK(blocks.stolen() == 10);
  auto depth = [&] { return blocks.engine->edges().at(0)->counts().depth; };
  CHECK(depth() == 27);
  blocks.step(1, 1);  // another block's count must not hide it
  CHECK(depth() == 27 - 1);
  blocks.step(0, 7);
  CHECK(blocks.node->counts().handled == 10 + 3 + 1 + 7);
}

TEST_CASE("a worker waits awake for a persistent kernel, and not for an event-driven one") {
  for (KernelMode mode : {KernelMode::EventDriven, KernelMode::Persistent}) {
    CAPTURE(static_cast<int>(mode));
    auto engine = Engine::create({1, false, false}).value();
    REQUIRE(engine->start().has_value());
    KernelSpec spec;
    spec.name = "work";
    spec.module = &module_of<Work>();
    spec.options.mode = mode;
    auto* node = static_cast<GraphNode*>(engine->add_kernel(spec).value());
    auto sender = engine->impl().sender_to(*node).value();
    Job job{1};
    HostMessage message;
    message.payload = &job;
    message.size = sizeof job;
    for (int i = 0; i < 20; ++i) {
      REQUIRE(sender->send(message, 0).has_value());
      REQUIRE(engine->wait_quiescent({}));
    }
    auto& scheduler = static_cast<backends::Scheduler&>(*engine->impl().backend_);
    if (mode == KernelMode::EventDriven) {
      CHECK(scheduler.waited_awake() == 0);
    } else {
      while (scheduler.waited_awake() == 0) std::this_thread::yield();
    }
    REQUIRE(engine->terminate(*node).has_value());
  }
}
