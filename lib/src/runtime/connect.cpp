// Building an edge: its rings, the receiving ends, then the sending ends.
#include <algorithm>

#include "runtime/graph.hpp"

namespace ringkernel::runtime {
namespace {

bool strategy_is(const GraphNode& node, SchedulerStrategy strategy) {
  return node.options_.scheduler && node.options_.scheduler->strategy == strategy;
}

struct Plan {
  std::vector<MessageInfo> types;      // what travels
  std::vector<uint32_t> sender_ports;  // the port of each type
  uint32_t payload_size = 0;
  uint32_t capacity = 0;
  uint32_t levels = 1;
  uint32_t receivers = 1;
  uint32_t senders = 1;
  bool shared_inbox = false;
  RingKind kind = RingKind::Spsc;
};

uint32_t accept_of(const GraphNode& node, const MessageInfo& type) {
  for (uint32_t i = 0; i < node.module_->accept_count; ++i)
    if (node.module_->accepts[i].fingerprint == type.fingerprint) return i;
  return InRing::kByType;
}

Result<Plan> make_plan(const EdgeSpec& spec, GraphNode* from, GraphNode* to) {
  Plan plan;
  uint32_t max = 1;
  if (from->kind_ == NodeKind::Input) {
    for (uint32_t i = 0; i < from->types_.size(); ++i) {
      if (to->module_ != nullptr && accept_of(*to, from->types_[i]) == InRing::kByType) continue;
      plan.types.push_back(from->types_[i]);
      plan.sender_ports.push_back(i);
    }
  } else if (from->module_ != nullptr) {
    const HandlerModule& m = *from->module_;
    if (spec.port > m.port_count)
      return fail(ErrorCode::ValidationError, "'" + from->name_ + "' has no such port", spec.id);
    if (spec.port == m.port_count && m.reply.name == nullptr)
      return fail(ErrorCode::ValidationError, "'" + from->name_ + "' does not reply", spec.id);
    plan.types.push_back(spec.port == m.port_count ? m.reply : m.ports[spec.port].message);
    plan.sender_ports.push_back(spec.port);
    if (spec.port < m.port_count) max = m.ports[spec.port].max;
  }
  if (to->kind_ == NodeKind::Input || to->kind_ == NodeKind::DeadLetters)
    return fail(ErrorCode::ValidationError, "an edge cannot end at '" + to->name_ + "'", spec.id);
  if (plan.types.empty())
    return fail(ErrorCode::ValidationError,
                "'" + to->name_ + "' accepts nothing that '" + from->name_ + "' sends", spec.id);
  if (to->module_ != nullptr)
    for (const MessageInfo& type : plan.types)
      if (accept_of(*to, type) == InRing::kByType)
        return fail(ErrorCode::ValidationError, "'" + to->name_ + "' does not accept " + type.name,
                    spec.id);
  for (const MessageInfo& type : plan.types)
    plan.payload_size = std::max(plan.payload_size, type.size);
  plan.senders = static_cast<uint32_t>(from->parts_.size());
  plan.receivers = static_cast<uint32_t>(to->parts_.size());
  plan.levels = strategy_is(*to, SchedulerStrategy::Priority) ? to->options_.scheduler->levels : 1;
  plan.shared_inbox = strategy_is(*to, SchedulerStrategy::RoundRobin) && plan.receivers > 1;
  bool stealing = strategy_is(*to, SchedulerStrategy::WorkStealing) && plan.receivers > 1;
  if (plan.shared_inbox || stealing || spec.on_full == OnFull::DropOldest)
    plan.kind = RingKind::Mpmc;
  size_t capacity = to->options_.input_queue_capacity;
  if (to->kind_ == NodeKind::Output) capacity = std::max<size_t>(capacity, 1);
  if (to->kind_ == NodeKind::Output && from->module_ != nullptr)
    capacity = from->options_.output_queue_capacity;
  // A waiting sender makes room for a whole message before it handles it.
  if (spec.on_full == OnFull::Wait) capacity = std::max<size_t>(capacity, max);
  plan.capacity = round_up_to_power_of_two(capacity);
  return plan;
}

bool is_stealing(const Plan& plan, const GraphNode& to) {
  return plan.kind == RingKind::Mpmc && !plan.shared_inbox &&
         to.parts_[0]->owner.block.steal_threshold != 0;
}

// On a device, senders wait.
bool may_lie_on_device(const EdgeSpec& spec, const GraphNode& from, const GraphNode& to) {
  return from.remote_ != nullptr && to.remote_ != nullptr && spec.on_full == OnFull::Wait &&
         spec.port < from.module_->port_count;
}

// How the messages of a type are spread over the receiver's blocks.
Route route_of(const EdgeSpec& spec, const GraphNode& to, const MessageInfo& type) {
  if (spec.route) return *spec.route;
  if (to.module_ == nullptr || to.module_->keys == nullptr) return Route::RoundRobin;
  return to.module_->keys[accept_of(to, type)].size > 0 ? Route::Key : Route::All;
}

backends::RemoteEdgeSpec remote_spec(const EdgeSpec& spec, const Plan& plan, const GraphEdge& edge,
                                     EngineImpl& impl) {
  const auto& from = static_cast<const GraphNode&>(*spec.from);
  const auto& to = static_cast<const GraphNode&>(*spec.to);
  const MessageInfo& type = plan.types[0];
  backends::RemoteEdgeSpec remote;
  remote.number = edge.number_;
  remote.refused = edge.received_;
  remote.port = spec.port;
  remote.max = from.module_->ports[spec.port].max;
  remote.message_type = impl.type_id(type);
  remote.payload_size = type.size;
  remote.capacity = plan.capacity;
  remote.route = route_of(spec, to, type);
  if (remote.route == Route::Key) remote.key = to.module_->keys[accept_of(to, type)];
  for (const EdgeSpec::BlockField& field : spec.block_fields) {
    if (field.type != type.fingerprint) continue;
    remote.block_field_offset = field.offset;
    remote.block_field_size = field.size;
  }
  return remote;
}

}  // namespace

// The host's part in a wire on the device: refusals, dead letters, and who must be awake.
void EngineImpl::attach_on_device(GraphEdge& edge, uint32_t copies) {
  std::vector<Block*>& receivers = edge.block_lists_.emplace_back();
  for (auto& parts : edge.to_->parts_) receivers.push_back(&parts->owner.block);
  for (uint32_t r = 0; r < receivers.size(); ++r)
    run_on(edge.to_->parts_[r]->owner, [&](Block&) { edge.remote_->attach_receiver(r); });
  for (uint32_t s = 0; s < edge.from_->parts_.size(); ++s) {
    BlockParts& parts = *edge.from_->parts_[s];
    run_on(parts.owner, [&](Block&) {
      OutEdge& e = parts.refusing.emplace_back();
      e.closed = true;
      e.edge = edge.number_;
      e.route = Route::All;
      e.targets = copies;
      parts.links.emplace_back(copies);
      e.links = parts.links.back().data();
      e.counters = edge.sent_[s];
      parts.remote_copies += copies * parts.out_ports[edge.port_].max;
      edge.remote_->attach_sender(s, &e, receivers);
      rebuild(parts);
    });
  }
  // A wire to a kernel that was launched again takes the place of the closed one.
  for (auto& old : edges_)
    if (old->remote_ != nullptr && old->closed_ && old->from_ == edge.from_ && old->id_ == edge.id_)
      old->remote_->remove();
  edge.remote_->open();
}

Result<GraphEdge*> EngineImpl::connect(const EdgeSpec& spec) {
  auto* from = static_cast<GraphNode*>(spec.from);
  auto* to = static_cast<GraphNode*>(spec.to);
  for (GraphNode* end : {from, to})
    if (is_finished(end->state()) || end->state() == KernelState::Terminating)
      return fail(ErrorCode::Closed,
                  "kernel '" + end->name_ + "' is " + std::string(to_string(end->state())),
                  spec.id);
  // What it is told it may have something to say of.
  if (auto done = attach_receiver(*to); !done) return tl::unexpected(done.error());
  auto made = make_plan(spec, from, to);
  if (!made) return tl::unexpected(made.error());
  const Plan& plan = *made;
  auto owned = std::make_unique<GraphEdge>();
  GraphEdge& edge = *owned;
  edge.id_ = spec.id;
  edge.number_ = static_cast<uint32_t>(edges_.size());
  edge.from_ = from;
  edge.to_ = to;
  edge.port_ = spec.port;
  edge.payload_size_ = plan.payload_size;
  edge.kind_ = plan.kind;
  bool to_kernel = to->module_ != nullptr;
  edge.keys_ = std::make_unique<KeySpec[]>(plan.types.size());

  // What a wire on the device hears of the host, and the host of it, is counted beside it.
  auto allocate_counters = [&]() -> Result<void> {
    for (uint32_t s = 0; s < plan.senders; ++s) {
      auto counters = allocate_one<SendCounters>(edge.memory_);
      if (!counters) return tl::unexpected(counters.error());
      edge.sent_.push_back(*counters);
    }
    // What a block has stolen and what it has of its own are counted apart.
    for (uint32_t r = 0; r < plan.receivers * (is_stealing(plan, *to) ? 2 : 1); ++r) {
      auto counters = allocate_one<ReceiveCounters>(edge.memory_);
      if (!counters) return tl::unexpected(counters.error());
      edge.received_.push_back(*counters);
    }
    return {};
  };
  if (auto done = allocate_counters(); !done) return tl::unexpected(done.error());
  if (may_lie_on_device(spec, *from, *to)) {
    auto remote = from->remote_->connect(*to->remote_, remote_spec(spec, plan, edge, *this));
    if (!remote) return tl::unexpected(remote.error());
    if (*remote != nullptr) {
      edge.remote_ = std::move(*remote);
      edge.sent_.insert(edge.sent_.end(), edge.remote_->sent().begin(), edge.remote_->sent().end());
      edge.received_.insert(edge.received_.end(), edge.remote_->received().begin(),
                            edge.remote_->received().end());
      edge.capacity_ = edge.remote_->capacity();
      {
        std::lock_guard lock(mutex_);
        edges_.push_back(std::move(owned));
      }
      from->k2k_ = to->k2k_ = true;
      const bool to_all = route_of(spec, *to, plan.types[0]) == Route::All && !plan.shared_inbox;
      attach_on_device(edge, to_all ? plan.receivers : 1);
      return &edge;
    }
  }

  // Rings
  uint32_t ring_count = plan.kind == RingKind::Mpmc
                            ? (plan.shared_inbox ? 1 : plan.receivers) * plan.levels
                            : plan.receivers * plan.senders * plan.levels;
  uint32_t stride = slot_stride(plan.payload_size);
  uint32_t slots = plan.capacity;
  // With room to spare for what receivers have in hand, so that dropping the oldest makes room.
  if (spec.on_full == OnFull::DropOldest)
    slots = round_up_to_power_of_two(plan.capacity + 2ULL * kBatch * plan.receivers);
  edge.capacity_ = static_cast<uint64_t>(plan.capacity) * ring_count;
  for (uint32_t i = 0; i < ring_count; ++i) {
    auto memory = allocate(ring_bytes(slots, stride), edge.memory_);
    if (!memory) return tl::unexpected(memory.error());
    edge.rings_.push_back(ring_at(*memory, slots, stride));
  }
  const bool stealing = is_stealing(plan, *to);
  auto ring_index = [&](uint32_t receiver, uint32_t sender, uint32_t level) {
    if (plan.kind == RingKind::Mpmc)
      return (plan.shared_inbox ? 0 : receiver) * plan.levels + level;
    return (receiver * plan.senders + sender) * plan.levels + level;
  };
  std::vector<Block*>& all_senders = edge.block_lists_.emplace_back();
  for (auto& parts : from->parts_) all_senders.push_back(&parts->owner.block);
  std::vector<Block*>& all_receivers = edge.block_lists_.emplace_back();
  for (auto& parts : to->parts_) all_receivers.push_back(&parts->owner.block);

  // From here on blocks point into the edge: it stays, whatever fails.
  {
    std::lock_guard lock(mutex_);
    edges_.push_back(std::move(owned));
  }
  if (from->module_ != nullptr && to_kernel) from->k2k_ = to->k2k_ = true;

  // Receiving ends
  uint16_t accept = InRing::kByType;
  if (to_kernel && plan.types.size() == 1)
    accept = static_cast<uint16_t>(accept_of(*to, plan.types[0]));
  std::vector<uint64_t> bits(static_cast<size_t>(plan.receivers) * plan.senders * plan.levels);
  for (uint32_t r = 0; r < plan.receivers; ++r) {
    BlockParts& parts = *to->parts_[r];
    run_on(parts.owner, [&](Block&) {
      uint32_t ends = plan.kind == RingKind::Mpmc ? 1 : plan.senders;
      for (uint32_t s = 0; s < ends; ++s) {
        for (uint32_t level = 0; level < plan.levels; ++level) {
          InRing in;
          in.kind = plan.kind;
          in.level = static_cast<uint8_t>(level);
          in.accept = accept;
          in.edge = edge.number_;
          in.bit = ring_bit(static_cast<uint32_t>(parts.in.size()));
          in.counters = edge.received_[r];
          const Ring& ring = edge.rings_[ring_index(r, s, level)];
          if (plan.kind == RingKind::Mpmc) {
            in.mpmc.ring = ring;
            in.senders = all_senders.data();
            in.sender_count = plan.senders;
            for (uint32_t i = 0; i < plan.senders; ++i)
              bits[(static_cast<size_t>(r) * plan.senders + i) * plan.levels + level] = in.bit;
          } else {
            in.spsc.ring = ring;
            in.senders = &all_senders[s];
            in.sender_count = 1;
            bits[(static_cast<size_t>(r) * plan.senders + s) * plan.levels + level] = in.bit;
          }
          parts.in.push_back(in);
        }
      }
      // What a block of a work-stealing kernel may take from its siblings.
      if (stealing) {
        for (uint32_t other = 1; other < plan.receivers; ++other) {
          InRing in;
          in.kind = RingKind::Mpmc;
          in.accept = accept;
          in.edge = edge.number_;
          in.counters = edge.received_[plan.receivers + r];
          in.mpmc.ring = edge.rings_[ring_index((r + other) % plan.receivers, 0, 0)];
          in.senders = all_senders.data();
          in.sender_count = plan.senders;
          parts.steal.push_back(in);
        }
      }
      rebuild(parts);
    });
  }

  // Sending ends
  for (uint32_t s = 0; s < plan.senders; ++s) {
    BlockParts& parts = *from->parts_[s];
    uint32_t targets = plan.shared_inbox ? 1 : plan.receivers;
    std::vector<Link> links(static_cast<size_t>(targets) * plan.levels);
    for (uint32_t r = 0; r < targets; ++r) {
      for (uint32_t level = 0; level < plan.levels; ++level) {
        Link& link = links[r * plan.levels + level];
        const Ring& ring = edge.rings_[ring_index(r, s, level)];
        if (plan.kind == RingKind::Mpmc)
          link.mpmc.ring = ring;
        else
          link.spsc.ring = ring;
        link.counters = edge.sent_[s];
        if (plan.shared_inbox) {
          link.receivers = all_receivers.data();
          link.receiver_count = plan.receivers;
          link.next_receiver = s % plan.receivers;
        } else {
          link.receiver = all_receivers[r];
        }
        // A shared inbox has the same place at each receiver only by chance: ring every bit.
        link.bit = plan.shared_inbox
                       ? ~(kScheduled | kRoom)
                       : bits[(static_cast<size_t>(r) * plan.senders + s) * plan.levels + level];
      }
    }
    Error failed;
    bool ok = true;
    run_on(parts.owner, [&](Block&) {
      parts.links.push_back(std::move(links));
      for (size_t t = 0; t < plan.types.size(); ++t) {
        OutEdge e;
        e.kind = plan.kind;
        e.on_full = spec.on_full;
        e.edge = edge.number_;
        e.levels = static_cast<uint8_t>(plan.levels);
        e.links = parts.links.back().data();
        e.targets = targets;
        e.next = s % targets;
        e.counters = edge.sent_[s];
        e.route = route_of(spec, *to, plan.types[t]);
        if (e.route == Route::Key) {
          edge.keys_[t] = to->module_->keys[accept_of(*to, plan.types[t])];
          e.key = &edge.keys_[t];
        }
        for (const EdgeSpec::BlockField& field : spec.block_fields) {
          if (field.type != plan.types[t].fingerprint) continue;
          e.block_field_offset = field.offset;
          e.block_field_size = field.size;
        }
        e.limit = plan.capacity;
        OutPort& port = parts.out_ports[plan.sender_ports[t]];
        if (plan.kind == RingKind::Mpmc) {
          uint32_t copies = port.max * (e.route == Route::All ? targets : 1);
          if (auto done = attach_staging(e, copies * kBatch, stride, edge.memory_); !done) {
            failed = done.error();
            ok = false;
            return;
          }
        }
        // A wire to a kernel that was launched again takes the place of the closed one.
        std::vector<OutEdge>& edges = parts.port_edges[plan.sender_ports[t]];
        std::erase_if(edges, [&](const OutEdge& old) {
          return old.closed && old.staged == 0 && edges_[old.edge]->id_ == spec.id;
        });
        edges.push_back(e);
      }
      rebuild(parts);
    });
    if (!ok) return tl::unexpected(failed);
  }
  if (from->remote_ != nullptr) from->remote_->settle();
  return &edge;
}

namespace {

Result<void> too_few_slots(uint64_t holds, uint64_t credits, const std::string& edge) {
  return fail(ErrorCode::InvalidConfig,
              "the ring holds " + std::to_string(holds) + " messages, fewer than " +
                  std::to_string(credits) + " credits; raise input_queue_capacity",
              edge);
}

}  // namespace

Result<void> Engine::set_credits(const std::vector<Node*>& cycle, uint64_t credits) {
  std::lock_guard lock(impl_->change_);
  auto inside = [&](const GraphNode* node) {
    return std::any_of(cycle.begin(), cycle.end(), [&](Node* n) { return n == node; });
  };
  auto pool = std::make_unique<CreditPool>();
  pool->available = credits;
  std::vector<Block*>& waiters = impl_->pool_waiters_.emplace_back();
  for (Node* node : cycle)
    for (auto& parts : static_cast<GraphNode*>(node)->parts_)
      waiters.push_back(&parts->owner.block);
  pool->waiters = waiters.data();
  pool->waiter_count = static_cast<uint32_t>(waiters.size());
  for (Node* node : cycle) {
    auto& kernel = *static_cast<GraphNode*>(node);
    for (auto& parts : kernel.parts_) {
      Result<void> checked;
      impl_->run_on(parts->owner, [&](Block& b) {
        b.credits = pool.get();
        for (InRing& in : parts->in) {
          const GraphEdge& edge = *impl_->edges_[in.edge];
          in.in_cycle = inside(edge.from_);
          if (in.in_cycle && in.ring().capacity < credits)
            checked = too_few_slots(in.ring().capacity, credits, edge.id_);
        }
        for (InRing& stolen : parts->steal)
          stolen.in_cycle = inside(impl_->edges_[stolen.edge]->from_);
        b.cycle_max = 0;
        for (auto& edge : impl_->edges_) {
          if (edge->remote_ == nullptr || edge->from_ != &kernel || !inside(edge->to_)) continue;
          b.cycle_max += parts->out_ports[edge->port_].max;
          if (kernel.parts_.front() != parts) continue;
          const uint64_t holds = edge->remote_->ring_capacity();
          if (holds < credits) checked = too_few_slots(holds, credits, edge->id_);
          if (auto joined = edge->remote_->join_cycle(); !joined) checked = joined;
        }
        for (size_t p = 0; p < parts->port_edges.size(); ++p) {
          for (OutEdge& e : parts->port_edges[p]) {
            const GraphEdge& edge = *impl_->edges_[e.edge];
            e.in_cycle = inside(edge.to_);
            if (e.in_cycle)
              b.cycle_max += parts->out_ports[p].max * (e.route == Route::All ? e.targets : 1);
          }
        }
        if (b.cycle_max > 1)
          checked =
              fail(ErrorCode::InvalidConfig,
                   "a kernel in a cycle with credits may put at most one message on it per message",
                   kernel.name_);
        if (b.cycle_max > credits)
          checked = fail(ErrorCode::InvalidConfig, "too few credits for one message", kernel.name_);
        impl_->rebuild(*parts);
      });
      if (!checked) return checked;
    }
  }
  impl_->pools_.push_back(std::move(pool));
  return {};
}

}  // namespace ringkernel::runtime
