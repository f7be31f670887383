#include "runtime/engine.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <map>
#include <thread>
#include <vector>

#include "ringkernel/device/make_module.hpp"
#include "ringkernel/handler.hpp"
#include "ringkernel/message.hpp"

using namespace ringkernel;
using namespace ringkernel::runtime;

namespace {

struct Number {
  uint64_t id;
  uint32_t key;
};

}  // namespace

RK_MESSAGE(Number, id, key)

namespace {

inline constexpr Port<"out", Number> out;

struct Pass {
  using Ports = ringkernel::Ports<out>;
  using Context = ringkernel::Context<Pass>;
  static void on_message(Context& ctx, const Number& n) { ctx.emit(out, n); }
};

// Stamps each message with its position among those of its key.
struct PerKey {
  struct State {
    uint64_t seen;
  };
  using Ports = ringkernel::Ports<out>;
  using Keys = ringkernel::Keys<&Number::key>;
  using Context = ringkernel::Context<PerKey>;
  static void on_message(Context& ctx, State& state, const Number& n) {
    if (n.id % 1000 == 999) return ctx.fail("every thousandth");
    ++state.seen;
    ctx.emit(out, Number{n.id, n.key});
  }
};

class Feed final : public HostStep {
 public:
  explicit Feed(uint64_t count) : count_(count) {}
  StepStatus step(Block& block) override {
    for (int batch = 0; batch < 8 && sent_ < count_; ++batch) {
      uint32_t n = static_cast<uint32_t>(std::min<uint64_t>(32, count_ - sent_));
      if (!ensure_room(block, n)) return StepStatus::Blocked;
      for (uint32_t i = 0; i < n; ++i, ++sent_) {
        Number number{};
        number.id = sent_;
        number.key = static_cast<uint32_t>(sent_ % 97);
        emit(block, {0, &number, sent_ + 1, 1, 0});
      }
      flush_input(block);
    }
    done = sent_ == count_;
    return sent_ < count_ ? StepStatus::More : StepStatus::Idle;
  }
  std::atomic<bool> done{false};

 private:
  uint64_t count_;
  uint64_t sent_ = 0;
};

class Collect final : public HostStep {
 public:
  explicit Collect(std::vector<Number>& into) : into_(into) {}
  StepStatus step(Block& block) override {
    uint32_t n = take(block, 256, [&](uint32_t, const MessageHeader&, const void* payload) {
      Number number;
      std::memcpy(&number, payload, sizeof number);
      into_.push_back(number);
      return true;
    });
    return n == 256 ? StepStatus::More : StepStatus::Idle;
  }

 private:
  std::vector<Number>& into_;
};

struct Graph {
  std::unique_ptr<Engine> engine;
  std::vector<Number> collected;
  Feed* feed = nullptr;
  Node* output = nullptr;

  explicit Graph(uint32_t workers) : Graph(EngineOptions{.workers = workers}) {}
  explicit Graph(const EngineOptions& options) : engine(Engine::create(options).value()) {
    engine->set_dead_letters(nullptr).value();
  }
  Node* input(uint64_t count) {
    auto step = std::make_unique<Feed>(count);
    feed = step.get();
    return engine->add_input("numbers", {message_info<Number>()}, std::move(step)).value();
  }
  Node* sink() {
    return output = engine->add_output("collected", std::make_unique<Collect>(collected)).value();
  }
  template <class H>
  Node* kernel(std::string name, LaunchOptions options) {
    KernelSpec spec;
    spec.name = std::move(name);
    spec.module = &module_of<H>();
    spec.options = options;
    return engine->add_kernel(spec).value();
  }
  void wire(Node* from, Node* to) {
    EdgeSpec spec;
    spec.from = from;
    spec.to = to;
    spec.id = from->name() + ":" + to->name();
    engine->connect(spec).value();
  }
  void run() {
    REQUIRE(engine->start().has_value());
    while (!feed->done) std::this_thread::yield();
    engine->wait_quiescent({});
  }
  void check_balanced() {
    for (Edge* edge : engine->edges()) {
      EdgeCounts c = edge->counts();
      INFO(edge->id());
      CHECK(c.offered == c.delivered + c.dropped + c.failed + c.depth);
    }
    for (Node* node : engine->nodes()) {
      KernelCounts c = node->counts();
      INFO(node->name());
      if (node->kind() == NodeKind::Kernel) CHECK(c.delivered == c.handled + c.failed + c.in_hand);
    }
  }
};

}  // namespace

TEST_CASE("a chain of kernels hands every message on, in order") {
  for (uint32_t workers : {1U, 2U, 4U}) {
    CAPTURE(workers);
    Graph graph(workers);
    constexpr uint64_t kCount = 100'000;
    Node* in = graph.input(kCount);
    Node* a = graph.kernel<Pass>("a", LaunchOptions::multi_block(1, 32).with_queue_capacity(64));
    Node* b = graph.kernel<Pass>("b", LaunchOptions::multi_block(1, 32).with_queue_capacity(16));
    graph.wire(in, a);
    graph.wire(a, b);
    graph.wire(b, graph.sink());
    graph.run();
    REQUIRE(graph.collected.size() == kCount);
    bool ordered = true;
    for (uint64_t i = 0; i < kCount; ++i) ordered = ordered && graph.collected[i].id == i;
    CHECK(ordered);
    graph.check_balanced();
  }
}

TEST_CASE("a keyed kernel of several blocks keeps the order of each key and counts what fails") {
  for (uint32_t workers : {1U, 3U}) {
    CAPTURE(workers);
    Graph graph(workers);
    constexpr uint64_t kCount = 200'000;
    Node* in = graph.input(kCount);
    Node* a =
        graph.kernel<PerKey>("keyed", LaunchOptions::multi_block(4, 32).with_queue_capacity(128));
    graph.wire(in, a);
    graph.wire(a, graph.sink());
    graph.run();
    CHECK(graph.collected.size() == kCount - kCount / 1000);
    std::map<uint32_t, uint64_t> last;
    bool ordered = true;
    for (const Number& n : graph.collected) {
      auto [it, first] = last.try_emplace(n.key, n.id);
      ordered = ordered && (first || it->second < n.id);
      it->second = n.id;
    }
    CHECK(ordered);
    CHECK(a->counts().failed == kCount / 1000);
    CHECK(a->counts().keys == 97);
    CHECK(graph.engine->dead_letters() == kCount / 1000);
    graph.check_balanced();
  }
}

TEST_CASE("who asks is told of each message that a kernel has handled or failed to") {
  constexpr uint64_t kCount = 10'000;
  std::vector<std::atomic<uint32_t>> told(kCount + 1);
  EngineOptions options;
  options.workers = 2;
  options.handled_context = &told;
  options.on_handled = [](void* context, const MessageHeader& message) {
    (*static_cast<std::vector<std::atomic<uint32_t>>*>(context))[message.root].fetch_add(1);
  };
  Graph graph(options);
  Node* in = graph.input(kCount);
  Node* keyed = graph.kernel<PerKey>("keyed", LaunchOptions::multi_block(2, 32));
  Node* pass = graph.kernel<Pass>("pass", LaunchOptions::single_block(32));
  graph.wire(in, keyed);
  graph.wire(keyed, pass);
  graph.wire(pass, graph.sink());
  graph.run();
  bool exact = true;
  // The failed ones went no further than the first kernel.
  for (uint64_t root = 1; root <= kCount; ++root)
    exact = exact && told[root].load() == ((root - 1) % 1000 == 999 ? 1 : 2);
  CHECK(exact);
}
