#include "ringkernel/runtime.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "backends/cuda/device.hpp"
#include "core/clock.hpp"
#include "core/npy.hpp"
#include "handlers/device_compiler.hpp"
#include "ringkernel/device/outbox.hpp"
#include "runtime/graph.hpp"
#include "runtime/host_port.hpp"

namespace ringkernel {

using runtime::EdgeSpec;
using runtime::Engine;
using runtime::GraphEdge;
using runtime::GraphNode;
using runtime::HostMessage;
using runtime::HostReceiver;
using runtime::KernelSpec;
using runtime::NodeKind;
using runtime::RequestResult;

class RuntimeImpl {
 public:
  Engine* engine_pointer = nullptr;  // for the dead letters' sink, which the engine owns
  std::unique_ptr<Engine> engine;
  Hlc clock;
  Backend backend = Backend::Cpu;
  bool fall_back = false;  // backend Auto: what the GPU cannot run, the CPU does
  int device = 0;
  std::vector<std::string> device_include;
};

struct KernelHandle::Inner {
  std::string id;
  Engine* engine;
  GraphNode* node;

  // `request`: who waits for the answer; null: whom the envelope names.
  Result<void> send(const Envelope& envelope, const runtime::RequestTable::Ticket* request,
                    Duration timeout) const;
};

namespace {

// Passes dead letters on to the program.
class DeadLetterSink final : public runtime::HostStep {
 public:
  DeadLetterSink(Engine*& engine, std::function<void(const DeadMessage&)> callback)
      : engine_(engine), callback_(std::move(callback)) {}

  StepStatus step(Block& block) override {
    constexpr uint32_t kBatch = 64;
    uint32_t n = runtime::take(
        block, kBatch, [&](uint32_t, const MessageHeader& header, const void* payload) {
          const auto& letter = *static_cast<const DeadLetter*>(payload);
          DeadMessage message;
          message.envelope.header = header;
          auto* bytes = reinterpret_cast<const std::byte*>(&letter + 1);
          message.envelope.payload.assign(bytes, bytes + letter.payload_size);
          message.reason = reason_name(letter.reason);
          message.detail = letter.detail;
          message.time_us = letter.time_us;
          engine_->impl().describe(letter, header, message.kernel, message.edge,
                                   message.envelope.type, message.envelope.fingerprint);
          callback_(message);
          return true;
        });
    return n == kBatch ? StepStatus::More : StepStatus::Idle;
  }

 private:
  Engine*& engine_;
  std::function<void(const DeadMessage&)> callback_;
};

uint64_t deadline_after(std::chrono::nanoseconds timeout) {
  if (timeout <= std::chrono::nanoseconds::zero()) return 0;
  return monotonic_ns() + static_cast<uint64_t>(timeout.count());
}

}  // namespace

std::string_view to_string(DeliveryStatus status) {
  switch (status) {
    case DeliveryStatus::Delivered:
      return "delivered";
    case DeliveryStatus::Pending:
      return "pending";
    case DeliveryStatus::NotFound:
      return "not_found";
    case DeliveryStatus::QueueFull:
      return "queue_full";
    case DeliveryStatus::Timeout:
      return "timeout";
    case DeliveryStatus::MaxHopsExceeded:
      return "max_hops_exceeded";
  }
  return "unknown";
}

// --- KernelHandle

const std::string& KernelHandle::id() const { return inner_->id; }
Result<void> KernelHandle::activate() const { return inner_->engine->activate(*inner_->node); }
Result<void> KernelHandle::deactivate() const { return inner_->engine->deactivate(*inner_->node); }
Result<void> KernelHandle::terminate(Duration limit) const {
  return inner_->engine->terminate(*inner_->node, limit);
}

Result<void> KernelHandle::wait(std::optional<Duration> timeout) const {
  uint64_t until =
      timeout ? monotonic_ns() + static_cast<uint64_t>(timeout->count()) : ~uint64_t{0};
  while (!is_finished(state())) {
    if (monotonic_ns() > until)
      return fail(ErrorCode::Timeout, "kernel is still " + std::string(to_string(state())), id());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return {};
}

KernelState KernelHandle::state() const { return inner_->node->state(); }

KernelStatus KernelHandle::status() const {
  KernelStatus status;
  KernelMetrics m = metrics();
  status.id = id();
  status.k2k = inner_->node->k2k_.load();
  status.state = m.state;
  status.mode = inner_->node->options().mode;
  status.input_queue_depth = m.input_queue_depth;
  status.output_queue_depth = m.output_queue_depth;
  status.messages_processed = m.messages_processed;
  status.uptime = m.uptime;
  return status;
}

KernelMetrics KernelHandle::metrics() const {
  const GraphNode& node = *inner_->node;
  runtime::KernelCounts counts = node.counts();
  KernelMetrics m;
  m.messages_processed = counts.handled + counts.failed;
  m.messages_failed = counts.failed;
  m.messages_sent = counts.emitted;
  m.messages_received = counts.delivered;
  m.latency_total_us = counts.latency.total_us;
  m.latency_min_us = counts.latency.min_us;
  m.latency_max_us = counts.latency.max_us;
  m.latency_p50_us = counts.latency.p50_us;
  m.latency_p99_us = counts.latency.p99_us;
  m.latency_histogram = node.latency_buckets();
  m.invocations = counts.invocations;
  m.stolen = counts.stolen;
  m.last_error = node.last_error();
  m.uptime = node.uptime();
  m.state = node.state();
  for (runtime::Edge* edge : inner_->engine->edges()) {
    runtime::EdgeCounts c = edge->counts();
    if (&edge->to() == inner_->node) {
      m.input_queue_depth += c.depth;
      m.messages_dropped += c.dropped;
    }
    if (&edge->from() == inner_->node) m.output_queue_depth += c.depth;
  }
  m.host_memory_used = inner_->engine->impl().memory_of(node);
  m.bytes_to_device = counts.bytes_to_device;
  m.bytes_from_device = counts.bytes_from_device;
  m.bytes_polled = counts.bytes_polled;
  m.gpu_memory_used = counts.device_memory;
  m.gpu_launched = node.remote_ != nullptr;
  return m;
}

Result<void> KernelHandle::send_envelope(const Envelope& envelope, Duration timeout) const {
  return inner_->send(envelope, nullptr, timeout);
}

Result<void> KernelHandle::Inner::send(const Envelope& envelope,
                                       const runtime::RequestTable::Ticket* request,
                                       Duration timeout) const {
  const KernelState now = node->state();
  if (is_finished(now) || now == KernelState::Terminating)
    return fail(ErrorCode::Closed, "kernel is " + std::string(to_string(now)), id);
  const HandlerModule& module = *node->module_;
  HostMessage message;
  while (message.accept < module.accept_count &&
         module.accepts[message.accept].fingerprint != envelope.fingerprint)
    ++message.accept;
  if (message.accept == module.accept_count)
    return fail(ErrorCode::InvalidMessage, "kernel does not accept a " + envelope.type, id);
  if (envelope.payload.size() != module.accepts[message.accept].size)
    return fail(ErrorCode::MessageTooLarge,
                "payload has " + std::to_string(envelope.payload.size()) + " bytes, a " +
                    envelope.type + " has " + std::to_string(module.accepts[message.accept].size),
                id);
  if (uint64_t stamp = envelope.header.hlc; stamp != 0)
    if (auto seen = Hlc{}.observe(stamp); !seen) return seen;
  auto sender = engine->impl().sender_to(*node);
  if (!sender) return tl::unexpected(sender.error());
  message.payload = envelope.payload.data();
  message.size = static_cast<uint32_t>(envelope.payload.size());
  message.emission.priority = envelope.header.priority;
  message.emission.deadline = envelope.header.deadline;
  message.emission.root = envelope.header.root;
  message.emission.correlation_id =
      request != nullptr ? request->correlation_id : envelope.header.correlation_id;
  message.emission.reply_to = request != nullptr ? request->slot : envelope.header.reply_to;
  message.emission.hops = envelope.header.hops;
  message.hlc = envelope.header.hlc;
  message.message_id = envelope.header.message_id;
  return (*sender)->send(message, deadline_after(timeout));
}

namespace {

Result<Envelope> receive_from(GraphNode& node, Engine& engine, uint64_t deadline, ErrorCode none) {
  auto receiver = engine.impl().receiver_of(node);
  if (!receiver) return tl::unexpected(receiver.error());
  Envelope envelope;
  auto taken =
      (*receiver)->receive(deadline, [&](const MessageHeader& header, const void* payload) {
        envelope.header = header;
        engine.impl().describe_type(header.message_type, envelope.type, envelope.fingerprint);
        uint32_t size = engine.impl().type_infos_[header.message_type - 1U].size;
        auto* bytes = static_cast<const std::byte*>(payload);
        envelope.payload.assign(bytes, bytes + size);
      });
  if (taken == HostReceiver::Taken::Closed)
    return fail(ErrorCode::Closed, "kernel has terminated and nothing is left", node.name());
  if (taken == HostReceiver::Taken::Nothing)
    return fail(none, none == ErrorCode::Timeout ? "nothing came in time" : "nothing is there",
                node.name());
  return envelope;
}

}  // namespace

Result<Envelope> KernelHandle::receive_until(std::optional<Duration> timeout) const {
  uint64_t deadline = timeout ? deadline_after(*timeout) : ~uint64_t{0};
  return receive_from(*inner_->node, *inner_->engine, deadline, ErrorCode::Timeout);
}

Result<Envelope> KernelHandle::try_receive() const {
  return receive_from(*inner_->node, *inner_->engine, 0, ErrorCode::QueueEmpty);
}

Result<int> KernelHandle::receive_descriptor() const {
  auto receiver = inner_->engine->impl().receiver_of(*inner_->node);
  if (!receiver) return tl::unexpected(receiver.error());
  int fd = (*receiver)->waiter.file_descriptor();
  if (fd < 0)
    return fail(ErrorCode::IoError, std::string("eventfd: ") + std::strerror(errno), id());
  return fd;
}

Result<Envelope> KernelHandle::call_envelope(const Envelope& request, Duration timeout) const {
  struct Waiting {
    // Asleep: who completes the request wakes this thread, and says when it has.
    enum State : uint32_t { Awake, Asleep, Complete, Woken };
    std::atomic<uint32_t> state{Awake};
    RequestResult::Outcome outcome{};
    Reason reason = Reason::None;
    uint16_t type = 0;
    std::vector<std::byte> payload;
    std::string detail;
    runtime::HostWaiter waiter;
  };
  // Kept per thread: this function returns only after the completion, or after it was ruled out.
  thread_local Waiting kept;
  Waiting* waiting = &kept;
  waiting->state.store(Waiting::Awake);
  auto& impl = inner_->engine->impl();
  auto ticket = impl.requests_.begin(
      [waiting](const RequestResult& result) {
        waiting->outcome = result.outcome;
        waiting->detail = result.detail;
        waiting->reason = result.reason;
        waiting->type = result.type;
        waiting->payload.assign(result.payload.begin(), result.payload.end());
        // The last touch, unless the thread sleeps: it goes on at once.
        if (waiting->state.exchange(Waiting::Complete) != Waiting::Asleep) return;
        waiting->waiter.owner.notify();
        waiting->state.store(Waiting::Woken);
      },
      0);
  if (!ticket) return tl::unexpected(ticket.error());
  const uint64_t deadline =
      monotonic_ns() + static_cast<uint64_t>(std::max<Duration::rep>(timeout.count(), 0));
  if (auto done = inner_->send(request, &*ticket, timeout); !done) {
    impl.requests_.cancel(*ticket);
    return tl::unexpected(done.error());
  }
  uint32_t awake = Waiting::Awake;
  if (!runtime::HostWaiter::spin([&] { return waiting->state.load() == Waiting::Complete; }) &&
      waiting->state.compare_exchange_strong(awake, Waiting::Asleep)) {
    if (!waiting->waiter.sleep([&] { return waiting->state.load() != Waiting::Asleep; }, deadline))
      impl.requests_.expire(*ticket);
    while (waiting->state.load() != Waiting::Woken)
      std::this_thread::yield();  // the completion is on its last lines
  }
  switch (waiting->outcome) {
    case RequestResult::Outcome::Replied:
      break;
    case RequestResult::Outcome::TimedOut:
      return fail(ErrorCode::Timeout, "no reply in time", id());
    case RequestResult::Outcome::NoReply:
      return fail(ErrorCode::NoReply, "the handler returned without a reply", id());
    case RequestResult::Outcome::Failed: {
      ErrorCode code = waiting->reason == Reason::DeadlinePassed    ? ErrorCode::DeadlinePassed
                       : waiting->reason == Reason::MaxHopsExceeded ? ErrorCode::MaxHopsExceeded
                       : waiting->reason == Reason::QueueFull       ? ErrorCode::QueueFull
                                                                    : ErrorCode::KernelFailed;
      std::string text = reason_name(waiting->reason);
      if (!waiting->detail.empty()) text += ": " + waiting->detail;
      return fail(code, text, id());
    }
  }
  Envelope reply;
  reply.header.correlation_id = ticket->correlation_id;
  reply.payload = waiting->payload;  // a copy: what is kept needs no new memory next time
  reply.header.message_type = waiting->type;
  impl.describe_type(waiting->type, reply.type, reply.fingerprint);
  return reply;
}

// --- Runtime

Runtime::Runtime(std::unique_ptr<RuntimeImpl> impl) : impl_(std::move(impl)) {}
Runtime::Runtime(Runtime&&) noexcept = default;
Runtime& Runtime::operator=(Runtime&&) noexcept = default;
Runtime::~Runtime() = default;

Backend Runtime::backend() const { return impl_->backend; }

std::optional<Error> Runtime::unavailable(Backend backend) {
  switch (backend) {
    case Backend::Cpu:
    case Backend::Auto:
      return std::nullopt;
    case Backend::Cuda:
      return backends::cuda::unavailable();
    case Backend::Metal:
    case Backend::Wgpu:
      return Error{ErrorCode::BackendUnavailable,
                   std::string(to_string(backend)) + " is a reserved name and not available",
                   std::string(to_string(backend))};
  }
  return std::nullopt;
}

namespace {

// A handler struct as the device runs it.
Result<std::string> device_image(const std::string& id, const HandlerModule& module, int ordinal,
                                 const std::vector<std::string>& include) {
  if (module.device_source == nullptr)
    return tl::unexpected(
        Error{ErrorCode::CompilationError,
              "its handler has no source for a GPU: write RK_DEVICE_SOURCE(...) in it", id});
  auto device = backends::cuda::Device::open(ordinal);
  if (!device) return tl::unexpected(device.error());
  const auto& has = (*device)->properties();
  const handlers::ArtefactCache cache(handlers::default_cache_folder());
  auto code =
      handlers::compile_struct_for_device(module.device_source, module.device_type, include,
                                          handlers::device_target(has.major, has.minor), cache);
  if (!code) return tl::unexpected(code.error());
  return std::move(code->image);
}

}  // namespace

Result<KernelHandle> Runtime::launch_module(std::string id, const HandlerModule& module,
                                            const LaunchOptions& options, const void* params,
                                            size_t params_size, uint64_t key_capacity,
                                            const KernelBuffers& buffers) {
  for (const BufferBinding& binding : buffers.all())
    if (!binding.save_file.empty())
      if (auto may = NpyWriter::check(binding.save_file); !may) return tl::unexpected(may.error());
  KernelSpec spec;
  spec.buffers = buffers;
  spec.name = id;
  spec.module = &module;
  spec.options = options;
  spec.key_capacity = key_capacity;
  spec.host_queues = true;
  if (params_size > 0) {
    auto* bytes = static_cast<const std::byte*>(params);
    spec.params.assign(bytes, bytes + params_size);
  }
  if (impl_->backend == Backend::Cuda && (module.device_source != nullptr || !impl_->fall_back)) {
    auto image = device_image(id, module, impl_->device, impl_->device_include);
    if (!image) return tl::unexpected(image.error());
    spec.device = impl_->device;
    spec.device_image = std::move(*image);
  }
  auto node = impl_->engine->add_kernel(std::move(spec));
  if (!node) return tl::unexpected(node.error());
  return KernelHandle(std::make_shared<KernelHandle::Inner>(
      KernelHandle::Inner{std::move(id), impl_->engine.get(), static_cast<GraphNode*>(*node)}));
}

Result<void> Runtime::connect(const PortRef& from, const KernelHandle& to,
                              const WireOptions& options) {
  auto* source = static_cast<GraphNode*>(impl_->engine->find(from.kernel));
  if (source == nullptr || source->module_ == nullptr)
    return fail(ErrorCode::KernelNotFound, "no kernel '" + from.kernel + "'", from.kernel);
  if (is_finished(to.state()))
    return fail(ErrorCode::Closed, "kernel is " + std::string(to_string(to.state())), to.id());
  const HandlerModule& module = *source->module_;
  EdgeSpec spec;
  spec.from = source;
  spec.to = to.inner_->node;
  spec.id = from.kernel + "." + from.port + ":" + to.id();
  spec.on_full = options.on_full;
  spec.route = options.route;
  while (spec.port < module.port_count && module.ports[spec.port].name != from.port) ++spec.port;
  if (spec.port == module.port_count && !(from.port == "reply" && module.reply.name != nullptr))
    return fail(ErrorCode::ValidationError,
                "kernel '" + from.kernel + "' has no port '" + from.port + "'", from.kernel);
  if (auto may = impl_->engine->impl().may_detach_receiver(*source, spec.port); !may) return may;
  auto edge = impl_->engine->connect(spec);
  if (!edge) return tl::unexpected(edge.error());
  return impl_->engine->impl().detach_receiver(*source, spec.port);
}

DeliveryStatus Runtime::deliver(std::string_view kernel, const Envelope& envelope,
                                std::chrono::nanoseconds timeout) {
  auto handle = get_kernel(kernel);
  if (!handle) return DeliveryStatus::NotFound;
  if (envelope.header.hops > kMaxHops) return DeliveryStatus::MaxHopsExceeded;
  auto sent = handle->send_envelope(envelope, timeout);
  if (sent) return handle->is_active() ? DeliveryStatus::Delivered : DeliveryStatus::Pending;
  switch (sent.error().code) {
    case ErrorCode::QueueFull:
      return DeliveryStatus::QueueFull;
    case ErrorCode::Timeout:
      return DeliveryStatus::Timeout;
    default:
      return DeliveryStatus::NotFound;
  }
}

std::optional<KernelHandle> Runtime::get_kernel(std::string_view id) const {
  auto* node = static_cast<GraphNode*>(impl_->engine->find(id));
  if (node == nullptr || node->kind() != NodeKind::Kernel) return std::nullopt;
  return KernelHandle(std::make_shared<KernelHandle::Inner>(
      KernelHandle::Inner{std::string(id), impl_->engine.get(), node}));
}

std::vector<std::string> Runtime::list_kernels() const {
  std::vector<std::string> names;
  for (runtime::Node* node : impl_->engine->nodes())
    if (node->kind() == NodeKind::Kernel && !is_finished(node->state()))
      names.push_back(node->name());
  return names;
}

RuntimeMetrics Runtime::metrics() const {
  RuntimeMetrics m;
  const Engine& engine = *impl_->engine;
  for (runtime::Node* node : engine.nodes())
    if (node->kind() == NodeKind::Kernel && node->state() == KernelState::Active)
      ++m.active_kernels;
  auto& impl = impl_->engine->impl();
  m.total_launched = impl.total_launched_;
  m.messages_sent = impl.host_created_.load();
  m.messages_received = impl.host_finished_.load();
  m.host_memory_used = engine.memory_bytes();
  for (runtime::Node* node : engine.nodes()) m.gpu_memory_used += node->counts().device_memory;
  m.dead_letters = engine.dead_letters();
  runtime::RequestCounts requests = engine.requests();
  m.requests_sent = requests.sent;
  m.requests_replied = requests.replied;
  m.requests_failed = requests.failed;
  m.requests_no_reply = requests.no_reply;
  m.requests_timed_out = requests.timed_out;
  m.requests_pending = requests.pending;
  return m;
}

std::optional<KernelMetrics> Runtime::kernel_metrics(std::string_view id) const {
  auto handle = get_kernel(id);
  if (!handle) return std::nullopt;
  return handle->metrics();
}

bool Runtime::wait_idle(std::optional<std::chrono::nanoseconds> timeout) const {
  return impl_->engine->wait_quiescent(timeout);
}

Hlc& Runtime::clock() { return impl_->clock; }

Result<void> Runtime::shutdown(std::chrono::nanoseconds limit) {
  Result<void> first;
  for (const std::string& name : list_kernels()) {
    auto handle = get_kernel(name);
    if (!handle || !can_terminate(handle->state())) continue;
    if (auto done = handle->terminate(limit); !done && first) first = done;
  }
  return first;
}

// --- RuntimeBuilder

RuntimeBuilder& RuntimeBuilder::backend(Backend value) {
  backend_ = value;
  return *this;
}
RuntimeBuilder& RuntimeBuilder::device(size_t index) {
  device_ = index;
  return *this;
}
RuntimeBuilder& RuntimeBuilder::device_include(std::string folder) {
  device_include_.push_back(std::move(folder));
  return *this;
}
RuntimeBuilder& RuntimeBuilder::debug(bool enable) {
  debug_ = enable;
  return *this;
}
RuntimeBuilder& RuntimeBuilder::profiling(bool enable) {
  profiling_ = enable;
  return *this;
}
RuntimeBuilder& RuntimeBuilder::workers(uint32_t count) {
  workers_ = count;
  return *this;
}
RuntimeBuilder& RuntimeBuilder::on_dead_letter(std::function<void(const DeadMessage&)> callback) {
  on_dead_letter_ = std::move(callback);
  return *this;
}
RuntimeBuilder& RuntimeBuilder::on_log(
    std::function<void(std::string_view, LogLevel, std::string_view, double)> callback) {
  on_log_ = std::move(callback);
  return *this;
}

Result<Runtime> RuntimeBuilder::build() const {
  if (auto why = Runtime::unavailable(backend_)) return tl::unexpected(*why);
  auto impl = std::make_unique<RuntimeImpl>();
  impl->fall_back = backend_ == Backend::Auto;
  impl->device = static_cast<int>(device_);
  impl->device_include = device_include_;
  const bool cuda = backend_ == Backend::Cuda ||
                    (backend_ == Backend::Auto && Runtime::is_backend_available(Backend::Cuda));
  impl->backend = cuda ? Backend::Cuda : Backend::Cpu;
  if (cuda)
    if (auto device = backends::cuda::Device::open(impl->device); !device)
      return tl::unexpected(device.error());
  auto engine = Engine::create({workers_, debug_, profiling_});
  if (!engine) return tl::unexpected(engine.error());
  impl->engine = std::move(*engine);
  if (on_dead_letter_) {
    impl->engine_pointer = impl->engine.get();
    auto sink = std::make_unique<DeadLetterSink>(impl->engine_pointer, on_dead_letter_);
    if (auto node = impl->engine->set_dead_letters(std::move(sink)); !node)
      return tl::unexpected(node.error());
  }
  if (on_log_)
    impl->engine->set_log(
        [log = on_log_](std::string_view kernel, int level, std::string_view text, double value) {
          log(kernel, static_cast<LogLevel>(level), text, value);
        });
  if (auto started = impl->engine->start(); !started) return tl::unexpected(started.error());
  return Runtime(std::move(impl));
}

}  // namespace ringkernel
