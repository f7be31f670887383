// What a handler sees of the engine while it handles one message. Everything it does through the
// context takes effect when the handler returns; a message that fails has done nothing.
#pragma once

#include "ringkernel/device/buffer.hpp"
#include "ringkernel/device/device_outbox.hpp"
#include "ringkernel/device/handler_traits.hpp"
#include "ringkernel/device/outbox.hpp"
#include "ringkernel/device/outcome.hpp"
#if !defined(__CUDACC__)
#include <exception>
#endif

namespace ringkernel {

struct EmitOptions {
  int priority = -1;         // 0 low to 3 critical; -1: that of the message in hand
  uint64_t deadline_us = 0;  // from now; 0: the deadline of the message in hand
};

enum class LogLevel : int { Debug = 0, Info = 1, Warning = 2, Error = 3 };

// Bytes that one recorded emit of a payload takes; see Context::record().
RK_HD constexpr uint32_t record_size(uint32_t payload_size) {
  return (32U + payload_size + 15U) & ~15U;
}

template <class H>
class Context {
 public:
  using Params = typename traits::ParamsOf<H>::Type;
  using Ports = typename traits::PortsOf<H>::Type;
  using Buffers = typename traits::BuffersOf<H>::Type;

  RK_HD Context(Block& block, const MessageHeader* in, Outcome& outcome, uint32_t rank = 0)
      : b_(block), out_(outcome), in_(in), rank_(rank), more_(!leads()) {
    out_.forget();
  }

  // Emits a message on a port. More than the port's max per handled message fails the message.
  template <class P, class M>
  RK_FAST void emit(P, const M& message, EmitOptions options = {}) {
    using Want = typename P::Message;
    put<P, Want>(message, options, false);
  }

  // Emits on the port and hands over the duty to answer the request in hand. At most kMaxHops
  // times.
  template <class P, class M>
  RK_HD void forward(P, const M& message, EmitOptions options = {}) {
    if (in_ != nullptr && in_->hops >= kMaxHops) return fail_for(Reason::MaxHopsExceeded, nullptr);
    put<P, typename P::Message>(message, options, true);
  }

  // Builds a big message in place: begin() gives zeroed memory, publish() emits it. Nothing else
  // may be emitted in between.
  template <class P>
  RK_HD typename P::Message& begin(P) {
    zero_bytes(scratch(), sizeof(typename P::Message));
    return *static_cast<typename P::Message*>(scratch());
  }
  template <class P>
  RK_HD void publish(P port, EmitOptions options = {}) {
    emit(port, *static_cast<typename P::Message*>(scratch()), options);
  }

  // Answers the request in hand; where nobody asked, goes to the kernel's reply wire, else it is
  // counted as unasked. The last reply of a handler counts; one to a request that is complete
  // already is a dead letter.
  template <class M>
  RK_HD void reply(const M& message) {
    static_assert(is_same_type<M, typename traits::ReplyOf<H>::Type>,
                  "not the reply type of this kernel");
    if (!leads() || failed()) return;
    if (on_device()) return reply_record(message);
    if constexpr (!kGpu) beside([&](Context& c) RK_FAST_LAMBDA { c.reply_on_host(message); });
  }

  // Fails the message in hand: what it emitted is taken back and it becomes a dead letter.
  // `reason` is cut at 103 bytes.
  RK_HD void fail(const char* reason) {
    if (leads()) fail_for(Reason::Failed, reason);
  }

  RK_HD void log(LogLevel level, const char* text, double value = 0) {
    if (!leads()) return;
    if (on_device()) return device_->outbox.log(static_cast<int>(level), text, value);
    if (!kGpu && b_.host->log != nullptr)
      b_.host->log(b_.host->context, &b_, static_cast<int>(level), text, value);
  }

  // Microseconds since 1970, read once per batch.
  RK_HD uint64_t now() const { return b_.now_us; }
  RK_HD const Params& params() const { return *static_cast<const Params*>(b_.params); }
  // The same memory for all blocks and keys of the kernel.
  template <class B>
  RK_HD typename B::View buffer(B) const {
    constexpr uint32_t index = Buffers::template index_of<B>();
    static_assert(index < Buffers::kCount, "not a buffer of this handler");
    return typename B::View(static_cast<typename B::Element*>(b_.buffers[index]));
  }
  // Zeroes in on_start, on_stop and on_poll.
  RK_HD const MessageHeader& header() const { return in_ != nullptr ? *in_ : kNoHeader; }

  // The key whose State is in hand. One integer or enum field: its value, zero-extended.
  RK_HD auto key() const {
    const uint64_t* words = b_.keys.words(key_entry_);
    if constexpr (requires { typename H::Key; }) {
      typename H::Key key;
      copy_bytes(&key, words, static_cast<uint32_t>(sizeof key));
      return key;
    } else {
      return words[0];
    }
  }

  RK_HD uint32_t thread_rank() const { return rank_; }
  RK_HD uint32_t num_threads() const { return b_.threads; }
  RK_HD uint32_t block() const { return b_.index; }
  RK_HD uint32_t num_blocks() const { return b_.blocks; }

  // f(i) for i in [0, n), shared by the threads of the block; returns when all are done.
  template <class F>
  RK_HD void parallel_for(uint32_t n, F&& f) {
    if constexpr (traits::granularity_of<H>() == Granularity::Thread) {
      for (uint32_t i = 0; i < n; ++i) f(i);
    } else if (!collective() && on_device()) {
      device_->parallel_for(n, f);
    } else if (b_.threads == 1) {
      for (uint32_t i = 0; i < n; ++i) f(i);
    } else if constexpr (traits::granularity_of<H>() == Granularity::Serial) {
      help<F>(n, f);
    } else {
      for (uint32_t i = rank_; i < n; i += b_.threads) f(i);
      sync();
    }
  }

  // One thread runs f; all wait for it.
  template <class F>
  RK_HD void once(F&& f) {
    if (leads()) f();
    sync();
  }

  // All threads of the block meet here (granularity block and grid).
  RK_HD void sync() {
    if constexpr (collective()) {
      if (on_device())
        device_->sync();
      else if (!kGpu && b_.threads > 1)
        b_.host->sync_team(&b_, rank_);
    }
  }

  // The block's shared memory: launch.shared_memory_size bytes, zeroed at launch; null if T is
  // larger.
  template <class T>
  RK_HD T* shared() const {
    if (sizeof(T) > b_.shared_size) return nullptr;
    return static_cast<T*>(on_device() ? device_->shared : b_.shared);
  }

 private:
  template <class>
  friend class Step;
  template <class>
  friend class Resident;

  // All threads of the block run their share of f. What one throws is thrown on once all are done.
  template <class F>
  RK_HD void help(uint32_t n, F& f) {
    struct Job {
      uint32_t n, threads;
      F* f;
#if !defined(__CUDACC__)
      uint32_t thrown;
      std::exception_ptr error;
#endif
    };
    Job job{};
    job.n = n;
    job.threads = b_.threads;
    job.f = &f;
    b_.host->run_team(
        &b_,
        [](void* argument, uint32_t rank) {
          Job& j = *static_cast<Job*>(argument);
#if defined(__CUDACC__)
          for (uint32_t i = rank; i < j.n; i += j.threads) (*j.f)(i);
#else
          try {
            for (uint32_t i = rank; i < j.n; i += j.threads) (*j.f)(i);
          } catch (...) {
            if (exchange(&j.thrown, 1U) == 0) j.error = std::current_exception();
          }
#endif
        },
        &job);
#if !defined(__CUDACC__)
    if (job.error) std::rethrow_exception(job.error);
#endif
  }

  RK_HD static constexpr bool collective() {
    return traits::granularity_of<H>() == Granularity::Block ||
           traits::granularity_of<H>() == Granularity::Grid;
  }
  // Code for a GPU is not even compiled for the other way.
  static constexpr bool kGpu = RK_ON_DEVICE != 0;
  RK_HD bool on_device() const { return kGpu || device_ != nullptr; }
  // Collective handlers run on every thread; what they ask for happens once.
  RK_HD bool leads() const { return !collective() || rank_ == 0; }
  RK_HD bool failed() const { return out_.fails != Reason::None; }

  // On a CPU: where the next message of a port with one ring is built; null: not there.
  struct Next {
    MessageHeader* slot;
    MessageHeader* end;
    unsigned char* first;
    uint32_t stride;
    uint32_t count;
  };

  // A call that is not inlined. On a CPU a copy of the context goes there, since one whose address
  // is known outside would be stored and loaded for every message.
  template <class F>
  RK_FAST void beside(F&& call) {
#if defined(__CUDACC__)
    call(*this);
#else
    close();
    Context copy(*this);
    call(copy);
    more_ = copy.more_;
    for (uint32_t p = 0; p < Ports::kCount; ++p) emitted_[p] = copy.emitted_[p];
    if constexpr (traits::granularity_of<H>() == Granularity::Thread) record_ = copy.record_;
#endif
  }
  RK_FAST void fail_for(Reason reason, const char* detail) {
    beside([&](Context& c) RK_FAST_LAMBDA { c.set_failed(reason, detail); });
  }

  // Calls body(context), and turns what it throws into a failed message.
  template <class F>
  RK_FAST void guarded(F&& body) {
#if defined(__CUDACC__)
    body(*this);
#else
    try {
      body(*this);
    } catch (const std::exception& error) {
      out_.fails = Reason::None;
      fail_for(Reason::Threw, error.what());
    } catch (...) {
      out_.fails = Reason::None;
      fail_for(Reason::Threw, "something that is no std::exception");
    }
#endif
  }

  // The fast path: where a port's messages are built next, and their ids, at hand for up to `calls`
  // calls. Until it is closed the links do not know of them. Whatever else is done closes it.
  RK_FAST void open([[maybe_unused]] uint32_t calls) {
    if constexpr (!kGpu && Ports::kCount > 0) {
      calls_ = calls;
      const uint64_t ids = uint64_t{calls} * Ports::kTotalMax;
      if (RK_UNLIKELY(b_.end_id - b_.next_id < ids)) lease_message_ids(b_, ids);
      next_id_ = b_.next_id;
      for (uint32_t p = 0; p < Ports::kCount; ++p) {
        const Link* link = b_.ports[p].direct;
        next_[p] = {};
        if (link == nullptr) continue;
        const Ring& ring = link->spsc.ring;
        next_[p] = {ring.slot(link->spsc.tail), ring.end(), ring.slots, ring.stride, 0};
      }
    }
  }
  RK_FAST void reopen() {
    if (calls_ > 0) open(calls_);
  }
  RK_FAST void close() {
    if constexpr (!kGpu && Ports::kCount > 0) {
      if (next_id_ == 0) return;
      b_.next_id = next_id_;
      next_id_ = 0;
      for (uint32_t p = 0; p < Ports::kCount; ++p) {
        if (next_[p].count > 0) {
          Link& link = *b_.ports[p].direct;
          touch(b_, link);
          link.spsc.tail += next_[p].count;
        }
        next_[p] = {};
      }
    }
  }

  // Threads that handle a message each build one each.
  RK_HD void* scratch() const {
    uint32_t own = traits::granularity_of<H>() == Granularity::Thread ? rank_ : 0;
    return static_cast<unsigned char*>(b_.scratch) + static_cast<uint64_t>(own) * b_.scratch_size;
  }

  // Goes on to the next message.
  RK_FAST void begin(const MessageHeader* in) {
    in_ = in;
    for (uint32_t& emitted : emitted_) emitted = 0;
  }
  // What is more_ of the last one is done.
  RK_HD void forget() {
    more_ = false;
    out_.forget();
  }

  RK_BESIDE void set_failed(Reason reason, const char* detail) {
    if (failed()) return;
    out_.fails = reason;
    more_ = true;
    uint32_t n = 0;
    if (detail != nullptr)
      for (; n + 1 < sizeof out_.detail && detail[n] != 0; ++n) out_.detail[n] = detail[n];
    out_.detail[n] = 0;
  }

  template <class P, class M>
  RK_FAST void put(const M& message, EmitOptions options, bool forwards) {
    constexpr uint32_t index = Ports::template index_of<P>();
    static_assert(index < Ports::kCount, "not a port of this handler");
    if constexpr (!kGpu) {
      Next& next = next_[index];
      if (RK_LIKELY(next.slot != nullptr && !forwards && emitted_[index] < P::kMax)) {
        ++emitted_[index];
        return put_direct(next, b_.ports[index], message, options);
      }
      // The copy keeps the handler's own message out of memory: one that a call can see is stored
      // word by word and loaded again, and loads that span stores wait for all stores before them.
      if constexpr (sizeof(M) <= 256 && !is_same_type<M, Opaque>) {
        const M copy = message;
        return beside([&](Context& c)
                          RK_FAST_LAMBDA { c.template put_beside<P>(copy, options, forwards); });
      }
    }
    beside([&](Context& c)
               RK_FAST_LAMBDA { c.template put_beside<P>(message, options, forwards); });
  }

  // Builds the message in place.
  template <class M>
  RK_FAST void put_direct(Next& next, const OutPort& port, const M& message, EmitOptions options) {
    MessageHeader& slot = *next.slot;
    unsigned char* const following = reinterpret_cast<unsigned char*>(next.slot) + next.stride;
    next.slot = reinterpret_cast<MessageHeader*>(
        following == reinterpret_cast<unsigned char*>(next.end) ? next.first : following);
    ++next.count;
    // The payload first: the handler has it in registers, and the header needs some. That word by
    // word, not through an Emission as in write(), which costs a sixth of the rate of the pipeline
    // in tests/bench.
    copy_message(payload_of(&slot), message, &port.payload_size);
    slot.message_id = next_id_++;
    slot.correlation_id = 0;
    slot.hlc = b_.hlc;
    slot.deadline = in_ != nullptr ? in_->deadline : 0;
    slot.root = in_ != nullptr ? in_->root : 0;
    uint32_t priority = in_ != nullptr ? in_->priority : Emission{}.priority;
    if (options.priority >= 0) priority = static_cast<uint32_t>(options.priority);
    if (options.deadline_us != 0) slot.deadline = b_.now_us + options.deadline_us;
    fill_last_words(slot, b_.kernel, port.message_type, priority);
  }

  template <class P, class M>
  RK_BESIDE void put_beside(const M& message, EmitOptions options, bool forwards) {
    constexpr uint32_t index = Ports::template index_of<P>();
    if (on_device()) return put_record<P>(index, message, options, forwards);
    if constexpr (!kGpu) {
      if (record_ != nullptr) {
        if (forwards)
          return record(message, options,
                        [](Context& c, const M& m, EmitOptions o) { c.put<P, M>(m, o, true); });
        return record(message, options,
                      [](Context& c, const M& m, EmitOptions o) { c.put<P, M>(m, o, false); });
      }
      put_on(b_.ports[index], emitted_[index], message, options, forwards);
    }
  }

  template <class M>
  RK_HD void reply_on_host(const M& message) {
    if (record_ != nullptr)
      return record(message, {}, [](Context& c, const M& m, EmitOptions) { c.reply(m); });
    if (in_ != nullptr && in_->correlation_id != 0) {
      copy_message(b_.reply_buffer, message, b_.accept_sizes);
      out_.replied = more_ = true;
      return;
    }
    OutPort& port = b_.ports[Ports::kCount];
    if (port.edge_count == 0) {
      ++out_.unasked;
      more_ = true;
      return;
    }
    put_on(port, out_.replies, message, {}, false);
  }

  // Takes back everything the message in hand has emitted; of what went the fast path only the
  // context knows.
  RK_BESIDE void take_back() {
    for (uint32_t p = 0; p <= Ports::kCount; ++p) {
      OutPort& port = b_.ports[p];
      const uint32_t emitted = p < Ports::kCount ? emitted_[p] : out_.replies;
      if (port.direct != nullptr) port.direct->spsc.take_back(min_of(emitted, port.max));
    }
    ringkernel::take_back(b_);
  }

  template <class P, class M>
  RK_HD void put_record(uint32_t index, const M& message, EmitOptions options, bool forwards) {
    if (!leads() || RK_UNLIKELY(failed())) return;
    if (RK_UNLIKELY(++emitted_[index] > P::kMax)) return set_failed(Reason::MaxExceeded, nullptr);
    DeviceRecord* record = device_->outbox.append(RecordKind::Emit);
    record->port = static_cast<uint8_t>(index);
    if (options.priority >= 0) record->priority = static_cast<uint8_t>(options.priority);
    if (options.deadline_us != 0) record->deadline = b_.now_us + options.deadline_us;
    if (forwards) record->flags |= kRecordForwards;
    copy_message(payload_of(record), message, nullptr);
  }

  template <class M>
  RK_HD void reply_record(const M& message) {
    if (reply_ == nullptr)
      reply_ = device_->outbox.append(RecordKind::Reply);
    else if (in_ == nullptr || in_->correlation_id == 0)
      return set_failed(Reason::MaxExceeded, nullptr);
    copy_message(payload_of(reply_), message, nullptr);
  }

  // Where a block's threads handle a message each, what they ask for is recorded per thread and
  // replayed in the order of the messages.
  struct Record {
    void (*replay)(Context& ctx, const void* payload, EmitOptions options);
    EmitOptions options;
    uint32_t size;  // of the whole record, a multiple of 16
  };
  template <class M, class F>
  RK_HD void record(const M& message, EmitOptions options, F) {
    constexpr uint32_t size = record_size(static_cast<uint32_t>(sizeof(M)));
    if (record_ + size > record_end_) return set_failed(Reason::MaxExceeded, nullptr);
    Record* r = reinterpret_cast<Record*>(record_);
    r->replay = [](Context& ctx, const void* payload, EmitOptions o) {
      F{}(ctx, *static_cast<const M*>(payload), o);
    };
    r->options = options;
    r->size = size;
    *reinterpret_cast<M*>(record_ + kRecordHeader) = message;
    record_ += size;
  }
  RK_HD void replay(const unsigned char* from, const unsigned char* to) {
    while (from < to) {
      const Record* r = reinterpret_cast<const Record*>(from);
      r->replay(*this, from + kRecordHeader, r->options);
      from += r->size;
    }
  }
  static constexpr uint32_t kRecordHeader = 32;
  static_assert(sizeof(Record) <= kRecordHeader);

  template <class M>
  RK_HD void put_on(OutPort& port, uint32_t& emitted, const M& message, EmitOptions options,
                    bool forwards) {
    if (!leads() || RK_UNLIKELY(failed())) return;
    if (RK_UNLIKELY(++emitted > port.max)) return set_failed(Reason::MaxExceeded, nullptr);
    more_ = true;
    put_on_edges(port, message, options, forwards);
  }

  template <class M>
  RK_HD void put_on_edges(OutPort& port, const M& message, EmitOptions options, bool forwards) {
    Emission emission;
    if (in_ != nullptr) {
      emission.deadline = in_->deadline;
      emission.root = in_->root;
      emission.priority = in_->priority;
    }
    if (options.priority >= 0) emission.priority = static_cast<uint8_t>(options.priority);
    if (options.deadline_us != 0) emission.deadline = b_.now_us + options.deadline_us;
    if (forwards && in_ != nullptr) {
      emission.hops = static_cast<uint8_t>(in_->hops + 1);
      emission.correlation_id = in_->correlation_id;
      emission.reply_to = in_->reply_to;
      out_.forwarded = true;
    }
    if (port.direct != nullptr) {
      Link& link = *port.direct;
      touch(b_, link);
      return write(*link.spsc.append(), port, message, emission);
    }
    for (uint32_t i = 0; i < port.edge_count; ++i) {
      OutEdge& e = port.edges[i];
      if (e.route == Route::All) {
        for (uint32_t t = 0; t < e.targets; ++t) put_copy(port, e, t, message, emission);
      } else {
        put_copy(port, e, route_of(e, e.key, &message), message, emission);
      }
    }
  }

  template <class M>
  RK_HD void write(MessageHeader& slot, const OutPort& port, const M& message,
                   const Emission& emission) {
    fill_header(b_, slot, port.message_type, emission);
    copy_message(payload_of(&slot), message, &port.payload_size);
  }

  // `size` is looked at for an opaque message only.
  template <class M>
  RK_FAST static void copy_message(void* to, const M& message,
                                   [[maybe_unused]] const uint32_t* size) {
    if constexpr (is_same_type<M, Opaque>) {
      copy_bytes(to, &message, *size);
    } else {
      M* copy = static_cast<M*>(to);
      *copy = message;
      MessageTraits<M>::clear_padding(*copy);
    }
  }

  template <class M>
  RK_HD void put_copy(OutPort& port, OutEdge& e, uint32_t target, const M& message,
                      Emission& emission) {
    Offer outcome;
    Reason reason = Reason::None;
    MessageHeader* slot = offer_slot(b_, e, target, emission.priority, outcome, reason);
    if (RK_LIKELY(slot != nullptr)) {
      write(*slot, port, message, emission);
    } else if (reason == Reason::QueueFull && e.on_full == OnFull::Fail) {
      // All or nothing. Only a copy for a shared inbox may still find it full at the flush: another
      // sender came first, and the copy is a dead letter.
      set_failed(reason, nullptr);
    } else {
      if (emission.correlation_id != 0)
        out_.refused = reason == Reason::None ? Reason::QueueFull : reason;
      if (outcome == Offer::Failed) {
        MessageHeader header{};
        fill_header(b_, header, port.message_type, emission);
        if constexpr (is_same_type<M, Opaque>) {
          if (!bury_copy(b_, e, header, &message, port.payload_size, reason))
            set_failed(reason, nullptr);
        } else {
          M copy = message;
          MessageTraits<M>::clear_padding(copy);
          if (!bury_copy(b_, e, header, &copy, sizeof copy, reason)) set_failed(reason, nullptr);
        }
      }
    }
    emission.correlation_id = 0;  // the first copy carries the duty to answer
  }

  static constexpr MessageHeader kNoHeader{};

  Block& b_;
  Outcome& out_;
  const MessageHeader* in_;
  uint32_t rank_;
  // Not just a leader that emits on direct links: at the message's end there is more to do than to
  // count it, and the next emit goes the long way.
  bool more_;
  DeviceSide* device_ = nullptr;     // not null: the handler runs on a device
  DeviceRecord* reply_ = nullptr;    // on a device: the reply so far
  unsigned char* record_ = nullptr;  // not null: record instead of emitting
  unsigned char* record_end_ = nullptr;
  uint32_t key_entry_ = 0;
  static constexpr uint32_t kPorts = Ports::kCount > 0 ? Ports::kCount : 1;
  uint32_t emitted_[kPorts] = {};
  Next next_[kPorts] = {};
  uint64_t next_id_ = 0;  // 0: closed
  uint32_t calls_ = 0;
};

}  // namespace ringkernel
