#include "runtime/engine.hpp"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>

#include "backends/cpu/scheduler.hpp"
#include "backends/cpu/team.hpp"
#include "core/clock.hpp"
#include "ringkernel/device/outbox.hpp"
#include "runtime/graph.hpp"
#include "runtime/host_port.hpp"

namespace ringkernel::runtime {
namespace {

using std::chrono::nanoseconds;

constexpr size_t kMostSlots = size_t{1} << 30;
constexpr size_t kMostSharedBytes = size_t{1} << 30;

uint32_t usable_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
  return static_cast<uint32_t>(std::max(1, CPU_COUNT(&cores)));
}

uint64_t now_service(void*) { return backends::Scheduler::now_us(); }

uint64_t lease_service(void* context, uint32_t n) {
  return static_cast<EngineImpl*>(context)->ids_.lease(n);
}

bool complete_service(void* context, const MessageHeader* request, Completion how, Reason reason,
                      const char* detail, uint16_t type, const void* payload, uint32_t size) {
  RequestResult result;
  result.outcome = how == Completion::Reply    ? RequestResult::Outcome::Replied
                   : how == Completion::Failed ? RequestResult::Outcome::Failed
                                               : RequestResult::Outcome::NoReply;
  result.reason = reason;
  if (detail != nullptr) result.detail = detail;
  result.type = type;
  result.payload = {static_cast<const std::byte*>(payload), size};
  return static_cast<EngineImpl*>(context)->requests_.complete(request->reply_to,
                                                               request->correlation_id, result);
}

void log_service(void* context, const Block* block, int level, const char* text, double value) {
  auto* engine = static_cast<EngineImpl*>(context);
  auto* node = static_cast<GraphNode*>(BlockOwner::of(*const_cast<Block*>(block)).stepper);
  if (engine->log_) engine->log_(node->name(), level, text, value);
}

void failed_service(void*, const Block* block, Reason reason, const char* detail) {
  auto* node = static_cast<GraphNode*>(BlockOwner::of(*const_cast<Block*>(block)).stepper);
  std::string error = reason_name(reason);
  if (detail != nullptr && detail[0] != 0) error.append(": ").append(detail);
  node->set_error(std::move(error));
}

void run_team_service(Block* block, void (*body)(void*, uint32_t), void* argument) {
  BlockOwner& owner = BlockOwner::of(*block);
  owner.team->run(body, argument);
}

void sync_team_service(Block* block, uint32_t) { BlockOwner::of(*block).team->sync(); }

void handled_service(void* context, const MessageHeader* message) {
  const EngineOptions& options = static_cast<EngineImpl*>(context)->options_;
  options.on_handled(options.handled_context, *message);
}

class Discard final : public HostStep {
 public:
  StepStatus step(Block& block) override {
    uint32_t n = take(block, 256, [](uint32_t, const MessageHeader&, const void*) { return true; });
    return n == 256 ? StepStatus::More : StepStatus::Idle;
  }
};

}  // namespace

const Block* current_block() {
  const BlockOwner* owner = backends::Scheduler::current();
  return owner != nullptr ? &owner->block : nullptr;
}

EngineImpl::EngineImpl(const EngineOptions& options) : options_(options) {
  uint32_t workers = options.workers != 0 ? options.workers : usable_cores();
  backend_ = std::make_unique<backends::Scheduler>(workers, options.on_thread);
  services_.context = this;
  services_.now_us = now_service;
  services_.lease_ids = lease_service;
  services_.complete = complete_service;
  services_.log = log_service;
  services_.failed = failed_service;
  services_.run_team = run_team_service;
  services_.sync_team = sync_team_service;
  if (options.on_handled != nullptr) services_.handled = handled_service;
}

EngineImpl::~EngineImpl() {
  for (auto& node : nodes_)
    if (node->remote_ != nullptr) node->remote_->detach();
  std::vector<std::thread> failures;
  {
    std::lock_guard lock(failures_mutex_);
    failures.swap(failures_);
  }
  for (std::thread& thread : failures) thread.join();
  backend_->stop();
  // Before the wires on the device go.
  for (auto& node : nodes_)
    if (node->remote_ != nullptr) node->remote_->leave();
  for (auto& node : nodes_)
    for (auto& parts : node->parts_) backend_->detach_team(parts->owner);
}

void EngineImpl::ring(BlockOwner& owner, uint64_t bits) {
  if (raise(owner.block.signal, bits)) backend_->enqueue(owner);
}

void EngineImpl::run_on(BlockOwner& owner, std::function<void(Block&)> f, Then then) {
  if (!started_) return f(owner.block);
  if (raise(owner.block.signal, 0)) {
    // Nobody runs the block, so it is this thread's: no need to wait for a worker.
    f(owner.block);
    while (Block* woken = backends::take_woken(owner.block))
      backend_->enqueue(BlockOwner::of(*woken));
    uint64_t scheduled = kScheduled;
    if (then == Then::Rest && owner.block.pending == 0 &&
        compare_exchange(&owner.block.signal.word, scheduled, uint64_t{0}))
      return;
    return backend_->enqueue(owner);
  }
  backends::Command command;
  command.run = std::move(f);
  command.next = owner.commands.load(std::memory_order_relaxed);
  while (!owner.commands.compare_exchange_weak(command.next, &command, std::memory_order_acq_rel)) {
  }
  ring(owner);
  while (command.done.load(std::memory_order_acquire) == 0) command.done.wait(0);
}

Engine::Engine(std::unique_ptr<EngineImpl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::create(const EngineOptions& options) {
  return std::unique_ptr<Engine>(new Engine(std::make_unique<EngineImpl>(options)));
}

Result<uint16_t> Engine::register_message(const MessageInfo& message) {
  return impl_->type_id(message);
}

Result<Node*> Engine::add_kernel(KernelSpec spec) {
  std::lock_guard lock(impl_->change_);
  const LaunchOptions& o = spec.options;
  const HandlerModule* m = spec.module;
  if (m == nullptr) return fail(ErrorCode::ValidationError, "kernel has no handler", spec.name);
  if (m->abi != kModuleAbi || m->block_size != sizeof(Block))
    return fail(ErrorCode::LaunchFailed,
                "handler was compiled against another version of ringkernel", spec.name);
  if (o.grid_size == 0 || o.block_size == 0)
    return fail(ErrorCode::InvalidConfig, "grid_size and block_size must be at least 1", spec.name);
  if (o.input_queue_capacity == 0 || o.output_queue_capacity == 0)
    return fail(ErrorCode::InvalidConfig, "queue capacities must be at least 1", spec.name);
  if (o.input_queue_capacity > kMostSlots || o.output_queue_capacity > kMostSlots ||
      spec.key_capacity > kMostSlots)
    return fail(ErrorCode::InvalidConfig,
                "queue and key capacities must be at most " + std::to_string(kMostSlots),
                spec.name);
  if (o.shared_memory_size > kMostSharedBytes)
    return fail(ErrorCode::InvalidConfig,
                "shared_memory_size must be at most " + std::to_string(kMostSharedBytes),
                spec.name);
  if (o.cluster_size < 1 || o.cluster_size > 8 || o.grid_size % o.cluster_size != 0)
    return fail(ErrorCode::InvalidConfig,
                "cluster_size must be 1 to 8, and grid_size a multiple of it", spec.name);
  if (o.batch_size < 1 || o.batch_size > kMostBatch || o.batch_delay.count() < 0)
    return fail(
        ErrorCode::InvalidConfig,
        "batch_size must be 1 to " + std::to_string(kMostBatch) + ", and batch_delay not negative",
        spec.name);
  if (o.lease < kLeastLease || o.lease > kMostLease)
    return fail(ErrorCode::InvalidConfig, "lease must be 100 ms to 24 h", spec.name);
  if (!spec.params.empty() && spec.params.size() != m->params_size)
    return fail(ErrorCode::InvalidConfig,
                "params have " + std::to_string(spec.params.size()) +
                    " bytes, the handler expects " + std::to_string(m->params_size),
                spec.name);
  if (o.scheduler && o.scheduler->strategy == SchedulerStrategy::Priority &&
      (o.scheduler->levels < 1 || o.scheduler->levels > 16))
    return fail(ErrorCode::InvalidConfig, "scheduler levels must be 1 to 16", spec.name);
  if (o.scheduler && m->keys != nullptr &&
      (o.scheduler->strategy == SchedulerStrategy::WorkStealing ||
       o.scheduler->strategy == SchedulerStrategy::RoundRobin))
    return fail(ErrorCode::InvalidConfig,
                "a keyed kernel cannot spread its messages by " +
                    std::string(to_string(o.scheduler->strategy)),
                spec.name);
  auto transfer = BufferTransfer::open(*m, spec.buffers, spec.name);
  if (!transfer) return tl::unexpected(transfer.error());
  bool grid = o.cooperative || m->granularity == Granularity::Grid;
  uint32_t blocks = grid ? 1 : o.grid_size;
  auto node = impl_->add_node(spec.name, NodeKind::Kernel, blocks, m->port_count + 1, o);
  if (!node) return tl::unexpected(node.error());
  GraphNode& kernel = **node;
  kernel.module_ = m;
  kernel.transfer_ = std::move(*transfer);
  kernel.host_queues_ = spec.host_queues;
  kernel.launched_ns_ = monotonic_ns();
  kernel.k2k_ = o.enable_k2k;
  auto laid_out = impl_->lay_out_state(kernel, spec);
  if (laid_out) laid_out = impl_->attach_dead_letters(kernel);
  if (laid_out)
    laid_out = spec.device ? impl_->put_on_device(kernel, spec) : impl_->lay_out_buffers(kernel);
  kernel.transfer_.close_sources();
  const bool speaks_unasked = m->has_start || m->has_poll || m->has_stop || spec.device;
  if (laid_out && speaks_unasked) laid_out = impl_->attach_receiver(kernel);
  if (laid_out && impl_->started_ && kernel.remote_ != nullptr) laid_out = kernel.remote_->launch();
  if (!laid_out) {
    if (kernel.remote_ != nullptr) {
      kernel.remote_->leave();
      kernel.remote_->release();
    }
    kernel.set_error(to_string(laid_out.error()));
    kernel.state_ = KernelState::Failed;
    impl_->forget(kernel);
    return tl::unexpected(laid_out.error());
  }
  ++impl_->total_launched_;
  if (o.mode == KernelMode::Persistent) impl_->backend_->expect_persistent(blocks);
  kernel.state_ = KernelState::Launched;
  if (impl_->started_ && o.auto_activate) {
    kernel.state_ = KernelState::Active;
    for (auto& parts : kernel.parts_) impl_->ring(parts->owner);
  }
  return &kernel;
}

Result<Node*> Engine::add_input(std::string name, std::vector<MessageInfo> types,
                                std::unique_ptr<HostStep> step) {
  std::lock_guard lock(impl_->change_);
  auto node = impl_->add_node(std::move(name), NodeKind::Input, 1, types.size(), {});
  if (!node) return tl::unexpected(node.error());
  GraphNode& input = **node;
  input.types_ = std::move(types);
  input.host_step_ = std::move(step);
  BlockParts& parts = *input.parts_[0];
  for (size_t i = 0; i < input.types_.size(); ++i) {
    parts.out_ports[i].message_type = impl_->type_id(input.types_[i]);
    parts.out_ports[i].payload_size = input.types_[i].size;
  }
  if (auto done = impl_->attach_dead_letters(input); !done) return tl::unexpected(done.error());
  impl_->rebuild(parts);
  input.state_ = KernelState::Active;
  if (impl_->started_) impl_->ring(parts.owner);
  return &input;
}

Result<Node*> Engine::add_output(std::string name, std::unique_ptr<HostStep> step,
                                 size_t queue_capacity) {
  std::lock_guard lock(impl_->change_);
  LaunchOptions options;
  options.input_queue_capacity = queue_capacity;
  auto node = impl_->add_node(std::move(name), NodeKind::Output, 1, 0, options);
  if (!node) return tl::unexpected(node.error());
  (*node)->host_step_ = std::move(step);
  impl_->rebuild(*(*node)->parts_[0]);
  (*node)->state_ = KernelState::Active;
  return *node;
}

Result<Node*> Engine::set_dead_letters(std::unique_ptr<HostStep> step) {
  std::lock_guard lock(impl_->change_);
  if (impl_->dead_letters_ != nullptr)
    return fail(ErrorCode::InvalidConfig,
                "dead letters are set before the first kernel is added, once");
  auto node = impl_->add_node("dead letters", NodeKind::DeadLetters, 1, 0, {});
  if (!node) return tl::unexpected(node.error());
  (*node)->host_step_ = step != nullptr ? std::move(step) : std::make_unique<Discard>();
  impl_->rebuild(*(*node)->parts_[0]);
  (*node)->state_ = KernelState::Active;
  impl_->dead_letters_ = *node;
  return *node;
}

Result<Edge*> Engine::connect(const EdgeSpec& spec) {
  std::lock_guard lock(impl_->change_);
  auto edge = impl_->connect(spec);
  if (!edge) return tl::unexpected(edge.error());
  return *edge;
}

void Engine::set_on_failure(std::function<void(Node&, const Error&)> callback) {
  impl_->on_failure_ = std::move(callback);
}

void Engine::set_log(std::function<void(std::string_view, int, std::string_view, double)> log) {
  impl_->log_ = std::move(log);
}

Result<void> Engine::start() {
  std::lock_guard lock(impl_->change_);
  if (impl_->started_) return {};
  for (auto& node : impl_->nodes_)
    if (node->remote_ != nullptr)
      if (auto done = node->remote_->launch(); !done) return done;
  impl_->started_ = true;
  for (auto& node : impl_->nodes_)
    if (node->kind_ == NodeKind::Kernel && node->options_.auto_activate &&
        node->state_ == KernelState::Launched)
      node->state_ = KernelState::Active;
  impl_->backend_->start();
  for (auto& node : impl_->nodes_)
    for (auto& parts : node->parts_) impl_->ring(parts->owner);
  return {};
}

namespace {

// Finished ones are read first: where the sums agree, there was a moment without a message.
uint64_t sum_of(const EngineImpl& impl, uint64_t BlockCounters::*counter) noexcept {
  uint64_t sum = 0;
  for (auto& node : impl.nodes_) {
    for (auto& parts : node->parts_) {
      sum += load_acquire(&(parts->counters->*counter));
      if (parts->device_counters != nullptr)
        sum += load_acquire(&(parts->device_counters->*counter));
    }
  }
  return sum;
}

}  // namespace

uint64_t Engine::under_way() const noexcept {
  const uint64_t finished = impl_->host_finished_.load() + sum_of(*impl_, &BlockCounters::finished);
  const uint64_t created = impl_->host_created_.load() + sum_of(*impl_, &BlockCounters::created);
  return created - std::min(created, finished);
}

Tally Engine::tally() const noexcept {
  Tally tally;
  for (auto& node : impl_->nodes_) {
    if (node->module_ == nullptr) continue;
    for (auto& parts : node->parts_)
      for (const BlockCounters* c :
           {static_cast<const BlockCounters*>(parts->counters), parts->device_counters}) {
        if (c == nullptr) continue;
        tally.handled += load_relaxed(&c->handled);
        tally.failed += load_relaxed(&c->failed);
      }
  }
  for (auto& edge : impl_->edges_) {
    for (const SendCounters* c : edge->sent_) tally.failed += load_relaxed(&c->failed);
    for (const ReceiveCounters* c : edge->received_) tally.failed += load_relaxed(&c->failed);
  }
  return tally;
}

bool Engine::quiescent() const {
  std::lock_guard lock(impl_->mutex_);
  const uint64_t finished = impl_->host_finished_.load() + sum_of(*impl_, &BlockCounters::finished);
  const uint64_t host_created = impl_->host_created_.load();
  for (auto& node : impl_->nodes_) {
    if (node->module_ == nullptr || !node->module_->has_poll || !node->active()) continue;
    for (auto& parts : node->parts_)
      if (load_relaxed(&parts->counters->polls_left) != 0) return false;
  }
  return finished == host_created + sum_of(*impl_, &BlockCounters::created);
}

bool Engine::wait_quiescent(std::optional<nanoseconds> limit,
                            const std::function<bool()>& cancelled) {
  uint64_t until = limit ? monotonic_ns() + static_cast<uint64_t>(limit->count()) : ~uint64_t{0};
  for (;;) {
    if (quiescent()) return true;
    if (monotonic_ns() >= until || (cancelled && cancelled())) return false;
    std::this_thread::sleep_for(kPoll);
  }
}

void Engine::stop_sources() {
  for (Node* node : nodes()) {
    auto& n = static_cast<GraphNode&>(*node);
    if (n.module_ == nullptr || !n.module_->has_poll) continue;
    for (auto& parts : n.parts_)
      impl_->run_on(parts->owner, [&](Block& block) {
        block.started = true;
        block.polling = false;
        // A device may be in the middle of on_poll: its pump says when it has stopped.
        if (n.remote_ == nullptr || !n.active())
          store_release(&block.counters->polls_left, uint64_t{0});
      });
    for (auto& parts : n.parts_)
      while (n.active() && load_acquire(&parts->counters->polls_left) != 0)
        std::this_thread::sleep_for(kPoll);
  }
}

void Engine::wake(Node& node) {
  for (auto& parts : static_cast<GraphNode&>(node).parts_) impl_->ring(parts->owner);
}

void Engine::run_on(Node& node, const std::function<void(Block&)>& f) {
  for (auto& parts : static_cast<GraphNode&>(node).parts_) impl_->run_on(parts->owner, f);
}

RequestCounts Engine::requests() const { return impl_->requests_.counts(); }

Node* Engine::find(std::string_view name) const {
  std::lock_guard lock(impl_->mutex_);
  auto it = impl_->by_name_.find(std::string(name));
  return it == impl_->by_name_.end() ? nullptr : it->second;
}

std::vector<Node*> Engine::nodes() const {
  std::lock_guard lock(impl_->mutex_);
  std::vector<Node*> all;
  for (auto& node : impl_->nodes_)
    if (node->kind_ != NodeKind::Host) all.push_back(node.get());
  return all;
}

std::vector<Edge*> Engine::edges() const {
  std::lock_guard lock(impl_->mutex_);
  std::vector<Edge*> all;
  for (auto& edge : impl_->edges_) all.push_back(edge.get());
  return all;
}

uint64_t Engine::memory_bytes() const { return impl_->arena_.committed(); }
uint32_t Engine::workers() const { return impl_->backend_->workers(); }

uint64_t Engine::dead_letters() const {
  std::lock_guard lock(impl_->mutex_);
  uint64_t n = 0;
  for (auto& node : impl_->nodes_)
    for (auto& parts : node->parts_) n += load_relaxed(&parts->counters->dead_letters);
  return n;
}

}  // namespace ringkernel::runtime
