#include "ringkernel/kernel_handle.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "core/clock.hpp"
#include "ringkernel/hlc.hpp"
#include "runtime/host_port.hpp"
#include "runtime/kernel_handle_inner.hpp"

namespace ringkernel {

using runtime::Engine;
using runtime::GraphNode;
using runtime::HostMessage;
using runtime::HostReceiver;
using runtime::RequestResult;

namespace {

uint64_t deadline_after(std::chrono::nanoseconds timeout) {
  if (timeout <= std::chrono::nanoseconds::zero()) return 0;
  return monotonic_ns() + static_cast<uint64_t>(timeout.count());
}

}  // namespace

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

}  // namespace ringkernel
