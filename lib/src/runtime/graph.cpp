#include "runtime/graph.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "backends/cpu/scheduler.hpp"
#include "backends/cuda/resident_kernel.hpp"
#include "core/clock.hpp"
#include "ringkernel/device/context.hpp"

namespace ringkernel::runtime {
namespace {

constexpr uint32_t kDeadLetterRing = 256;
constexpr size_t kGuardBytes = 64;
constexpr std::byte kGuard{0xA5};

}  // namespace

uint32_t round_up_to_power_of_two(uint64_t n) {
  return static_cast<uint32_t>(std::bit_ceil(std::max<uint64_t>(n, 1)));
}

StepResult GraphNode::step(Block& block, uint32_t budget) {
  if (module_ == nullptr) return {host_step_->step(block), 0};
  StepResult result =
      remote_ != nullptr ? remote_->step(block, budget, active()) : module_->run(&block, budget);
  if (block.stopped || engine_->options_.debug) look_after_step(block);
  return result;
}

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

void GraphNode::set_error(std::string error) {
  std::lock_guard lock(error_mutex_);
  error_ = std::move(error);
}

std::vector<const BlockCounters*> GraphNode::all_counters() const {
  std::vector<const BlockCounters*> all;
  for (const auto& parts : parts_) {
    all.push_back(parts->counters);
    if (parts->device_counters != nullptr) all.push_back(parts->device_counters);
  }
  return all;
}

std::vector<LatencyBucket> GraphNode::latency_buckets() const {
  std::vector<LatencyBucket> buckets;
  const std::vector<const BlockCounters*> all = all_counters();
  for (uint32_t i = 0; i < LatencyHistogram::kBuckets; ++i) {
    uint64_t count = 0;
    for (const BlockCounters* c : all)
      if (load_relaxed(&c->latency.count) > 0) count += load_relaxed(&c->latency.buckets[i]);
    if (count > 0) buckets.push_back({LatencyHistogram::upper_bound(i), count});
  }
  return buckets;
}

std::chrono::nanoseconds GraphNode::uptime() const {
  uint64_t end = ended_ns_.load();
  if (launched_ns_ == 0) return {};
  return std::chrono::nanoseconds((end != 0 ? end : monotonic_ns()) - launched_ns_);
}

std::string GraphNode::last_error() const {
  std::lock_guard lock(error_mutex_);
  return error_;
}

KernelCounts GraphNode::counts() const {
  KernelCounts counts;
  std::array<uint64_t, LatencyHistogram::kBuckets> buckets{};
  LatencyHistogram sum{};
  uint64_t finished = 0;
  const std::vector<const BlockCounters*> all = all_counters();
  for (const BlockCounters* c : all)  // finished ones first: in_hand is never counted too small
    finished += load_acquire(&c->handled) + load_acquire(&c->failed);
  for (const BlockCounters* each : all) {
    const BlockCounters& c = *each;
    counts.handled += load_relaxed(&c.handled);
    counts.failed += load_relaxed(&c.failed);
    counts.emitted += load_relaxed(&c.created);
    counts.unasked += load_relaxed(&c.unasked);
    counts.invocations += load_relaxed(&c.invocations);
    counts.stolen += load_relaxed(&c.stolen);
    counts.failed_hooks += load_relaxed(&c.failed_hooks);
    uint64_t n = load_relaxed(&c.latency.count);
    if (n == 0) continue;
    for (uint32_t i = 0; i < LatencyHistogram::kBuckets; ++i)
      buckets[i] += load_relaxed(&c.latency.buckets[i]);
    uint64_t least = load_relaxed(&c.latency.min_us);
    if (sum.count == 0 || least < sum.min_us) sum.min_us = least;
    sum.max_us = std::max(sum.max_us, load_relaxed(&c.latency.max_us));
    sum.total_us += load_relaxed(&c.latency.total_us);
    sum.count += n;
  }
  {
    std::lock_guard lock(engine_->mutex_);
    for (const auto& edge : engine_->edges_)
      if (edge->to_ == this)
        for (const ReceiveCounters* c : edge->received_)
          counts.delivered += load_relaxed(&c->delivered);
  }
  counts.in_hand = counts.delivered > finished ? counts.delivered - finished : 0;
  counts.keys = load_relaxed(keys_.get());
  const uint64_t now = monotonic_ns();
  for (const auto& parts : parts_) {
    const uint64_t began = parts->owner.turn_began_ns.load(std::memory_order_relaxed);
    if (began != 0 && began < now) counts.busy_ns = std::max(counts.busy_ns, now - began);
  }
  if (remote_ != nullptr) {
    counts.bytes_to_device = remote_->bytes_to_device();
    counts.bytes_from_device = remote_->bytes_from_device();
    counts.device_memory = remote_->device_memory();
    counts.bytes_polled = remote_->bytes_polled();
  }
  counts.latency.count = sum.count;
  counts.latency.min_us = sum.min_us;
  counts.latency.max_us = sum.max_us;
  counts.latency.total_us = sum.total_us;
  auto quantile = [&](double q) -> uint64_t {
    auto rank = static_cast<uint64_t>(q * static_cast<double>(sum.count));
    uint64_t seen = 0;
    for (uint32_t i = 0; i < LatencyHistogram::kBuckets; ++i) {
      seen += buckets[i];
      if (seen > rank) return std::min(LatencyHistogram::upper_bound(i), sum.max_us);
    }
    return sum.max_us;
  };
  counts.latency.p50_us = quantile(0.5);
  counts.latency.p99_us = quantile(0.99);
  counts.latency.p999_us = quantile(0.999);
  return counts;
}

EdgeCounts GraphEdge::counts() const {
  EdgeCounts counts;
  for (const ReceiveCounters* c : received_) {
    counts.delivered += load_acquire(&c->delivered);
    counts.failed += load_acquire(&c->failed);
    counts.depth += load_relaxed(&c->taken);
  }
  uint64_t waited_us = 0;
  for (const SendCounters* c : sent_) {
    counts.offered += load_acquire(&c->offered);
    counts.dropped += load_relaxed(&c->dropped);
    counts.failed += load_relaxed(&c->failed);
    counts.depth += load_relaxed(&c->staged);
    waited_us += load_relaxed(&c->waited_us);
  }
  counts.waited_s = static_cast<double>(waited_us) / 1e6;
  counts.capacity = capacity_;
  for (const Ring& ring : rings_) {
    uint64_t head = load_acquire(&ring.control->head);
    uint64_t tail = load_acquire(&ring.control->tail) & ~MpmcRing::kClosed;
    counts.depth += tail > head ? tail - head : 0;
  }
  if (remote_ != nullptr) {
    const uint64_t over = counts.delivered + counts.dropped + counts.failed;
    counts.depth = counts.offered > over ? counts.offered - over : 0;
  }
  return counts;
}

Result<void*> EngineImpl::allocate(size_t bytes, std::vector<std::pair<void*, size_t>>& into,
                                   Arena::Use use) {
  auto memory = arena_.allocate(bytes, use);
  if (memory) into.emplace_back(*memory, bytes);
  return memory;
}

Result<void> EngineImpl::attach_staging(OutEdge& edge, uint32_t capacity, uint32_t stride,
                                        std::vector<std::pair<void*, size_t>>& into) {
  const size_t slots = size_t{capacity} * stride;
  auto memory = allocate(slots + capacity * sizeof(uint32_t), into, Arena::Use::Rare);
  if (!memory) return tl::unexpected(memory.error());
  edge.staging_capacity = capacity;
  edge.staging_stride = stride;
  edge.staging = static_cast<unsigned char*>(*memory);
  edge.staged_link = reinterpret_cast<uint32_t*>(edge.staging + slots);
  return {};
}

void EngineImpl::give_back(std::vector<std::pair<void*, size_t>>& memory) {
  for (auto [at, size] : memory) arena_.release(at, size);
  memory.clear();
}

uint16_t EngineImpl::type_id(const MessageInfo& message) {
  std::lock_guard lock(mutex_);
  auto [it, added] =
      types_.try_emplace(message.fingerprint, static_cast<uint16_t>(type_infos_.size() + 1));
  if (added) type_infos_.push_back(message);
  return it->second;
}

Result<GraphNode*> EngineImpl::add_node(std::string name, NodeKind kind, uint32_t blocks,
                                        size_t ports, const LaunchOptions& options) {
  if (by_name_.contains(name))
    return fail(ErrorCode::KernelAlreadyExists, "'" + name + "' is running already", name);
  // Only where those that were ever added are too many is it worth asking which have ended.
  size_t all = blocks_added_ + blocks;
  if (all > backends::Scheduler::kMaxBlocks)
    for (const auto& node : nodes_)
      if (is_finished(node->state())) all -= node->parts_.size();
  if (all > backends::Scheduler::kMaxBlocks)
    return fail(
        ErrorCode::LaunchFailed,
        "more than " + std::to_string(backends::Scheduler::kMaxBlocks) + " blocks in one runtime",
        name);
  auto node = std::make_unique<GraphNode>();
  node->name_ = name;
  node->kind_ = kind;
  node->id_ = static_cast<uint32_t>(nodes_.size()) + 1;
  node->options_ = options;
  node->engine_ = this;
  node->launched_ns_ = monotonic_ns();
  for (uint32_t i = 0; i < blocks; ++i) {
    auto parts = std::make_unique<BlockParts>(ports);
    BlockOwner& owner = parts->owner;
    owner.stepper = node.get();
    owner.priority = options.priority;
    Block& b = owner.block;
    b.owner = &owner;
    b.host = &services_;
    b.kernel = node->id_;
    b.index = i;
    b.blocks = blocks;
    auto counters = allocate_one<BlockCounters>(parts->memory);
    if (!counters) return tl::unexpected(counters.error());
    parts->counters = b.counters = *counters;
    auto buckets =
        allocate(LatencyHistogram::kBuckets * sizeof(uint64_t), parts->memory, Arena::Use::Rare);
    if (!buckets) return tl::unexpected(buckets.error());
    b.counters->latency.buckets = static_cast<uint64_t*>(*buckets);
    node->parts_.push_back(std::move(parts));
  }
  GraphNode* added = node.get();
  std::lock_guard lock(mutex_);
  // The engine's own nodes take no name from anybody.
  if (kind != NodeKind::Host && kind != NodeKind::DeadLetters) by_name_[name] = added;
  nodes_.push_back(std::move(node));
  blocks_added_ += blocks;
  return added;
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
    b.keyed = m.keys != nullptr ? 1 : 0;
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

Result<void> EngineImpl::attach_dead_letters(GraphNode& node) {
  if (dead_letters_ == nullptr) return {};
  uint32_t largest = 0;
  if (node.module_ != nullptr) {
    for (uint32_t i = 0; i < node.module_->accept_count; ++i)
      largest = std::max(largest, node.module_->accepts[i].size);
    for (uint32_t i = 0; i < node.module_->port_count; ++i)
      largest = std::max(largest, node.module_->ports[i].message.size);
    largest = std::max(largest, node.module_->reply.size);
  }
  for (const MessageInfo& type : node.types_) largest = std::max(largest, type.size);
  uint32_t stride = slot_stride(static_cast<uint32_t>(sizeof(DeadLetter)) + largest);
  BlockParts& receiver = *dead_letters_->parts_[0];
  for (auto& parts : node.parts_) {
    auto memory = allocate(ring_bytes(kDeadLetterRing, stride), parts->memory);
    if (!memory) return tl::unexpected(memory.error());
    auto counters = allocate_one<ReceiveCounters>(parts->memory);
    if (!counters) return tl::unexpected(counters.error());
    Ring ring = ring_at(*memory, kDeadLetterRing, stride);
    BlockParts* sender = parts.get();
    sender->dead.spsc.ring = ring;
    sender->dead_receiver = &receiver.owner.block;
    sender->dead_sender = &sender->owner.block;
    run_on(
        receiver.owner,
        [&](Block&) {
          InRing in;
          in.spsc.ring = ring;
          in.bit = static_cast<uint32_t>(receiver.in.size());
          in.senders = &sender->dead_sender;
          in.sender_count = 1;
          in.counters = *counters;
          sender->dead.bit = ring_bit(in.bit);
          append(receiver, in);
        },
        Then::Rest);
    sender->dead.receivers = &sender->dead_receiver;
    sender->dead.receiver_count = 1;
    sender->owner.block.dead = &sender->dead;
    rebuild(*sender);
  }
  return {};
}

void EngineImpl::describe_type(uint16_t type, std::string& name, uint64_t& fingerprint) const {
  std::lock_guard lock(mutex_);
  if (type == 0 || type > type_infos_.size()) return;
  name = type_infos_[type - 1U].name;
  fingerprint = type_infos_[type - 1U].fingerprint;
}

void EngineImpl::describe(const DeadLetter& letter, const MessageHeader& header,
                          std::string& kernel, std::string& edge, std::string& type,
                          uint64_t& fingerprint) const {
  std::lock_guard lock(mutex_);
  if (letter.kernel >= 1 && letter.kernel <= nodes_.size())
    kernel = nodes_[letter.kernel - 1]->name_;
  if (letter.edge < edges_.size()) edge = edges_[letter.edge]->id_;
  describe_type(header.message_type, type, fingerprint);
}

void EngineImpl::forget(GraphNode& node) {
  {
    std::lock_guard lock(mutex_);
    if (auto it = by_name_.find(node.name_); it != by_name_.end() && it->second == &node)
      by_name_.erase(it);
  }
  // Steps have ended for good, and nobody but they look at State.
  for (auto& parts : node.parts_) {
    parts->guards.clear();
    std::lock_guard lock(mutex_);
    give_back(parts->state_memory);
  }
  std::lock_guard lock(mutex_);
  give_back(node.buffer_memory_);
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

void EngineImpl::append(BlockParts& parts, const InRing& in) {
  parts.in.push_back(in);
  Block& b = parts.owner.block;
  b.in = parts.in.data();
  b.in_count = static_cast<uint32_t>(parts.in.size());
  parts.most_woken += in.sender_count;
  if (parts.woken.size() < parts.most_woken) parts.woken.resize(2 * parts.most_woken);
  b.woken = parts.woken.data();
}

void EngineImpl::rebuild(BlockParts& parts) {
  Block& b = parts.owner.block;
  size_t wakes = 8 + parts.siblings.size() + (b.dead != nullptr ? 1 : 0);
  size_t links = b.dead != nullptr ? 1 : 0;
  size_t undo = 0;
  uint32_t dead_max = 1;
  parts.room_checks.clear();
  b.stages = false;
  for (size_t p = 0; p < parts.out_ports.size(); ++p) {
    OutPort& port = parts.out_ports[p];
    port.edges = parts.port_edges[p].data();
    port.edge_count = static_cast<uint32_t>(parts.port_edges[p].size());
    port.direct = nullptr;
    if (port.edge_count == 1) {
      OutEdge& e = port.edges[0];
      bool direct = e.kind == RingKind::Spsc && e.on_full == OnFull::Wait && e.targets == 1 &&
                    e.levels == 1 && !e.closed && !e.in_cycle;
      if (direct) port.direct = e.links;
    }
    for (OutEdge& e : parts.port_edges[p]) {
      if (e.kind == RingKind::Mpmc) b.stages = true;
      if (e.kind == RingKind::Spsc && e.on_full == OnFull::Wait && !e.closed)
        for (uint32_t l = 0; l < e.targets * e.levels; ++l)
          parts.room_checks.push_back({&e.links[l].spsc, &e, port.max});
      uint32_t copies = port.max * (e.route == Route::All ? e.targets : 1);
      undo += 2 * static_cast<size_t>(copies);
      links += static_cast<size_t>(e.targets) * e.levels;
      for (uint32_t l = 0; l < e.targets * e.levels; ++l) wakes += e.links[l].receiver_count;
      // A closed receiver makes every copy a dead letter, whatever the policy.
      dead_max += copies;
    }
  }
  wakes += parts.remote_receivers;
  undo += 2 * size_t{parts.remote_copies};
  dead_max += parts.remote_copies;
  for (const InRing& in : parts.in) wakes += in.sender_count;
  for (const InRing& in : parts.steal) wakes += in.sender_count;
  if (b.credits != nullptr) wakes += b.credits->waiter_count;
  b.ports = parts.out_ports.data();
  b.port_count = static_cast<uint32_t>(parts.out_ports.size());
  b.in = parts.in.data();
  b.in_count = static_cast<uint32_t>(parts.in.size());
  b.next_in = 0;
  b.steal = parts.steal.data();
  b.steal_count = static_cast<uint32_t>(parts.steal.size());
  b.next_steal = 0;
  // What is left of a stolen batch is looked for here alone.
  for (uint32_t i = 0; i < b.steal_count; ++i)
    if (b.steal[i].taken > 0) b.next_steal = i;
  b.siblings = parts.siblings.data();
  b.sibling_count = static_cast<uint32_t>(parts.siblings.size());
  // Messages published or unpublished between steps: none, so these hold nothing that must be kept.
  parts.undo.resize(undo + 1);
  b.undo = parts.undo.data();
  parts.touched.resize(links + 1);
  b.touched = parts.touched.data();
  parts.most_woken = wakes;
  if (parts.woken.size() < wakes) parts.woken.resize(wakes);
  b.woken = parts.woken.data();
  b.dead_max = std::min(dead_max, kDeadLetterRing);
  if (b.dead != nullptr) parts.room_checks.push_back({&b.dead->spsc, nullptr, b.dead_max});
  b.room_checks = parts.room_checks.data();
  b.room_check_count = static_cast<uint32_t>(parts.room_checks.size());
  b.blocked_on = nullptr;
  if (auto* node = static_cast<GraphNode*>(parts.owner.stepper);
      node != nullptr && node->remote_ != nullptr) {
    uint64_t ports = 0;
    for (size_t p = 0; p < parts.port_edges.size() && p < 64; ++p)
      if (!parts.port_edges[p].empty()) ports |= uint64_t{1} << p;
    node->remote_->set_host_ports(b.index, ports);
  }
  b.pending = b.in_count > 0 ? ~(kScheduled | kRoom) : 0;
}

}  // namespace ringkernel::runtime
