// What becomes of a kernel: activated, deactivated, failed, terminated; and of what it leaves.
#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>

#include "core/clock.hpp"
#include "ringkernel/device/outbox.hpp"
#include "runtime/graph.hpp"
#include "runtime/host_port.hpp"

namespace ringkernel::runtime {

using std::chrono::nanoseconds;

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

// How long a kernel that is terminated may go without progress before it is left behind.
constexpr uint64_t kStuckNs = 5'000'000'000;

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

Result<void> Engine::deactivate(Node& kernel, std::optional<nanoseconds> limit) {
  auto& node = static_cast<GraphNode&>(kernel);
  if (auto done = change(node, can_deactivate, KernelState::Deactivated, "deactivate"); !done)
    return tl::unexpected(done.error());
  for (auto& parts : node.parts_)
    impl_->run_on(parts->owner, [&](Block& block) {  // steps under way have ended
      if (node.remote_ != nullptr) node.remote_->look_again(block.index);
    });
  if (node.remote_ == nullptr) return {};
  const uint64_t until =
      limit ? monotonic_ns() + static_cast<uint64_t>(limit->count()) : ~uint64_t{0};
  for (uint32_t i = 0; i < node.parts_.size(); ++i)
    while (!node.remote_->quiet(i) && node.state_.load() == KernelState::Deactivated) {
      if (monotonic_ns() >= until)
        return fail(ErrorCode::Timeout, "kernel still has messages on its device", node.name_);
      std::this_thread::sleep_for(kPoll);
    }
  return {};
}

void EngineImpl::kernel_failed(GraphNode& node, const Error& error) {
  node.set_error(to_string(error));
  node.state_ = KernelState::Failed;
  node.ended_ns_ = monotonic_ns();
  for (auto& parts : node.parts_) ring(parts->owner);
  std::shared_ptr<HostReceiver> receiver;
  {
    const std::lock_guard lock(mutex_);
    receiver = node.receiver_;
  }
  if (receiver != nullptr) ring(receiver->waiter.owner);
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
  if (node.remote_ != nullptr) {
    node.left_ = true;
    end_steps([](Block&) {});
    node.remote_->leave();
  }
  for (auto& parts : node.parts_) {
    bool complete = false;
    while (!complete) {
      impl_->run_on(parts->owner, [&](Block& b) {
        b.now_us = wall_us();
        complete = node.remote_ == nullptr || node.remote_->conclude(b, reason);
        complete = bury_staged(b, node, reason) && complete;
        return_credits(b);
      });
      if (!complete) std::this_thread::sleep_for(kPoll);
    }
  }
  // Who waits for the end may read what is saved.
  const Result<void> saved = impl_->save_buffers(node);
  // Unless its device was lost meanwhile.
  KernelState ending = KernelState::Terminating;
  node.state_.compare_exchange_strong(ending, KernelState::Terminated);
  node.ended_ns_ = monotonic_ns();
  std::shared_ptr<HostSender> sender;
  std::shared_ptr<HostReceiver> receiver;
  {
    std::lock_guard lock(impl_->mutex_);
    sender = node.sender_;
    receiver = node.receiver_;
  }
  if (receiver != nullptr) impl_->ring(receiver->waiter.owner);
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
  // A handler that does not return keeps what is behind it from being handed over.
  uint64_t progress = 0;
  uint64_t since = monotonic_ns();
  while (std::any_of(in.begin(), in.end(), waits) || node.counts().in_hand > 0) {
    for (auto& parts : node.parts_) {
      if (node.state_.load() == KernelState::Terminating)
        run_on(parts->owner, [&](Block& b) { bury_staged(b, node, reason); });
      ring(parts->owner);
    }
    if (const uint64_t now = failed() + node.counts().handled; now != progress) {
      progress = now;
      since = monotonic_ns();
    }
    if (monotonic_ns() - since > kStuckNs) break;
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

}  // namespace ringkernel::runtime
