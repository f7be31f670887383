#include "runtime/graph.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "backends/cpu/scheduler.hpp"
#include "core/clock.hpp"
#include "ringkernel/device/context.hpp"

namespace ringkernel::runtime {
namespace {

constexpr uint32_t kDeadLetterRing = 256;

// Of a block whose kernel is not active: what it emitted while it was.
RK_BESIDE StepResult flush_alone(Block& block) {
  const bool all = !block.staged || flush(block);
  return {all ? StepStatus::Idle : StepStatus::Blocked, 0};
}

}  // namespace

uint32_t round_up_to_power_of_two(uint64_t n) {
  return static_cast<uint32_t>(std::bit_ceil(std::max<uint64_t>(n, 1)));
}

StepResult GraphNode::step(Block& block, uint32_t budget) {
  if (remote_ != nullptr) return step_on_device(block, budget);
  if (RK_UNLIKELY(!active())) return flush_alone(block);
  if (module_ == nullptr) return {host_step_->step(block), 0};
  const StepResult result = module_->run(&block, budget);
  if (RK_UNLIKELY(block.stopped || debug_)) look_after_step(block);
  return result;
}

// A pump steps in every state, to finish what is on the device.
StepResult GraphNode::step_on_device(Block& block, uint32_t budget) {
  if (left_.load()) return flush_alone(block);
  const StepResult result = remote_->step(block, budget, active());
  if (block.stopped) look_after_step(block);
  return result;
}

void GraphNode::set_error(std::string error) {
  std::lock_guard lock(error_mutex_);
  error_ = std::move(error);
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
  node->debug_ = options_.debug;
  node->launched_ns_ = monotonic_ns();
  for (uint32_t i = 0; i < blocks; ++i) {
    auto parts = std::make_unique<BlockParts>(ports);
    BlockOwner& owner = parts->owner;
    owner.stepper = node.get();
    owner.priority = options.priority;
    Block& b = owner.block;
    b.signal.owner = &owner;
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
    sender->dead_sender = &sender->owner.block;
    run_on(
        receiver.owner,
        [&](Block&) {
          InRing in;
          in.spsc.ring = ring;
          in.bit = ring_bit(static_cast<uint32_t>(receiver.in.size()));
          in.senders = &sender->dead_sender;
          in.sender_count = 1;
          in.counters = *counters;
          sender->dead.bit = in.bit;
          append(receiver, in);
        },
        Then::Rest);
    sender->dead.receiver = &receiver.owner.block;
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

void EngineImpl::append(BlockParts& parts, const InRing& in) {
  parts.in.push_back(in);
  Block& b = parts.owner.block;
  b.in = parts.in.data();
  b.in_count = static_cast<uint32_t>(parts.in.size());
}

void EngineImpl::rebuild(BlockParts& parts) {
  Block& b = parts.owner.block;
  size_t undo = 0;
  uint32_t dead_max = 1;
  b.checked = nullptr;
  Link** next_checked = &b.checked;
  const auto check = [&](Link& link, OutEdge* edge, uint32_t per_message) {
    link.edge = edge;
    link.per_message = per_message;
    link.next_checked = nullptr;
    *next_checked = &link;
    next_checked = &link.next_checked;
  };
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
        for (uint32_t l = 0; l < e.targets * e.levels; ++l) check(e.links[l], &e, port.max);
      uint32_t copies = port.max * (e.route == Route::All ? e.targets : 1);
      undo += 2 * static_cast<size_t>(copies);
      // A closed receiver makes every copy a dead letter, whatever the policy.
      dead_max += copies;
    }
  }
  undo += 2 * size_t{parts.remote_copies};
  dead_max += parts.remote_copies;
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
  b.dead_max = std::min(dead_max, kDeadLetterRing);
  if (b.dead != nullptr) check(*b.dead, nullptr, b.dead_max);
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
