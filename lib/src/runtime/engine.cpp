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

constexpr auto kPoll = std::chrono::microseconds(200);
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

void EngineImpl::run_on(BlockOwner& owner, std::function<void(Block&)> f) {
  if (!started_) return f(owner.block);
  if (raise(owner.block.signal, 0)) {
    // Nobody runs the block, so it is this thread's: no need to wait for a worker.
    f(owner.block);
    for (uint32_t i = 0; i < owner.block.woken_count; ++i)
      backend_->enqueue(BlockOwner::of(*owner.block.woken[i]));
    owner.block.woken_count = 0;
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
  if (laid_out && spec.host_queues) laid_out = impl_->attach_receiver(kernel);
  if (laid_out && impl_->started_ && kernel.remote_ != nullptr) laid_out = kernel.remote_->launch();
  if (!laid_out) {
    if (kernel.remote_ != nullptr) {
      kernel.remote_->leave();
      kernel.remote_->drop_buffers();
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

// Returns the state it was in.
Result<KernelState> change(GraphNode& node, bool (*may)(KernelState), KernelState to,
                           const char* verb) {
  KernelState from = node.state_.load();
  while (may(from))
    if (node.state_.compare_exchange_weak(from, to)) return from;
  return fail(ErrorCode::InvalidStateTransition,
              std::string("cannot ") + verb + " a kernel that is " + std::string(to_string(from)) +
                  ": no way from " + std::string(to_string(from)) + " to " +
                  std::string(to_string(to)),
              node.name_);
}

uint64_t staged_on(const std::vector<GraphEdge*>& edges) {
  uint64_t staged = 0;
  for (const GraphEdge* edge : edges)
    for (const SendCounters* sent : edge->sent_) staged += load_acquire(&sent->staged);
  return staged;
}

// The senders acknowledge that they will send no more.
void close(EngineImpl& impl, GraphEdge& edge) {
  edge.closed_ = true;
  if (edge.remote_ != nullptr) return edge.remote_->close();
  if (edge.kind_ == RingKind::Mpmc)
    for (Ring& ring : edge.rings_) MpmcRing{ring}.close();
  for (auto& parts : edge.from_->parts_)
    impl.run_on(parts->owner, [&](Block& block) {
      for (uint32_t p = 0; p < block.port_count; ++p)
        for (uint32_t i = 0; i < block.ports[p].edge_count; ++i)
          if (block.ports[p].edges[i].edge == edge.number_) block.ports[p].edges[i].closed = true;
      impl.rebuild(*parts);
    });
}

// Nothing waits, and no receiver is still reading. REQUIRES: nobody sends any more.
bool is_free(const MpmcRing& ring) {
  if (ring.depth() > 0) return false;
  uint64_t head = load_acquire(&ring.ring.control->head);
  for (uint64_t at = head > ring.ring.capacity ? head - ring.ring.capacity : 0; at < head; ++at)
    if (load_acquire(&ring.ring.slot(at)->turn) != 2 * (ring.ring.lap(at) + 1)) return false;
  return true;
}

// Makes a dead letter of a message that is not handled. False: no room for it.
bool bury(Block& b, const GraphNode& node, MessageHeader& h, uint32_t size, uint32_t edge,
          Reason reason) {
  if (b.dead != nullptr && b.dead->spsc.room(1) == 0) return false;
  if (size == 0 && node.module_ != nullptr)
    for (uint32_t a = 0; a < b.accept_count; ++a)
      if (b.accept_types[a] == h.message_type) size = node.module_->accepts[a].size;
  append_dead_letter(b, h, payload_of(&h), size, edge, reason, nullptr);
  complete_request(b, h, Completion::Failed, reason, nullptr);
  ++b.finished;
  return true;
}

// Buries what waits in a ring, or of a stolen batch in hand. False: more is left.
bool bury_ring(Block& b, const GraphNode& node, InRing& in, Reason reason, bool stolen,
               uint64_t& buried) {
  bool complete = true;
  for (;;) {
    MessageHeader* h = nullptr;
    if (in.kind == RingKind::Spsc) {
      if (in.spsc.available() > 0) h = in.spsc.front();
    } else {
      if (in.taken == 0 && !stolen) in.taken = in.mpmc.take(64, in.taken_first);
      if (in.taken > 0) h = in.mpmc.ring.slot(in.taken_first);
    }
    if (h == nullptr) break;
    if (!bury(b, node, *h, 0, in.edge, reason)) {
      complete = false;
      break;
    }
    count(&in.counters->failed, 1);
    if (in.in_cycle) ++b.credits_back;
    ++buried;
    if (in.kind == RingKind::Spsc) {
      in.spsc.pop();
    } else {
      in.mpmc.release(in.taken_first++);
      --in.taken;
    }
  }
  if (in.kind == RingKind::Spsc)
    in.spsc.release();
  else
    store_relaxed(&in.counters->taken, uint64_t{in.taken});
  // A host thread may have claimed a slot before the close, and is about to publish it.
  if (in.kind == RingKind::Mpmc && !stolen && in.mpmc.closed() && in.mpmc.depth() > 0)
    complete = false;
  if (room_was_wanted(in.ring()))
    for (uint32_t i = 0; i < in.sender_count; ++i) ringkernel::wake(b, *in.senders[i], kRoom);
  return complete;
}

// Buries what a block has emitted and could not flush. False: more is left.
bool bury_staged(Block& b, const GraphNode& node, Reason reason) {
  if (flush(b)) return true;
  for (uint32_t p = 0; p < b.port_count; ++p) {
    for (uint32_t i = 0; i < b.ports[p].edge_count; ++i) {
      OutEdge& e = b.ports[p].edges[i];
      for (; e.flushed < e.staged; ++e.flushed) {
        MessageHeader& h = *e.staged_slot(e.flushed);
        if (!bury(b, node, h, b.ports[p].payload_size, e.edge, reason)) return false;
        count(&e.counters->failed, 1);
        if (e.in_cycle) ++b.credits_back;
      }
    }
  }
  return flush(b);
}

}  // namespace

Result<void> Engine::activate(Node& kernel) {
  auto& node = static_cast<GraphNode&>(kernel);
  if (auto done = change(node, can_activate, KernelState::Active, "activate"); !done)
    return tl::unexpected(done.error());
  for (auto& parts : node.parts_) impl_->ring(parts->owner);
  return {};
}

Result<void> Engine::deactivate(Node& kernel) {
  auto& node = static_cast<GraphNode&>(kernel);
  if (auto done = change(node, can_deactivate, KernelState::Deactivated, "deactivate"); !done)
    return tl::unexpected(done.error());
  for (auto& parts : node.parts_)
    impl_->run_on(parts->owner, [&](Block& block) {  // steps under way have ended
      if (node.remote_ != nullptr) node.remote_->look_again(block.index);
    });
  if (node.remote_ != nullptr)
    for (uint32_t i = 0; i < node.parts_.size(); ++i)
      while (!node.remote_->quiet(i) && node.state_.load() == KernelState::Deactivated)
        std::this_thread::sleep_for(kPoll);
  return {};
}

void EngineImpl::kernel_failed(GraphNode& node, const Error& error) {
  node.set_error(to_string(error));
  node.state_ = KernelState::Failed;
  node.ended_ns_ = monotonic_ns();
  for (auto& parts : node.parts_) ring(parts->owner);
  // The device's thread must not wait for the workers.
  std::lock_guard lock(failures_mutex_);
  failures_.emplace_back([this, &node, error] {
    std::vector<GraphEdge*> in;
    {
      std::lock_guard graph(mutex_);
      for (auto& edge : edges_)
        if (edge->to_ == &node) in.push_back(edge.get());
    }
    for (GraphEdge* edge : in) close(*this, *edge);
    bury_backlog(node, Reason::KernelFailed);
    if (on_failure_) on_failure_(node, error);
  });
}

Result<void> Engine::terminate(Node& kernel, std::optional<nanoseconds> limit) {
  auto& node = static_cast<GraphNode&>(kernel);
  uint64_t until = limit ? monotonic_ns() + static_cast<uint64_t>(limit->count()) : ~uint64_t{0};
  std::vector<GraphEdge*> in, out;
  bool drains = false;
  {
    // No edge comes after this: whoever connects looks at the state.
    std::lock_guard lock(impl_->change_);
    auto from = change(node, can_terminate, KernelState::Terminating, "terminate");
    if (!from) return tl::unexpected(from.error());
    drains = *from == KernelState::Active;
    node.draining_ = drains;
    for (auto& edge : impl_->edges_) {
      if (edge->to_ == &node) in.push_back(edge.get());
      if (edge->from_ == &node) out.push_back(edge.get());
    }
  }
  for (GraphEdge* edge : in) close(*impl_, *edge);
  auto end_steps = [&](const std::function<void(Block&)>& then) {
    for (auto& parts : node.parts_) impl_->run_on(parts->owner, then);
  };
  bool timed_out = false;
  if (drains) {
    end_steps([](Block& block) { block.polling = false; });
    auto drained = [&] {
      for (GraphEdge* edge : in)
        if (edge->counts().depth > 0) return false;
      return node.counts().in_hand == 0 && staged_on(out) == 0;
    };
    // Exact between steps only: in a step, messages may have left the ring and not yet be in hand.
    auto settled = [&] {
      if (!drained()) return false;
      end_steps([](Block&) {});
      return drained();
    };
    while (!timed_out && !settled()) {
      timed_out = monotonic_ns() > until;
      std::this_thread::sleep_for(kPoll);
    }
    if (!timed_out) {
      std::optional<nanoseconds> left;
      if (limit) {
        uint64_t now = monotonic_ns();
        left = nanoseconds(now < until ? until - now : 0);
      }
      timed_out = !stop_kernel(node, left);
    }
  }
  node.draining_ = false;
  end_steps([](Block&) {});
  Reason reason = drains ? Reason::DrainTimeout : Reason::ReceiverTerminated;
  bury_backlog(node, reason);
  for (auto& parts : node.parts_) {
    bool complete = false;
    while (!complete) {
      impl_->run_on(parts->owner, [&](Block& b) {
        b.now_us = wall_us();
        complete = bury_staged(b, node, reason);
        return_credits(b);
      });
      if (!complete) std::this_thread::sleep_for(kPoll);
    }
  }
  if (node.remote_ != nullptr) {
    node.left_ = true;
    end_steps([](Block&) {});
    node.remote_->leave();
  }
  // Who waits for the end may read what is saved.
  const Result<void> saved = impl_->save_buffers(node);
  // Unless its device was lost meanwhile.
  KernelState ending = KernelState::Terminating;
  node.state_.compare_exchange_strong(ending, KernelState::Terminated);
  node.ended_ns_ = monotonic_ns();
  std::shared_ptr<HostSender> sender;
  {
    std::lock_guard lock(impl_->mutex_);
    sender = node.sender_;
  }
  if (node.receiver_ != nullptr) impl_->ring(node.receiver_->waiter.owner);
  if (sender != nullptr) impl_->ring(sender->waiter.owner);
  impl_->forget(node);
  // The rings stay, for a host thread that is about to find them closed or empty; their memory need
  // not.
  auto decommit = [&](const GraphEdge& edge) {
    for (const Ring& ring : edge.rings_)
      impl_->arena_.decommit(ring.slots, size_t{ring.capacity} * ring.stride);
  };
  for (GraphEdge* edge : in) decommit(*edge);
  for (GraphEdge* edge : out)
    if (edge->to_ == impl_->host_ && is_free(MpmcRing{edge->rings_[0]})) decommit(*edge);
  for (auto& parts : node.parts_)
    for (const auto& edges : parts->port_edges)
      for (const OutEdge& e : edges)
        impl_->arena_.decommit(e.staging, size_t{e.staging_capacity} * e.staging_stride);
  if (node.options_.mode == KernelMode::Persistent)
    impl_->backend_->expect_persistent(-static_cast<int64_t>(node.parts_.size()));
  if (!saved) return saved;
  if (timed_out)
    return fail(ErrorCode::Timeout, "kernel was terminated before it had drained", node.name_);
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

bool Engine::stop_kernel(Node& kernel, std::optional<nanoseconds> limit) {
  auto& node = static_cast<GraphNode&>(kernel);
  if (!node.active() || !node.module_->has_stop) return true;
  uint64_t until = limit ? monotonic_ns() + static_cast<uint64_t>(limit->count()) : ~uint64_t{0};
  for (auto& parts : node.parts_)
    impl_->run_on(parts->owner, [](Block& block) {
      block.key_cursor = 0;
      block.stopping = true;
    });
  for (auto& parts : node.parts_) {
    impl_->ring(parts->owner);
    while (!parts->stopped.load() && node.active()) {
      if (monotonic_ns() > until) return false;
      std::this_thread::sleep_for(kPoll);
    }
  }
  return true;
}

uint64_t Engine::bury_backlog(Node& kernel, Reason reason) {
  return impl_->bury_backlog(static_cast<GraphNode&>(kernel), reason);
}

// What waits on wires of the device: its blocks hand it over. Returns how many there were.
uint64_t EngineImpl::bury_on_device(GraphNode& node, Reason reason) {
  std::vector<GraphEdge*> in;
  {
    std::lock_guard lock(mutex_);
    for (auto& edge : edges_)
      if (edge->to_ == &node && edge->remote_ != nullptr) in.push_back(edge.get());
  }
  if (in.empty()) return 0;
  auto failed = [&] {
    uint64_t n = 0;
    for (const GraphEdge* edge : in) n += edge->counts().failed;
    return n;
  };
  auto refuse = [&](Reason why) {
    for (uint32_t i = 0; i < node.parts_.size(); ++i)
      run_on(node.parts_[i]->owner, [&](Block&) { node.remote_->refuse(i, why); });
  };
  auto waits = [](const GraphEdge* edge) { return edge->counts().depth > 0; };
  const uint64_t before = failed();
  refuse(reason);
  while (std::any_of(in.begin(), in.end(), waits) || node.counts().in_hand > 0) {
    for (auto& parts : node.parts_) ring(parts->owner);
    std::this_thread::sleep_for(kPoll);
  }
  refuse(Reason::None);
  return failed() - before;
}

uint64_t EngineImpl::bury_backlog(GraphNode& node, Reason reason) {
  uint64_t buried = bury_on_device(node, reason);
  for (auto& parts : node.parts_) {
    bool complete = false;
    while (!complete) {
      run_on(parts->owner, [&](Block& b) {
        complete = true;
        b.now_us = wall_us();
        for (uint32_t r = 0; r < b.in_count; ++r)
          complete = bury_ring(b, node, b.in[r], reason, false, buried) && complete;
        for (uint32_t r = 0; r < b.steal_count; ++r)
          complete = bury_ring(b, node, b.steal[r], reason, true, buried) && complete;
        b.visiting = false;
        flush(b);
        return_credits(b);
      });
      if (!complete) std::this_thread::sleep_for(kPoll);
    }
  }
  return buried;
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
