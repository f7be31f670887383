#include "launcher/drain.hpp"

#include <thread>
#include <utility>

namespace ringkernel::launcher {
namespace {

using std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(1);
// Past the limit, for handlers that are still at work.
constexpr auto kDrainGrace = std::chrono::seconds(2);
// And for outputs that take nothing.
constexpr auto kPatience = std::chrono::milliseconds(500);

bool is_inactive(const runtime::Node& node) {
  return node.state() == KernelState::Deactivated || node.state() == KernelState::Launched ||
         node.state() == KernelState::Created;
}

}  // namespace

Drain::Drain(RunGraph& graph, const topology::Topology& topology, Limit limit,
             const std::atomic<bool>& hurry)
    : graph_(graph), topology_(topology), limit_(std::move(limit)), hurry_(hurry) {}

bool Drain::in_time() const {
  const auto until = limit_();
  return !hurry_.load() && (!until || steady_clock::now() < *until);
}

// A suspended kernel would hold up its senders for ever.
void Drain::bury_inactive() {
  for (const auto& kernel : graph_.kernels) {
    if (!is_inactive(*kernel.node)) continue;
    for (const runtime::Edge* edge : graph_.engine->edges()) {
      if (&edge->to() != kernel.node || edge->counts().depth == 0) continue;
      graph_.engine->bury_backlog(*kernel.node, Reason::ReceiverDeactivated);
      break;
    }
  }
}

bool Drain::wait(const std::function<bool()>& condition) {
  bool holds = false;
  graph_.events.wait_until(kLook, [&] {
    holds = condition();
    if (!holds) bury_inactive();
    return holds || !in_time();
  });
  return holds;
}

bool Drain::await(const std::function<void()>& work) {
  // Shared: a thread that never comes back is left behind.
  struct Shared {
    std::function<void()> work;
    std::atomic<bool> done{false};
  };
  auto shared = std::make_shared<Shared>();
  shared->work = work;
  std::thread thread([shared, this] {
    shared->work();
    shared->done.store(true);
    graph_.events.notify();
  });
  const bool done = wait([&] { return shared->done.load(); });
  if (done)
    thread.join();
  else
    thread.detach();
  return done;
}

bool Drain::drained() {
  return wait([this] { return graph_.engine->quiescent(); });
}

bool Drain::stop_kernels() {
  for (const auto& group : topology::drain_order(topology_)) {
    bool any = false;
    for (const std::string& name : group) {
      const RunGraph::Kernel* kernel = graph_.kernel(name);
      if (!kernel->module->has_stop || kernel->node->state() != KernelState::Active) continue;
      any = true;
      if (!await([this, node = kernel->node] { graph_.engine->stop_kernel(*node); })) return false;
    }
    if (any && !drained()) return false;
  }
  return true;
}

bool Drain::written() const {
  for (const auto& output : graph_.outputs)
    if (!output.step->idle()) return false;
  return graph_.dead_letter_step->resting.load() && graph_.dead_letters->written();
}

Drain::Result Drain::run(bool stop_sources) {
  for (const auto& input : graph_.inputs) input.step->stop();
  bool complete = wait([this] {
    for (const auto& input : graph_.inputs)
      if (!input.step->drained()) return false;
    return true;
  });
  if (complete && stop_sources) complete = await([this] { graph_.engine->stop_sources(); });
  complete = complete && drained() && stop_kernels() && drained();
  // Dead letters of the last moment are written by a step that may still be on its way.
  graph_.engine->wake(*graph_.dead_letter_node);
  complete = complete && wait([this] { return written(); });
  return complete ? Result::Complete : force();
}

Drain::Result Drain::force() {
  const auto until = steady_clock::now() + kDrainGrace;
  auto shared = std::make_shared<std::atomic<bool>>(false);
  std::thread thread([this, shared, until] {
    graph_.engine->stop_sources();
    // None begins another message; what is on a device comes back while its backlog is buried. What
    // is not Active is none that could.
    for (const auto& kernel : graph_.kernels)
      (void)graph_.engine->deactivate(*kernel.node, std::chrono::nanoseconds(0));
    const auto patience = steady_clock::now() + kPatience;
    const auto over = [this] {
      for (const auto& input : graph_.inputs)
        if (!input.step->drained()) return false;
      return graph_.engine->quiescent() && written();
    };
    do {
      for (const auto& kernel : graph_.kernels)
        graph_.engine->bury_backlog(*kernel.node, Reason::DrainTimeout);
      graph_.engine->wake(*graph_.dead_letter_node);
      // What was handled in time is written, where the output takes it.
      if (steady_clock::now() > patience)
        for (const auto& output : graph_.outputs) output.step->abandon();
      std::this_thread::sleep_for(kLook);
    } while (!over() && steady_clock::now() < until + kDrainGrace);
    shared->store(true);
    graph_.events.notify();
  });
  graph_.events.wait_until(kLook, [&] { return shared->load() || steady_clock::now() > until; });
  if (!shared->load()) {
    thread.detach();
    return Result::Stuck;
  }
  thread.join();
  return Result::LimitReached;
}

}  // namespace ringkernel::launcher
