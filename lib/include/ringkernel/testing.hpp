// Unit tests of a handler: one block without a runtime, stepped by hand on the calling thread.
//   ringkernel::testing::Block<Score> block{{.limit = 100}};
//   block.send(Order{1, 7, 900.0});
//   CHECK(block.emitted(port::alert).size() == 1);
#pragma once

#include <chrono>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "ringkernel/device/make_module.hpp"
#include "ringkernel/message.hpp"

namespace ringkernel::testing {

// What became of a message.
struct Outcome {
  bool handled = false;
  std::string
      reason;  // of the failure: "failed", "threw", "max_exceeded", "keys_full", "deadline_passed"
  std::string detail;
  explicit operator bool() const { return handled; }
};

struct SendOptions {
  uint8_t priority = 1;
  uint64_t deadline_us = 0;  // since 1970; 0: none
};

template <class H>
class Block {
 public:
  using Params = typename Context<H>::Params;
  using State = typename traits::StateOf<H>::Type;
  static constexpr uint32_t kKeyCapacity = 1024;

  // Runs on_start. The clock stands still until advance().
  explicit Block(const Params& params = {}) : params_(params) {
    const HandlerModule& m = module_of<H>();
    services_.context = this;
    services_.now_us = [](void* self) { return static_cast<Block*>(self)->now_us_; };
    services_.lease_ids = [](void* self, uint32_t n) {
      uint64_t first = static_cast<Block*>(self)->next_id_;
      static_cast<Block*>(self)->next_id_ += n;
      return first;
    };
    services_.complete = [](void* self, const MessageHeader*, Completion how, Reason, const char*,
                            uint16_t, const void* payload, uint32_t size) {
      auto& block = *static_cast<Block*>(self);
      block.completion_ = how;
      auto* bytes = static_cast<const unsigned char*>(payload);
      if (payload != nullptr) block.reply_.assign(bytes, bytes + size);
      return true;
    };
    services_.log = [](void* self, const ringkernel::Block*, int, const char* text, double) {
      static_cast<Block*>(self)->logged_.emplace_back(text);
    };
    frame_.host = &services_;
    frame_.kernel = 1;
    counters_.latency.buckets = latency_buckets_.data();
    frame_.counters = &counters_;
    frame_.params = &params_;
    frame_.accept_keys = m.keys;
    frame_.accept_count = m.accept_count;
    uint32_t largest = m.reply.size;
    uint32_t key_size = 0;
    for (uint32_t i = 0; i < m.accept_count; ++i) {
      largest = max_of(largest, m.accepts[i].size);
      if (m.keys != nullptr) key_size = max_of(key_size, m.keys[i].size);
    }
    for (uint32_t i = 0; i < m.port_count; ++i) largest = max_of(largest, m.ports[i].message.size);
    if (m.keys != nullptr) {
      KeyTable& table = frame_.keys;
      table.capacity = kKeyCapacity;
      table.kernel_capacity = kKeyCapacity;
      table.kernel_keys = &key_count_;
      table.index_mask = 2 * kKeyCapacity - 1;
      table.entry_stride = key_entry_stride(key_size, m.state_size);
      table.state_offset = key_state_offset(key_size);
      table.index = static_cast<uint32_t*>(allocate(sizeof(uint32_t) * 2 * kKeyCapacity));
      table.entries =
          static_cast<unsigned char*>(allocate(size_t{table.entry_stride} * kKeyCapacity));
    }
    frame_.state = allocate(sizeof(State));
    frame_.scratch = allocate(max_of(largest, 1U));
    frame_.reply_buffer = allocate(max_of(m.reply.size, 1U));
    for (uint32_t i = 0; i < m.buffer_count; ++i)
      buffers_.push_back(allocate(static_cast<size_t>(m.buffers[i].bytes)));
    frame_.buffers = buffers_.data();
    shared_ = allocate(kSharedBytes);
    frame_.shared = shared_;
    frame_.shared_size = kSharedBytes;

    uint32_t most = 2;  // undo entries, dead letters
    ports_.resize(m.port_count + 1);
    edges_.resize(m.port_count + 1);
    links_.resize(m.port_count + 1);
    sent_.resize(m.port_count + 1);
    emitted_.resize(m.port_count + 1);
    for (uint32_t i = 0; i <= m.port_count; ++i) {
      bool reply = i == m.port_count;
      uint32_t max = reply ? 1 : m.ports[i].max;
      ports_[i].max = max;
      ports_[i].payload_size = reply ? m.reply.size : m.ports[i].message.size;
      ports_[i].message_type = static_cast<uint16_t>(m.accept_count + i + 1);
      most += 2 * max;
      if (reply) continue;  // replies nobody asked for are counted
      links_[i].spsc.ring = ring_for(ports_[i].payload_size, max);
      links_[i].receiver = &receiver_;
      links_[i].counters = &sent_[i];
      edges_[i].links = &links_[i];
      edges_[i].targets = 1;
      edges_[i].edge = i;
      edges_[i].counters = &sent_[i];
      ports_[i].edges = &edges_[i];
      ports_[i].edge_count = 1;
    }
    dead_.spsc.ring = ring_for(static_cast<uint32_t>(sizeof(DeadLetter)) + largest, most);
    dead_.receiver = &receiver_;
    frame_.dead = &dead_;
    frame_.dead_max = 1;
    undo_.resize(most);
    frame_.ports = ports_.data();
    frame_.port_count = m.port_count + 1;
    frame_.undo = undo_.data();
    in_.resize(m.accept_count);
    received_.resize(m.accept_count);
    senders_.resize(m.accept_count);
    for (uint32_t i = 0; i < m.accept_count; ++i) {
      senders_[i].ring = ring_for(m.accepts[i].size, 1);
      in_[i].spsc.ring = senders_[i].ring;
      in_[i].accept = static_cast<uint16_t>(i);
      in_[i].bit = ring_bit(i);
      in_[i].counters = &received_[i];
    }
    frame_.in = in_.data();
    frame_.in_count = m.accept_count;
    run();
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  // Handles one message.
  template <class M>
  Outcome send(const M& message, SendOptions options = {}) {
    return send(message, options, 0);
  }

  // Handles a request. Nothing: the handler did not reply.
  template <class R, class M>
  std::optional<R> call(const M& message, SendOptions options = {}) {
    completion_.reset();
    reply_.clear();
    send(message, options, 1);
    if (completion_ != Completion::Reply || reply_.size() != sizeof(R)) return std::nullopt;
    R reply;
    std::memcpy(&reply, reply_.data(), sizeof(R));
    return reply;
  }

  // Runs on_poll until it has no more, at most `most` times.
  void poll(uint32_t most = 1024) { run(most); }

  // Runs on_stop, per key where the handler is keyed.
  void stop() {
    frame_.key_cursor = 0;
    frame_.stopping = true;
    run();
  }

  void advance(std::chrono::microseconds time) { now_us_ += static_cast<uint64_t>(time.count()); }

  // Everything emitted on a port so far, oldest first.
  template <class P>
  const std::vector<typename P::Message> emitted(P) const {
    using M = typename P::Message;
    constexpr uint32_t index = Context<H>::Ports::template index_of<P>();
    static_assert(index < Context<H>::Ports::kCount, "not a port of this handler");
    std::vector<M> messages;
    for (const auto& bytes : emitted_[index]) {
      M message;
      std::memcpy(&message, bytes.data(), sizeof(M));
      messages.push_back(message);
    }
    return messages;
  }

  // A buffer, zeroed at first: to fill and to look at.
  template <class B>
  typename B::View buffer(B) const {
    constexpr uint32_t index = Context<H>::Buffers::template index_of<B>();
    static_assert(index < Context<H>::Buffers::kCount, "not a buffer of this handler");
    return typename B::View(static_cast<typename B::Element*>(buffers_[index]));
  }

  // The State, of a handler without a key.
  const State& state() const { return *static_cast<const State*>(frame_.state); }
  uint32_t keys() const { return frame_.keys.count; }
  const std::vector<Outcome>& failures() const { return failures_; }
  const std::vector<std::string>& logged() const { return logged_; }
  const BlockCounters& counters() const { return counters_; }

 private:
  static constexpr uint32_t kSharedBytes = 48 * 1024;

  template <class M, class... A>
  static constexpr uint32_t index_in(Accepts<A...>) {
    uint32_t index = 0;
    bool found = false;
    ((found = found || is_same_type<A, M>, index += found ? 0U : 1U), ...);
    return index;
  }

  template <class M>
  Outcome send(const M& message, SendOptions options, uint64_t correlation_id) {
    constexpr uint32_t index = index_in<M>(typename traits::AcceptsOf<H>::Type{});
    static_assert(index < traits::AcceptsOf<H>::Type::kCount,
                  "the handler does not accept this message");
    MessageHeader& header = *senders_[index].append();
    header = MessageHeader{};
    header.message_id = next_id_++;
    header.correlation_id = correlation_id;
    header.hlc = hlc_from_microseconds(now_us_);
    header.deadline = options.deadline_us;
    header.priority = options.priority;
    header.message_type = static_cast<uint16_t>(index + 1);
    M* payload = static_cast<M*>(payload_of(&header));
    *payload = message;
    MessageTraits<M>::clear_padding(*payload);
    senders_[index].publish();
    frame_.pending |= ring_bit(index);
    size_t failed = failures_.size();
    run();
    return failures_.size() > failed ? failures_.back() : Outcome{true, "", ""};
  }

  void run(uint32_t budget = 64) {
    for (;;) {
      frame_.now_us = now_us_;
      StepResult result = module_of<H>().run(&frame_, budget);
      frame_.woken = nullptr;
      exchange(&receiver_.signal.word, uint64_t{0});
      bool moved = drain();
      if (result.status == StepStatus::Idle || (result.status == StepStatus::Blocked && !moved) ||
          (result.status == StepStatus::More && budget != 64))
        return;
    }
  }

  bool drain() {
    bool moved = false;
    for (size_t i = 0; i + 1 < ports_.size(); ++i) {
      SpscReceiver end = receiver_of(links_[i].spsc);
      while (end.available() > 0) {
        auto* bytes = static_cast<const unsigned char*>(payload_of(end.front()));
        emitted_[i].emplace_back(bytes, bytes + ports_[i].payload_size);
        end.pop();
        moved = true;
      }
      end.release();
    }
    SpscReceiver end = receiver_of(dead_.spsc);
    while (end.available() > 0) {
      auto* letter = static_cast<const DeadLetter*>(payload_of(end.front()));
      failures_.push_back({false, reason_name(letter->reason), letter->detail});
      end.pop();
      moved = true;
    }
    end.release();
    return moved;
  }

  static SpscReceiver receiver_of(const SpscSender& sender) {
    SpscReceiver end;
    end.ring = sender.ring;
    end.head = load_relaxed(&sender.ring.control->head);
    end.tail_seen = end.head;
    return end;
  }

  void* allocate(size_t bytes) {
    memory_.emplace_back(new (std::align_val_t{128}) unsigned char[bytes + 1]());
    return memory_.back().get();
  }
  Ring ring_for(uint32_t payload, uint32_t max) {
    uint32_t capacity = 64;
    while (capacity < 2 * max) capacity *= 2;
    uint32_t stride = slot_stride(payload);
    return ring_at(allocate(ring_bytes(capacity, stride)), capacity, stride);
  }

  struct AlignedDelete {
    void operator()(unsigned char* p) const { operator delete[](p, std::align_val_t{128}); }
  };

  Params params_;
  HostServices services_;
  ringkernel::Block frame_;
  ringkernel::Block receiver_;
  BlockCounters counters_{};
  std::vector<uint64_t> latency_buckets_ = std::vector<uint64_t>(LatencyHistogram::kBuckets);
  uint64_t now_us_ = 1'700'000'000'000'000;
  uint64_t next_id_ = 1;
  uint64_t key_count_ = 0;
  void* shared_ = nullptr;
  std::deque<std::unique_ptr<unsigned char[], AlignedDelete>> memory_;
  std::vector<void*> buffers_;
  std::vector<OutPort> ports_;
  std::vector<OutEdge> edges_;
  std::vector<Link> links_;
  std::vector<SendCounters> sent_;
  Link dead_;
  std::vector<Undo> undo_;
  std::vector<InRing> in_;
  std::vector<ReceiveCounters> received_;
  std::vector<SpscSender> senders_;
  std::vector<std::vector<std::vector<unsigned char>>> emitted_;
  std::vector<Outcome> failures_;
  std::vector<std::string> logged_;
  std::optional<Completion> completion_;
  std::vector<unsigned char> reply_;
};

}  // namespace ringkernel::testing
