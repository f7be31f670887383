// A kernel's memory: State, keys and buffers on the host, or all of it on a device.
#include <algorithm>
#include <bit>
#include <cstring>

#include "backends/cuda/resident_kernel.hpp"
#include "ringkernel/device/context.hpp"
#include "runtime/graph.hpp"

namespace ringkernel::runtime {
namespace {

// Debug: what lies behind memory that a handler writes to.
constexpr size_t kGuardBytes = 64;
constexpr std::byte kGuard{0xA5};

}  // namespace

void GraphNode::look_after_step(Block& block) {
  BlockParts& parts = *parts_[block.index];
  if (block.stopped) parts.stopped.store(true);
  for (std::byte* guard : parts.guards) {
    if (std::all_of(guard, guard + kGuardBytes, [](std::byte b) { return b == kGuard; })) continue;
    std::fill_n(guard, kGuardBytes, kGuard);
    set_error("the handler wrote past its State, a buffer, shared memory or a message of begin()");
    if (engine_->log_) engine_->log_(name_, static_cast<int>(LogLevel::Error), last_error(), 0);
  }
}

// The State per key. That of a kernel on a device lies there.
Result<void> EngineImpl::lay_out_keys(GraphNode& node, BlockParts& parts, const KernelSpec& spec) {
  const HandlerModule& m = *node.module_;
  if (m.keys == nullptr || spec.device) return {};
  uint32_t key_size = 0;
  for (uint32_t i = 0; i < m.accept_count; ++i) key_size = std::max(key_size, m.keys[i].size);
  KeyTable& table = parts.owner.block.keys;
  table.capacity = static_cast<uint32_t>(spec.key_capacity);
  table.kernel_capacity = spec.key_capacity;
  uint32_t index = round_up_to_power_of_two(2 * spec.key_capacity);
  table.index_mask = index - 1;
  table.entry_stride = key_entry_stride(key_size, m.state_size);
  table.state_offset = key_state_offset(key_size);
  auto index_memory = allocate(sizeof(uint32_t) * index, parts.state_memory);
  if (!index_memory) return tl::unexpected(index_memory.error());
  auto entries =
      allocate(static_cast<size_t>(table.entry_stride) * spec.key_capacity, parts.state_memory);
  if (!entries) return tl::unexpected(entries.error());
  table.index = static_cast<uint32_t*>(*index_memory);
  table.entries = static_cast<unsigned char*>(*entries);
  return {};
}

Result<void> EngineImpl::lay_out_buffers(GraphNode& node) {
  const HandlerModule& m = *node.module_;
  if (m.buffer_count == 0) return {};
  uint64_t all = 0;
  for (uint32_t i = 0; i < m.buffer_count; ++i) all += m.buffers[i].bytes;
  const uint64_t has =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (all > has)
    return fail(ErrorCode::OutOfMemory,
                "its buffers take " + std::to_string(all) + " bytes, and this machine has " +
                    std::to_string(has),
                node.name_);
  const auto sources = node.transfer_.sources();
  for (uint32_t i = 0; i < m.buffer_count; ++i) {
    const size_t bytes = m.buffers[i].bytes;
    auto memory = allocate(bytes + (options_.debug ? kGuardBytes : 0), node.buffer_memory_);
    if (!memory) return tl::unexpected(memory.error());
    node.buffers_.push_back(*memory);
    auto* elements = static_cast<std::byte*>(*memory);
    guard(*node.parts_[0], elements, bytes);
    if (sources[i] == nullptr) continue;
    if (auto filled = sources[i]({elements, bytes}); !filled) return filled;
  }
  for (auto& parts : node.parts_) parts->owner.block.buffers = node.buffers_.data();
  return {};
}

Result<void> EngineImpl::save_buffers(GraphNode& node) {
  auto saved = node.transfer_.save([&](uint32_t i, const backends::TakePart& take) {
    if (node.remote_ != nullptr) return node.remote_->read_buffer(i, take);
    return take({static_cast<const std::byte*>(node.buffers_[i]), node.module_->buffers[i].bytes});
  });
  if (node.remote_ != nullptr) node.remote_->release();
  if (saved) return saved;
  Error error = saved.error();
  error.where = node.name_;
  return tl::unexpected(std::move(error));
}

void EngineImpl::guard(BlockParts& parts, void* memory, size_t size) const {
  if (!options_.debug) return;
  std::byte* end = static_cast<std::byte*>(memory) + size;
  std::fill_n(end, kGuardBytes, kGuard);
  parts.guards.push_back(end);
}

Result<void> EngineImpl::put_on_device(GraphNode& node, const KernelSpec& spec) {
  auto device = backends::cuda::Device::open(*spec.device);
  if (!device) return tl::unexpected(device.error());
  backends::cuda::ResidentSpec resident;
  resident.name = node.name_;
  resident.id = node.id_;
  resident.module = node.module_;
  resident.image = spec.device_image;
  resident.options = spec.options;
  const backends::cuda::DeviceProperties& properties = (*device)->properties();
  auto warn = [&](const std::string& text) {
    if (log_) log_(node.name_, static_cast<int>(LogLevel::Warning), text, 0);
  };
  if (properties.watchdog && resident.options.mode == KernelMode::Persistent) {
    resident.options.mode = node.options_.mode = KernelMode::EventDriven;
    warn("the watchdog of a display ends what stays resident on " + (*device)->name() +
         ": it is started per batch");
  }
  if (properties.mps)
    warn((*device)->name() + " is shared by MPS: a fault in another process ends its kernels");
  resident.params = node.parts_[0]->params;
  resident.key_capacity = spec.key_capacity;
  resident.accept_types = node.parts_[0]->accept_types;
  resident.on_lost = [this, &node](const Error& error) { kernel_failed(node, error); };
  auto kernel = backends::cuda::ResidentKernel::create(std::move(*device), std::move(resident),
                                                       node.transfer_.sources());
  if (!kernel) return tl::unexpected(kernel.error());
  node.remote_ = std::move(*kernel);
  if (const std::string notice(node.remote_->notice()); !notice.empty() && log_)
    log_(node.name_, static_cast<int>(LogLevel::Warning), notice, 0);
  for (uint32_t i = 0; i < node.parts_.size(); ++i)
    node.parts_[i]->device_counters = node.remote_->counters(i);
  return {};
}

Result<void> EngineImpl::lay_out_state(GraphNode& node, const KernelSpec& spec) {
  const HandlerModule& m = *node.module_;
  uint32_t largest = m.reply.size;
  uint32_t record_bytes = record_size(m.reply.size);
  for (uint32_t i = 0; i < m.port_count; ++i) {
    largest = std::max(largest, m.ports[i].message.size);
    record_bytes += m.ports[i].max * record_size(m.ports[i].message.size);
  }
  // On a device, the threads are the device's.
  const uint32_t threads =
      spec.device ? 1 : std::max(1U, std::min(node.options_.threads, node.options_.block_size));
  for (auto& parts : node.parts_) {
    Block& b = parts->owner.block;
    parts->accept_types.clear();
    parts->accept_sizes.clear();
    for (uint32_t i = 0; i < m.accept_count; ++i) {
      parts->accept_types.push_back(type_id(m.accepts[i]));
      parts->accept_sizes.push_back(m.accepts[i].size);
    }
    b.accept_types = parts->accept_types.data();
    b.accept_sizes = parts->accept_sizes.data();
    b.accept_count = m.accept_count;
    b.accept_keys = m.keys;
    for (uint32_t i = 0; i < m.port_count; ++i) {
      parts->out_ports[i].max = m.ports[i].max;
      parts->out_ports[i].message_type = type_id(m.ports[i].message);
      parts->out_ports[i].payload_size = m.ports[i].message.size;
    }
    if (m.reply.name != nullptr) {
      parts->out_ports[m.port_count].message_type = type_id(m.reply);
      parts->out_ports[m.port_count].payload_size = m.reply.size;
    }
    parts->params = spec.params;
    parts->params.resize(std::max<size_t>(m.params_size, 1));
    b.params = parts->params.data();
    const size_t guarded = options_.debug ? kGuardBytes : 0;
    const bool each = m.granularity == Granularity::Thread;
    b.scratch_size = each ? (largest + 15U) & ~15U : 0;
    const size_t scratch = each ? size_t{b.scratch_size} * threads : largest;
    parts->scratch.resize(scratch + guarded + 1);
    b.scratch = parts->scratch.data();
    guard(*parts, b.scratch, scratch);
    if (options_.profiling) b.profile |= kProfileLatency;
    if (options_.on_handled != nullptr) b.profile |= kProfileHandled;
    parts->reply.resize(std::max<uint32_t>(m.reply.size, 1));
    b.reply_buffer = parts->reply.data();
    b.keys.kernel_keys = node.keys_.get();
    if (auto done = lay_out_keys(node, *parts, spec); !done) return done;
    auto state = allocate(std::max<uint32_t>(m.state_size, 16) + guarded, parts->state_memory);
    if (!state) return tl::unexpected(state.error());
    b.state = *state;
    if (m.state_size > 0) guard(*parts, b.state, m.state_size);
    if (node.options_.shared_memory_size > 0) {
      auto shared = allocate(node.options_.shared_memory_size + guarded, parts->state_memory);
      if (!shared) return tl::unexpected(shared.error());
      b.shared = *shared;
      b.shared_size = static_cast<uint32_t>(node.options_.shared_memory_size);
      guard(*parts, b.shared, b.shared_size);
    }
    backend_->attach_team(parts->owner, threads);
    if (threads > 1 && m.granularity == Granularity::Thread) {
      parts->records.resize(static_cast<size_t>(record_bytes) * threads + 16);
      auto at = reinterpret_cast<uintptr_t>(parts->records.data());
      b.records = parts->records.data() + ((16 - at % 16) % 16);
      b.record_bytes = record_bytes;
    }
    if (node.options_.scheduler &&
        node.options_.scheduler->strategy == SchedulerStrategy::WorkStealing &&
        node.parts_.size() > 1) {
      const SchedulerConfig& s = *node.options_.scheduler;
      b.steal_threshold = s.steal_threshold;
      b.steals = s.steal_threshold > 0;
      b.share_threshold = s.share_threshold;
      b.max_steal_batch = std::max(1U, std::min(s.max_steal_batch, kBatch));
      b.steal_neighborhood = s.steal_neighborhood;
    }
    b.leveled =
        node.options_.scheduler && node.options_.scheduler->strategy == SchedulerStrategy::Priority;
    if (m.has_poll) parts->counters->polls_left = 1;
  }
  for (auto& parts : node.parts_) {
    if (parts->owner.block.steal_threshold != 0)
      for (auto& sibling : node.parts_)
        if (sibling != parts) parts->siblings.push_back(&sibling->owner.block);
    rebuild(*parts);
  }
  return {};
}

uint64_t EngineImpl::memory_of(const GraphNode& node) const {
  std::lock_guard lock(mutex_);
  uint64_t bytes = 0;
  for (const auto& parts : node.parts_)
    for (const auto* memory : {&parts->memory, &parts->state_memory})
      for (auto [at, size] : *memory) bytes += size;
  for (auto [at, size] : node.buffer_memory_) bytes += size;
  for (const auto& edge : edges_)
    if (edge->to_ == &node)
      for (auto [at, size] : edge->memory_) bytes += size;
  return bytes;
}

}  // namespace ringkernel::runtime
