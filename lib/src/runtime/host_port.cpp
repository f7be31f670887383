#include "runtime/host_port.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace ringkernel::runtime {

namespace {

// Between two looks whether a kernel that has failed has nothing more to come: nobody says so.
constexpr uint64_t kLookNs = 1'000'000;

}  // namespace

HostWaiter::HostWaiter() {
  owner.block.signal.owner = &owner;
  owner.notify = [this] { notify(); };
}

HostWaiter::~HostWaiter() {
  if (int fd = fd_.load(); fd >= 0) close(fd);
}

void HostWaiter::notify() {
  exchange(&owner.block.signal.word, uint64_t{0});
  event_.notify_all();
  signal_file_descriptor();
}

int HostWaiter::file_descriptor() {
  std::lock_guard lock(fd_mutex_);
  if (fd_.load() < 0) fd_.store(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  return fd_.load();
}

void HostWaiter::signal_file_descriptor() {
  if (int fd = fd_.load(std::memory_order_acquire); fd >= 0) {
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = write(fd, &one, sizeof one);  // full means readable already
  }
}

void HostWaiter::drain_file_descriptor() {
  if (int fd = fd_.load(std::memory_order_acquire); fd >= 0) {
    uint64_t n = 0;
    [[maybe_unused]] ssize_t got = read(fd, &n, sizeof n);
  }
}

HostSender::HostSender(EngineImpl& engine, GraphNode& to, GraphEdge& edge)
    : engine_(engine), to_(to), edge_(edge) {}

Result<void> HostSender::send(const HostMessage& message, uint64_t deadline_ns) {
  if (message.size > edge_.payload_size_)
    return fail(ErrorCode::MessageTooLarge,
                std::to_string(message.size) + " bytes, the largest message here has " +
                    std::to_string(edge_.payload_size_),
                edge_.id_);
  uint32_t target = 0;
  if (targets_ > 1) {
    const KeySpec* keys = to_.module_->keys;
    if (keys == nullptr) {
      target = next_.fetch_add(1, std::memory_order_relaxed) % targets_;
    } else if (keys[message.accept].size == 0) {
      HostMessage copy = message;
      for (uint32_t t = 0; t < targets_; ++t) {
        if (auto sent = put(t, copy, deadline_ns); !sent) return sent;
        copy.emission.correlation_id = 0;  // the first copy carries the duty to answer
      }
      return {};
    } else {
      Key key;
      read_key(keys[message.accept], message.payload, key);
      target = block_of_key(key.hash, targets_);
    }
  }
  return put(target, message, deadline_ns);
}

Result<void> HostSender::put(uint32_t target, const HostMessage& message, uint64_t deadline_ns) {
  uint32_t level = levels_ == 1 ? 0 : std::min<uint32_t>(message.emission.priority, levels_ - 1);
  uint32_t at = target * levels_ + level;
  MpmcRing ring{edge_.rings_[at]};
  uint64_t position = 0;
  for (;;) {
    uint32_t n = 1;
    MpmcRing::Claim claim = ring.claim(n, position);
    if (claim == MpmcRing::Claim::Ok) break;
    if (claim == MpmcRing::Claim::Closed)
      return fail(ErrorCode::Closed, "kernel '" + to_.name_ + "' has terminated", edge_.id_);
    if (deadline_ns == 0)
      return fail(ErrorCode::QueueFull, "the inbox of '" + to_.name_ + "' is full", edge_.id_);
    bool room = waiter.wait(
        [&] {
          if (ring.has_room() || ring.closed()) return true;
          ask_for_room(ring.ring);
          return ring.has_room() || ring.closed();
        },
        deadline_ns);
    if (!room)
      return fail(ErrorCode::Timeout, "the inbox of '" + to_.name_ + "' stayed full", edge_.id_);
  }
  MessageHeader& h = *ring.ring.slot(position);
  h.message_id = message.message_id != 0 ? message.message_id : engine_.ids_.lease(1);
  h.correlation_id = message.emission.correlation_id;
  h.hlc = message.hlc != 0 ? message.hlc : hlc_from_microseconds(wall_us());
  h.deadline = message.emission.deadline;
  h.root = message.emission.root;
  h.source = kHostId;
  h.reply_to = message.emission.reply_to;
  h.message_type = to_.parts_[0]->accept_types[message.accept];
  h.flags = 0;
  h.node = 0;
  h.priority = message.emission.priority;
  h.hops = message.emission.hops;
  std::memcpy(payload_of(&h), message.payload, message.size);
  fetch_add(&edge_.sent_[0]->offered, uint64_t{1});
  engine_.host_created_.fetch_add(1);
  ring.publish(position);
  if (!shared_inbox_) {
    engine_.ring(to_.parts_[target]->owner, bits_[at]);
    return {};
  }
  uint32_t first = next_.fetch_add(1, std::memory_order_relaxed);
  for (uint32_t i = 0; i < to_.parts_.size(); ++i) {
    BlockOwner& owner = to_.parts_[(first + i) % to_.parts_.size()]->owner;
    if (raise(owner.block.signal, ~(kScheduled | kRoom))) {
      engine_.backend_->enqueue(owner);
      break;
    }
  }
  return {};
}

HostReceiver::HostReceiver(EngineImpl& engine, GraphNode& from, GraphEdge& edge)
    : engine_(engine), from_(from), edge_(edge) {}

uint64_t HostReceiver::depth() const { return MpmcRing{edge_.rings_[0]}.depth(); }

// Nothing more comes. What a kernel had emitted when its device was lost still does.
bool HostReceiver::is_over() const {
  const KernelState state = from_.state_.load();
  if (state != KernelState::Failed || from_.remote_ == nullptr) return is_finished(state);
  for (uint32_t i = 0; i < from_.parts_.size(); ++i)
    if (!from_.remote_->quiet(i)) return false;
  const EdgeCounts counts = edge_.counts();
  return counts.offered == counts.delivered + counts.dropped + counts.failed;
}

HostReceiver::Taken HostReceiver::receive(
    uint64_t deadline_ns, const std::function<void(const MessageHeader&, const void*)>& use) {
  MpmcRing ring{edge_.rings_[0]};
  uint64_t position = 0;
  for (;;) {
    if (ring.take(1, position) == 1) break;
    waiter.drain_file_descriptor();
    if (ring.take(1, position) == 1) {
      // Messages that came before the descriptor was drained ring for nobody else.
      waiter.signal_file_descriptor();
      break;
    }
    const KernelState state = from_.state_.load();
    if (is_over()) {
      if (ring.take(1, position) == 1) break;
      return Taken::Closed;
    }
    if (deadline_ns == 0) return Taken::Nothing;
    const uint64_t until = state == KernelState::Failed
                               ? std::min(deadline_ns, monotonic_ns() + kLookNs)
                               : deadline_ns;
    const bool came =
        waiter.wait([&] { return ring.ready() || from_.state_.load() != state; }, until);
    if (!came && until == deadline_ns) return Taken::Nothing;
  }
  MessageHeader& h = *ring.ring.slot(position);
  use(h, payload_of(&h));
  if (h.correlation_id != 0) {  // forwarded to the host, which does not reply
    RequestResult result{};
    result.outcome = RequestResult::Outcome::NoReply;
    engine_.requests_.complete(h.reply_to, h.correlation_id, result);
  }
  ring.release(position);
  fetch_add(&edge_.received_[0]->delivered, uint64_t{1});
  engine_.host_finished_.fetch_add(1);
  if (room_was_wanted(ring.ring))
    for (auto& parts : from_.parts_) engine_.ring(parts->owner);
  return Taken::Message;
}

GraphNode* EngineImpl::host() {
  if (host_ == nullptr) {
    auto node = add_node("(host)", NodeKind::Host, 0, 0, {});  // no name of a kernel
    if (node) host_ = *node;
  }
  return host_;
}

Result<HostSender*> EngineImpl::sender_to(GraphNode& node) {
  if (HostSender* made = node.sending_.load(std::memory_order_acquire)) return made;
  std::lock_guard lock(change_);
  if (node.sender_ != nullptr) return node.sender_.get();
  if (is_finished(node.state()) || node.state() == KernelState::Terminating)
    return fail(ErrorCode::Closed, "kernel is " + std::string(to_string(node.state())), node.name_);
  if (node.module_ == nullptr || node.module_->accept_count == 0)
    return fail(ErrorCode::InvalidMessage, "'" + node.name_ + "' accepts no messages", node.name_);
  if (auto done = attach_receiver(node); !done) return tl::unexpected(done.error());
  auto owned = std::make_unique<GraphEdge>();
  GraphEdge& edge = *owned;
  edge.id_ = "host:" + node.name_;
  edge.number_ = static_cast<uint32_t>(edges_.size());
  edge.from_ = host();
  edge.to_ = &node;
  edge.kind_ = RingKind::Mpmc;
  for (uint32_t i = 0; i < node.module_->accept_count; ++i)
    edge.payload_size_ = std::max(edge.payload_size_, node.module_->accepts[i].size);
  auto sender = std::make_shared<HostSender>(*this, node, edge);
  auto strategy =
      node.options_.scheduler ? node.options_.scheduler->strategy : SchedulerStrategy::Static;
  auto blocks = static_cast<uint32_t>(node.parts_.size());
  sender->levels_ = strategy == SchedulerStrategy::Priority ? node.options_.scheduler->levels : 1;
  sender->shared_inbox_ = strategy == SchedulerStrategy::RoundRobin && blocks > 1;
  sender->targets_ = sender->shared_inbox_ ? 1 : blocks;
  uint32_t capacity = round_up_to_power_of_two(node.options_.input_queue_capacity);
  uint32_t stride = slot_stride(edge.payload_size_);
  for (uint32_t i = 0; i < sender->targets_ * sender->levels_; ++i) {
    auto memory = allocate(ring_bytes(capacity, stride), edge.memory_);
    if (!memory) return tl::unexpected(memory.error());
    edge.rings_.push_back(ring_at(*memory, capacity, stride));
  }
  edge.capacity_ = uint64_t{capacity} * edge.rings_.size();
  auto sent = allocate_one<SendCounters>(edge.memory_);
  if (!sent) return tl::unexpected(sent.error());
  edge.sent_.push_back(*sent);
  sender->bits_.resize(edge.rings_.size());
  // What a block has stolen and what it has of its own are counted apart.
  bool stealing = node.parts_[0]->owner.block.steal_threshold != 0;
  for (uint32_t r = 0; r < blocks * (stealing ? 2 : 1); ++r) {
    auto received = allocate_one<ReceiveCounters>(edge.memory_);
    if (!received) return tl::unexpected(received.error());
    edge.received_.push_back(*received);
  }
  {
    std::lock_guard lists(mutex_);
    edges_.push_back(std::move(owned));
  }
  for (uint32_t r = 0; r < blocks; ++r) {
    BlockParts& parts = *node.parts_[r];
    run_on(
        parts.owner,
        [&](Block&) {
          auto end = [&](const Ring& ring, uint32_t level, ReceiveCounters* counters) {
            InRing in;
            in.kind = RingKind::Mpmc;
            in.level = static_cast<uint8_t>(level);
            in.accept = node.module_->accept_count == 1 ? uint16_t{0} : InRing::kByType;
            in.edge = edge.number_;
            in.mpmc.ring = ring;
            in.senders = &sender->waiter.block;
            in.sender_count = 1;
            in.bit = ring_bit(static_cast<uint32_t>(parts.in.size()));
            in.counters = counters;
            return in;
          };
          uint32_t target = sender->shared_inbox_ ? 0 : r;
          for (uint32_t level = 0; level < sender->levels_; ++level) {
            uint32_t at = target * sender->levels_ + level;
            append(parts, end(edge.rings_[at], level, edge.received_[r]));
            sender->bits_[at] = parts.in.back().bit;
          }
          if (!stealing) return;
          for (uint32_t other = 1; other < blocks; ++other)
            parts.steal.push_back(
                end(edge.rings_[(r + other) % blocks], 0, edge.received_[blocks + r]));
          rebuild(parts);
        },
        stealing ? Then::Step : Then::Rest);
  }
  std::lock_guard lists(mutex_);
  node.sender_ = sender;
  node.sending_.store(sender.get(), std::memory_order_release);
  return sender.get();
}

Result<void> EngineImpl::attach_receiver(GraphNode& node) {
  const std::lock_guard lock(change_);
  if (node.module_ == nullptr) return {};
  const HandlerModule& m = *node.module_;
  std::vector<uint32_t> open;  // ports without a wire
  for (uint32_t p = 0; p < m.port_count; ++p)
    if (node.parts_[0]->port_edges[p].empty()) open.push_back(p);
  if (!node.host_queues_ || node.receiver_ != nullptr || open.empty()) return {};
  auto owned = std::make_unique<GraphEdge>();
  GraphEdge& edge = *owned;
  edge.id_ = node.name_ + ":host";
  edge.number_ = static_cast<uint32_t>(edges_.size());
  edge.from_ = &node;
  edge.to_ = host();
  edge.kind_ = RingKind::Mpmc;
  for (const uint32_t p : open)
    edge.payload_size_ = std::max(edge.payload_size_, m.ports[p].message.size);
  uint32_t stride = slot_stride(edge.payload_size_);
  uint32_t capacity = round_up_to_power_of_two(node.options_.output_queue_capacity);
  auto memory = allocate(ring_bytes(capacity, stride), edge.memory_);
  if (!memory) return tl::unexpected(memory.error());
  edge.rings_.push_back(ring_at(*memory, capacity, stride));
  edge.capacity_ = capacity;
  auto received = allocate_one<ReceiveCounters>(edge.memory_);
  if (!received) return tl::unexpected(received.error());
  edge.received_.push_back(*received);
  auto receiver = std::make_shared<HostReceiver>(*this, node, edge);
  // Of each block: what its ports get, once the block is owned.
  std::vector<std::vector<OutEdge>> ends(node.parts_.size());
  for (auto& block_ends : ends) {
    auto sent = allocate_one<SendCounters>(edge.memory_);
    if (!sent) return tl::unexpected(sent.error());
    edge.sent_.push_back(*sent);
    for (const uint32_t p : open) {
      OutEdge& e = block_ends.emplace_back();
      e.kind = RingKind::Mpmc;
      e.edge = edge.number_;
      e.targets = 1;
      e.counters = *sent;
      const uint32_t staged = kBatch * node.parts_[0]->out_ports[p].max;
      if (auto done = attach_staging(e, staged, stride, edge.memory_); !done) return done;
    }
  }
  {
    std::lock_guard lists(mutex_);
    edges_.push_back(std::move(owned));
    node.receiver_ = receiver;
  }
  for (uint32_t i = 0; i < node.parts_.size(); ++i) {
    BlockParts& parts = *node.parts_[i];
    run_on(
        parts.owner,
        [&](Block&) {
          parts.links.emplace_back(1);
          Link& link = parts.links.back()[0];
          link.mpmc.ring = edge.rings_[0];
          link.receiver = receiver->waiter.block;
          link.bit = 1;
          for (size_t o = 0; o < open.size(); ++o) {
            ends[i][o].links = &link;
            parts.port_edges[open[o]].push_back(ends[i][o]);
          }
          rebuild(parts);
        },
        Then::Rest);
  }
  return {};
}

Result<std::shared_ptr<HostReceiver>> EngineImpl::receiver_of(GraphNode& node) {
  {
    const std::lock_guard lock(mutex_);
    if (node.receiver_ != nullptr) return node.receiver_;
  }
  const std::lock_guard lock(change_);
  // Without one it has nothing to say, and whoever ends it counts on no further wires.
  const bool ends = is_finished(node.state()) || node.state() == KernelState::Terminating;
  if (node.receiver_ == nullptr && ends && node.module_->port_count > 0)
    return fail(ErrorCode::Closed, "kernel has terminated and nothing is left", node.name_);
  if (auto done = attach_receiver(node); !done) return tl::unexpected(done.error());
  if (node.receiver_ == nullptr)
    return fail(ErrorCode::QueueEmpty, "kernel has no ports, so nothing can be received",
                node.name_);
  return node.receiver_;
}

Result<void> EngineImpl::may_detach_receiver(GraphNode& node, uint32_t port) {
  std::lock_guard lock(change_);
  if (node.receiver_ == nullptr) return {};
  bool waits = false;
  for (auto& parts : node.parts_)
    run_on(parts->owner, [&](Block&) {
      for (const OutEdge& e : parts->port_edges[port])
        waits = waits || (edges_[e.edge]->to_ == host_ && e.staged != 0);
    });
  if (!waits) return {};
  return fail(ErrorCode::QueueFull, "messages wait on this port for receive(); receive them first",
              node.name_);
}

Result<void> EngineImpl::detach_receiver(GraphNode& node, uint32_t port) {
  std::lock_guard lock(change_);
  if (node.receiver_ == nullptr) return {};
  Result<void> result;
  for (auto& parts : node.parts_) {
    run_on(parts->owner, [&](Block&) {
      auto& edges = parts->port_edges[port];
      for (size_t i = 0; i < edges.size(); ++i) {
        if (edges_[edges[i].edge]->to_ != host_) continue;
        if (edges[i].staged != 0) {
          result = fail(ErrorCode::QueueFull,
                        "messages wait on this port for receive(); receive them first", node.name_);
          return;
        }
        edges.erase(edges.begin() + static_cast<std::ptrdiff_t>(i));
        break;
      }
      rebuild(*parts);
    });
  }
  if (node.remote_ != nullptr) node.remote_->settle();
  return result;
}

Result<void> Engine::request(Node& kernel, uint16_t type, std::span<const std::byte> payload,
                             std::chrono::nanoseconds timeout,
                             std::function<void(const RequestResult&)> done) {
  auto& node = static_cast<GraphNode&>(kernel);
  auto sender = impl_->sender_to(node);
  if (!sender) return tl::unexpected(sender.error());
  HostMessage message;
  const auto& accepts = node.parts_[0]->accept_types;
  auto found = std::find(accepts.begin(), accepts.end(), type);
  if (found == accepts.end())
    return fail(ErrorCode::InvalidMessage, "'" + node.name_ + "' does not accept this message",
                node.name_);
  message.accept = static_cast<uint32_t>(found - accepts.begin());
  uint64_t deadline = monotonic_ns() + static_cast<uint64_t>(timeout.count());
  auto ticket = impl_->requests_.begin(std::move(done), deadline);
  if (!ticket) return tl::unexpected(ticket.error());
  message.payload = payload.data();
  message.size = static_cast<uint32_t>(payload.size());
  message.emission.correlation_id = ticket->correlation_id;
  message.emission.reply_to = ticket->slot;
  auto sent = (*sender)->send(message, deadline);
  if (!sent) impl_->requests_.cancel(*ticket);
  return sent;
}

}  // namespace ringkernel::runtime
