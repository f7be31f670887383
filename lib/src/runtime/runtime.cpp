#include "ringkernel/runtime.hpp"

#include <memory>
#include <utility>

#include "backends/cuda/device.hpp"
#include "core/npy.hpp"
#include "handlers/device_compiler.hpp"
#include "runtime/graph.hpp"
#include "runtime/kernel_handle_inner.hpp"

namespace ringkernel {

using runtime::EdgeSpec;
using runtime::Engine;
using runtime::GraphNode;
using runtime::KernelSpec;
using runtime::NodeKind;

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
