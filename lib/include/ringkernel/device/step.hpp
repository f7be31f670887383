// A block's step, with the handler inlined: take what has arrived, run the handler on each message,
// flush what it emitted, give the slots back, count. The same code is the body of a CPU worker's
// turn and of a resident GPU kernel's loop.
#pragma once

#include "ringkernel/device/context.hpp"
#include "ringkernel/device/inbox.hpp"
#include "ringkernel/device/latency_runs.hpp"

namespace ringkernel {

template <class H>
class Step {
  using Ctx = typename traits::ContextOf<H>::Type;
  using State = typename traits::StateOf<H>::Type;
  using Accepted = typename traits::AcceptsOf<H>::Type;
  static constexpr bool kKeyed = traits::is_keyed<H>;
  static constexpr bool kHasStart = traits::has_start<H>;
  static constexpr bool kHasStop = traits::has_stop<H>;
  static constexpr bool kHasPoll = traits::has_poll<H>;

 public:
  RK_HD static StepResult run(Block* block, uint32_t budget) {
    Scratch scratch;
    return Step(*block, scratch).run(budget);
  }

 private:
  // What a step writes to and others may see; the step's own words may stay in registers.
  struct Scratch {
    Outcome outcome;
    LatencyRuns::Kept latencies;
  };

  RK_FAST Step(Block& block, Scratch& scratch)
      : b_(block), scratch_(scratch), inbox_(block), latencies_(block, scratch.latencies) {}

  // A call that is not inlined: a copy goes there, since a step whose address is known outside
  // would be stored and loaded for every message.
  template <class F>
  RK_FAST auto beside(F&& call) {
    Step copy(*this);
    if constexpr (is_same_type<decltype(call(copy)), void>) {
      call(copy);
      go_on_as(copy);
    } else {
      const auto result = call(copy);
      go_on_as(copy);
      return result;
    }
  }
  RK_FAST void go_on_as(const Step& other) {
    inbox_.go_on_as(other.inbox_);
    latencies_.go_on_as(other.latencies_);
    last_ = other.last_;
    current_ = other.current_;
    cycle_emitted_ = other.cycle_emitted_;
    announced_ = other.announced_;
    not_delivered_ = other.not_delivered_;
    not_handled_ = other.not_handled_;
    settled_ = other.settled_;
  }

  RK_FAST StepResult run(uint32_t budget) {
    b_.hlc = hlc_next(b_.now_us, b_.hlc, 0);
    end_waiting(b_);
    StepResult result;
    if (b_.staged && !flush(b_)) return {StepStatus::Blocked, 0};
    if (!b_.started) {
      if (!start(b_)) return {StepStatus::Blocked, 0};
    }
    while (result.handled < budget) {
      uint32_t here = 0;
      InRing* ring = next_ring(here);
      if (ring == nullptr) break;
      const uint32_t wanted = min_of(here, budget - result.handled);
      if (RK_UNLIKELY(wanted == 0)) continue;  // a sibling has taken what was there
      uint32_t n = inbox_.make_room(wanted);
      uint32_t credits = 0;
      if (n > 0 && b_.credits != nullptr && b_.cycle_max > 0 && !ring->in_cycle) {
        n = inbox_.take_credits(n);
        credits = n * b_.cycle_max;
        if (n == 0) {
          inbox_.starve();
          continue;
        }
      }
      if (n == 0) {
        finish_batch();
        result.status = StepStatus::Blocked;
        return result;
      }
      uint32_t handled = handle_batch(*ring, n, credits);
      result.handled += handled;
      inbox_.leave_if_empty(*ring);
      if (!finish_batch()) {
        result.status = StepStatus::Blocked;
        return result;
      }
    }
    if (result.handled > 0) count(&b_.counters->invocations, 1);
    if (inbox_.starved()) {
      result.status = StepStatus::Blocked;
      return result;
    }
    if (result.handled >= budget) {
      result.status = StepStatus::More;
      return result;
    }
    if constexpr (kHasPoll) {
      if (b_.polling && !b_.stopping) return poll(b_, budget, result);
    }
    if (b_.stopping && !b_.stopped && b_.pending == 0) {
      if (!stop(b_)) result.status = StepStatus::Blocked;
    }
    return result;
  }

  // A visit of every key goes on before anything else.
  RK_FAST InRing* next_ring(uint32_t& here) {
    if constexpr (kKeyed) {
      if (RK_UNLIKELY(b_.visiting)) {
        InRing& visited = b_.in[b_.visited_in];
        here = Inbox::ready(visited);
        return &visited;
      }
    }
    return inbox_.next(here);
  }

  // --- handling

  // Handles up to n messages of the ring; `credits` were taken for them. Fewer than n: a message
  // that visits every key paused for want of room.
  RK_FAST uint32_t handle_batch(InRing& r, uint32_t n, uint32_t credits) {
    current_ = &r;
    uint32_t done = 0;
    bool paused = false;
    if constexpr (traits::granularity_of<H>() == Granularity::Thread) {
      if (b_.threads > 1) {
        announce(r, n);
        while (done < n && !paused) {
          const uint32_t handled = beside([&](Step& s) RK_FAST_LAMBDA {
            return s.handle_on_threads(r, min_of(n - done, b_.threads), done);
          });
          paused = handled == 0;
          done += handled;
        }
        return end_batch(r, done, credits);
      }
    }
    Ctx ctx(b_, nullptr, scratch_.outcome);
    ctx.open(n);
    if (r.kind == RingKind::Spsc) {
      announce(r, n);
      const Ring ring = r.spsc.ring;
      MessageHeader* const end = ring.end();
      for (MessageHeader* h = r.spsc.front(); handle(r, *h, ctx, done); h = ring.next(h, end))
        if (++done == n) break;
      paused = done < n;
      r.spsc.pop(done);
    } else {
      if (r.taken == 0) r.taken = r.mpmc.take(n, r.taken_first);
      store_relaxed(&r.counters->taken, static_cast<uint64_t>(r.taken));
      n = min_of(n, r.taken);
      announce(r, n);
      while (done < n && !paused) {
        MessageHeader* h = r.mpmc.ring.slot(r.taken_first);
        if (handle(r, *h, ctx, done)) {
          r.mpmc.release(r.taken_first);
          ++r.taken_first;
          --r.taken;
          ++done;
        } else {
          paused = true;
        }
      }
    }
    ctx.close();
    return end_batch(r, done, credits);
  }

  // The batch counts as delivered while it is in hand; what then is refused, or was delivered in an
  // earlier step, is taken off at its end.
  RK_FAST void announce(InRing& r, uint32_t n) {
    count(&r.counters->delivered, n);
    announced_ = n;
    b_.looked = false;
  }

  RK_FAST uint32_t end_batch(InRing& r, uint32_t done, uint32_t credits) {
    b_.in_hand = nullptr;
    const uint64_t handled = done - not_handled_;
    const uint64_t delivered = delivered_of(done);
    latencies_.end_batch(delivered);
    if (delivered != announced_) count(&r.counters->delivered, delivered - announced_);
    count(&b_.counters->handled, handled);
    b_.finished += handled;
    announced_ = not_delivered_ = 0;
    not_handled_ = 0;
    if (r.kind == RingKind::Mpmc) inbox_.note_taken(r);
    if (credits > 0 || r.in_cycle) {
      // A message from inside brought one credit; one from outside, cycle_max. What it put on the
      // cycle keeps one each.
      uint64_t held = credits > 0 ? credits : done;
      b_.credits_back += held > cycle_emitted_ ? held - cycle_emitted_ : 0;
      cycle_emitted_ = 0;
    }
    last_ = &r;
    return done;
  }

  // One message, before which `done` are. False: it paused in the middle of visiting the keys.
  RK_FAST bool handle(InRing& r, MessageHeader& h, Ctx& ctx, uint32_t done) {
    b_.in_hand = &h;
    uint32_t index = r.accept != InRing::kByType ? r.accept : accept_index(h.message_type);
    if (!kKeyed || !b_.visiting) {
      if (RK_UNLIKELY(h.deadline != 0 && h.deadline < b_.now_us)) {
        beside([&](Step& s) RK_FAST_LAMBDA { s.refuse(r, h, index, Reason::DeadlinePassed); });
        return true;
      }
      deliver(h, done);
    } else {
      ++not_delivered_;  // it was, before it paused
    }
    const void* payload = payload_of(&h);
    ctx.begin(&h);
    if constexpr (kKeyed) {
      const KeySpec& spec = b_.accept_keys[index];
      if (RK_UNLIKELY(spec.size == 0)) {
        ctx.close();
        const bool visited =
            beside([&](Step& s) RK_FAST_LAMBDA { return s.visit_keys(h, index, payload); });
        if (!visited) {
          --not_delivered_;
          return false;
        }
        ctx.reopen();
      } else {
        Key key;
        read_key(spec, payload, key);
        ctx.key_entry_ = b_.keys.find_or_insert(key);
        if (RK_UNLIKELY(ctx.key_entry_ == KeyTable::kNone))
          ctx.fail_for(Reason::KeysFull, nullptr);
        else
          call(ctx, index, *static_cast<State*>(b_.keys.state(ctx.key_entry_)), payload);
        commit(ctx, h, index, payload);
      }
    } else {
      call(ctx, index, *static_cast<State*>(b_.state), payload);
      commit(ctx, h, index, payload);
    }
    if (RK_UNLIKELY(b_.profile != 0))
      beside([&](Step& s) RK_FAST_LAMBDA { s.profile(h, done + 1); });
    return true;
  }

  RK_BESIDE void profile(const MessageHeader& h, uint32_t done) {
    if ((b_.profile & kProfileLatency) != 0) {
      latencies_.end(delivered_of(done));
      latencies_.record();
    }
    tell_handled(h);
  }
  RK_HD void tell_handled(const MessageHeader& h) {
    if ((b_.profile & kProfileHandled) != 0 && b_.host->handled != nullptr)
      b_.host->handled(b_.host->context, &h);
  }

  // The message goes to the handler now.
  RK_FAST void deliver(const MessageHeader& h, uint32_t done) {
    if (RK_UNLIKELY(latencies_.stamp() != h.hlc)) latencies_.begin(h.hlc, delivered_of(done));
  }
  // How many messages of the batch have been delivered in this step, when `done` of them are done.
  RK_FAST uint64_t delivered_of(uint32_t done) const { return done - not_delivered_; }

  // Up to one message per thread: each thread handles its own, equal keys take turns in the order
  // of the messages, and what the threads ask for happens in that order too. 0: none was ready
  // after all, or a message paused in the middle of visiting the keys.
  RK_BESIDE uint32_t handle_on_threads(InRing& r, uint32_t n, uint32_t done) {
    constexpr uint32_t kMost = 1024;
    struct Slot {
      MessageHeader* header;
      uint32_t index;
      uint32_t entry;  // of the key; rank where there is none
      uint32_t round;
      uint32_t recorded;
      Reason reason;
    };
    n = min_of(n, kMost);
    Slot slots[kMost];
    uint32_t taken = 0;
    uint32_t rounds = 0;
    if (r.kind == RingKind::Mpmc && r.taken == 0) r.taken = r.mpmc.take(n, r.taken_first);
    // Of the messages that the ring's depth has promised, others may have taken some.
    uint32_t here = r.kind == RingKind::Spsc ? n : min_of(n, r.taken);
    if (here == 0) return 0;
    for (uint32_t i = 0; i < here; ++i) {
      MessageHeader* h = r.kind == RingKind::Spsc ? r.spsc.ring.slot(r.spsc.head + i)
                                                  : r.mpmc.ring.slot(r.taken_first + i);
      uint32_t index = r.accept != InRing::kByType ? r.accept : accept_index(h->message_type);
      bool alone = (h->deadline != 0 && h->deadline < b_.now_us) ||
                   (kKeyed && b_.accept_keys[index].size == 0) || b_.visiting;
      if (alone) break;
      Slot& slot = slots[taken];
      slot = {h, index, i, 0, 0, Reason::None};
      if constexpr (kKeyed) {
        Key key;
        read_key(b_.accept_keys[index], payload_of(h), key);
        slot.entry = b_.keys.find_or_insert(key);
        if (slot.entry == KeyTable::kNone) slot.reason = Reason::KeysFull;
        for (uint32_t j = 0; j < taken; ++j)
          if (slots[j].entry == slot.entry) slot.round = max_of(slot.round, slots[j].round + 1);
      }
      rounds = max_of(rounds, slot.round + 1);
      deliver(*h, done + taken);
      ++taken;
    }
    if (taken == 0) {  // a message that needs the whole block
      MessageHeader* h =
          r.kind == RingKind::Spsc ? r.spsc.front() : r.mpmc.ring.slot(r.taken_first);
      Ctx ctx(b_, nullptr, scratch_.outcome);
      const bool handled = handle(r, *h, ctx, done);
      if (!handled) return 0;
      pop(r, 1);
      return 1;
    }
    b_.in_hand = slots[0].header;
    struct Failure {
      Reason reason;
      char detail[104];
    };
    struct Shared {
      Step* step;
      Slot* slots;
      Failure* failures;
      uint32_t n;
      uint32_t round;
    };
    Failure failures[kMost];
    Shared shared{this, slots, failures, taken, 0};
    for (; shared.round < rounds; ++shared.round) {
      b_.host->run_team(
          &b_,
          [](void* argument, uint32_t rank) {
            Shared& s = *static_cast<Shared*>(argument);
            if (rank >= s.n || s.slots[rank].round != s.round) return;
            s.step->handle_alone(s.slots[rank].header, s.slots[rank].index, s.slots[rank].entry,
                                 rank, s.slots[rank].reason, s.slots[rank].recorded,
                                 s.failures[rank].reason, s.failures[rank].detail);
          },
          &shared);
    }
    for (uint32_t i = 0; i < taken; ++i) {
      Slot& slot = slots[i];
      Ctx ctx(b_, slot.header, scratch_.outcome);
      ctx.key_entry_ = slot.entry;
      if (failures[i].reason != Reason::None) {
        ctx.set_failed(failures[i].reason, failures[i].detail);
      } else {
        const unsigned char* from = b_.records + static_cast<uint64_t>(i) * b_.record_bytes;
        ctx.replay(from, from + slot.recorded);
      }
      commit(ctx, *slot.header, slot.index, payload_of(slot.header));
      if (RK_UNLIKELY(b_.profile != 0)) tell_handled(*slot.header);
    }
    pop(r, taken);
    return taken;
  }

  // Runs on one of the block's threads: touches nothing of the block but its records and State.
  RK_HD void handle_alone(MessageHeader* h, uint32_t index, uint32_t entry, uint32_t rank,
                          Reason reason, uint32_t& recorded, Reason& failed, char* detail) {
    Outcome outcome;
    Ctx ctx(b_, h, outcome, rank);
    ctx.key_entry_ = entry;
    unsigned char* records = b_.records + static_cast<uint64_t>(rank) * b_.record_bytes;
    ctx.record_ = records;
    ctx.more_ = true;
    ctx.record_end_ = records + b_.record_bytes;
    if (reason != Reason::None)
      ctx.set_failed(reason, nullptr);
    else if constexpr (kKeyed)
      call(ctx, index, *static_cast<State*>(b_.keys.state(entry)), payload_of(h));
    else
      call(ctx, index, *static_cast<State*>(b_.state), payload_of(h));
    recorded = static_cast<uint32_t>(ctx.record_ - records);
    failed = ctx.out_.fails;
    copy_bytes(detail, ctx.out_.detail, sizeof ctx.out_.detail);
  }

  RK_HD void pop(InRing& r, uint32_t n) {
    if (r.kind == RingKind::Spsc) return r.spsc.pop(n);
    for (uint32_t i = 0; i < n; ++i) {
      r.mpmc.release(r.taken_first++);
      --r.taken;
    }
  }

  // A message without a key: once per key present, in the order in which they came. The first
  // failure fails the message; keys before it keep what they did.
  RK_BESIDE bool visit_keys(MessageHeader& h, uint32_t index, const void* payload) {
    if (!b_.visiting) {
      b_.visiting = true;
      b_.visited_in = static_cast<uint32_t>(current_ - b_.in);  // a keyed kernel steals nothing
      b_.key_cursor = 0;
    }
    bool failed = false;
    for (; b_.key_cursor < b_.keys.count && !failed; ++b_.key_cursor) {
      if (inbox_.make_room(1) == 0) return false;
      Ctx ctx(b_, &h, scratch_.outcome);
      ctx.key_entry_ = b_.key_cursor;
      call(ctx, index, *static_cast<State*>(b_.keys.state(b_.key_cursor)), payload);
      failed = ctx.failed();
      if (failed)
        commit(ctx, h, index, payload);
      else
        keep(ctx, h);
    }
    if (!failed && h.correlation_id != 0) settle(h);
    b_.visiting = false;
    return true;
  }

  RK_FAST uint32_t accept_index(uint16_t type) const {
    for (uint32_t i = 0; i < b_.accept_count; ++i)
      if (b_.accept_types[i] == type) return i;
    return 0;  // edges are type-checked
  }

  RK_FAST void call(Ctx& ctx, uint32_t index, State& state, const void* payload) {
    traits::with_type(index, Accepted{}, [&]<class M>(traits::Type<M>) RK_FAST_LAMBDA {
      call_one<M>(ctx, state, payload);
    });
  }
  template <class M>
  RK_FAST void call_one(Ctx& ctx, State& state, const void* payload) {
    const M& message = *static_cast<const M*>(payload);
    guarded(ctx, [&](Ctx& c) {
      if constexpr (requires { H::on_message(c, state, message); })
        H::on_message(c, state, message);
      else
        H::on_message(c, message);
    });
  }

  // Runs the body on every thread of the block where the handler is collective, and turns what it
  // throws into a failed message.
  template <class F>
  RK_FAST void guarded(Ctx& ctx, F&& body) {
    if constexpr (Ctx::collective()) {
      if (b_.threads > 1) return guarded_team(b_, ctx, body);
    }
    ctx.guarded(body);
  }

  template <class F>
  RK_BESIDE static void guarded_team(Block& b, Ctx& ctx, F& body) {
    struct Job {
      Ctx* leader;
      F* body;
      uint32_t failed_rank;
    } job{&ctx, &body, 0};
    b.host->run_team(
        &b,
        [](void* argument, uint32_t rank) {
          Job& j = *static_cast<Job*>(argument);
          if (rank == 0) return j.leader->guarded(*j.body);
          Outcome outcome;
          Ctx mine(j.leader->b_, j.leader->in_, outcome, rank);
          mine.key_entry_ = j.leader->key_entry_;
          mine.guarded(*j.body);
          // The leader's context belongs to the leader; a follower's failure is told through a
          // word.
          if (mine.failed()) store_release(&j.failed_rank, rank);
        },
        &job);
    if (load_acquire(&job.failed_rank) != 0 && !ctx.failed())
      ctx.set_failed(Reason::Threw, "a thread of the block threw");
  }

  // --- the end of a message

  RK_FAST void commit(Ctx& ctx, MessageHeader& h, uint32_t index, const void* payload) {
    if (RK_UNLIKELY(ctx.more_)) {
      const bool failed = ctx.failed();
      ctx.beside([&](Ctx& c) RK_FAST_LAMBDA {
        beside([&](Step& s)
                   RK_FAST_LAMBDA { failed ? s.bury(c, h, index, payload) : s.keep(c, h); });
      });
      ctx.reopen();
      if (failed) return;
    }
    if (RK_UNLIKELY(h.correlation_id != 0)) beside([&](Step& s) RK_FAST_LAMBDA { s.settle(h); });
  }

  // A message that failed: what it did is taken back.
  RK_BESIDE void bury(Ctx& ctx, MessageHeader& h, uint32_t index, const void* payload) {
    ctx.take_back();
    tell_failure(ctx);
    append_dead_letter(b_, h, payload, accept_size(index), current_->edge, ctx.out_.fails,
                       ctx.out_.detail);
    complete_request(b_, h, Completion::Failed, ctx.out_.fails, ctx.out_.detail);
    count(&b_.counters->failed, 1);
    ++b_.finished;
    ++not_handled_;
    settled_ = false;
    ctx.forget();
  }

  RK_HD void tell_failure(const Ctx& ctx) {
    if (b_.host->failed != nullptr)
      b_.host->failed(b_.host->context, &b_, ctx.out_.fails, ctx.out_.detail);
  }

  // What the call emitted stays.
  RK_BESIDE void keep(Ctx& ctx, const MessageHeader& h) {
    b_.undo_count = 0;
    cycle_emitted_ += b_.cycle_emitted;
    b_.cycle_emitted = 0;
    if (ctx.out_.unasked > 0) count(&b_.counters->unasked, ctx.out_.unasked);
    if (h.correlation_id != 0) answer(ctx, h);
    ctx.forget();
  }

  // The message was a request: what the handler has done for it so far.
  RK_HD void answer(const Ctx& ctx, const MessageHeader& h) {
    if (ctx.out_.replied) {
      using R = typename traits::ReplyOf<H>::Type;
      uint32_t size =
          is_same_type<R, Opaque> ? b_.accept_sizes[0] : static_cast<uint32_t>(sizeof(R));
      uint16_t type = b_.ports[Ctx::Ports::kCount].message_type;
      if (!complete_request(b_, h, Completion::Reply, Reason::None, nullptr, type, b_.reply_buffer,
                            size)) {
        MessageHeader late = h;
        late.message_type = type;
        append_dead_letter(b_, late, b_.reply_buffer, size, kNoEdge, Reason::LateReply, nullptr);
      }
      settled_ = true;
    } else if (ctx.out_.forwarded) {
      if (ctx.out_.refused != Reason::None)
        complete_request(b_, h, Completion::Failed, ctx.out_.refused, nullptr);
      settled_ = true;
    }
  }

  // The message was a request, and is done.
  RK_BESIDE void settle(MessageHeader& h) {
    if (!settled_) complete_request(b_, h, Completion::NoReply, Reason::None, nullptr);
    settled_ = false;
  }

  // Refuses a message before it is delivered.
  RK_BESIDE void refuse(InRing& r, MessageHeader& h, uint32_t index, Reason reason) {
    append_dead_letter(b_, h, payload_of(&h), accept_size(index), r.edge, reason, nullptr);
    complete_request(b_, h, Completion::Failed, reason, nullptr);
    count(&r.counters->failed, 1);
    ++b_.finished;
    ++not_handled_;
    ++not_delivered_;
  }

  RK_HD uint32_t accept_size(uint32_t index) const {
    if constexpr (is_same_type<Accepted, Accepts<Opaque>>)
      return b_.accept_sizes[index];
    else
      return traits::size_of_type(index, Accepted{});
  }

  // Flushes, then gives the slots of the last batch back: children are visible before their parent
  // is finished. False: a waiting edge is full.
  RK_FAST bool finish_batch() {
    bool flushed = flush(b_);
    if (last_ != nullptr) {
      if (last_->kind == RingKind::Spsc) last_->spsc.release();
      inbox_.wake_senders(*last_);
      last_ = nullptr;
      latencies_.record();
    }
    return_credits(b_);
    return flushed;
  }

  // --- on_start, on_poll, on_stop

  RK_BESIDE void bury_hook(Ctx& ctx) {
    ctx.take_back();
    tell_failure(ctx);
    MessageHeader header{};
    header.hlc = b_.hlc;
    append_dead_letter(b_, header, nullptr, 0, kNoEdge, ctx.out_.fails, ctx.out_.detail);
    count(&b_.counters->failed_hooks, 1);
    ctx.forget();
  }

  // Calls one of the three; what it emits is kept, a failure becomes a dead letter without payload.
  template <class F>
  RK_FAST bool call_hook(Ctx& ctx, uint32_t key_entry, F&& body) {
    uint32_t credits = 0;
    if (b_.credits != nullptr && b_.cycle_max > 0) {
      if (inbox_.take_credits(1) == 0) return false;
      credits = b_.cycle_max;
    }
    ctx.begin(nullptr);
    ctx.key_entry_ = key_entry;
    b_.looked = false;
    guarded(ctx, body);
    if (RK_UNLIKELY(ctx.more_)) {
      const bool failed = ctx.failed();
      ctx.beside([&](Ctx& c) RK_FAST_LAMBDA {
        beside([&](Step& s)
                   RK_FAST_LAMBDA { failed ? s.bury_hook(c) : s.keep(c, Ctx::kNoHeader); });
      });
      ctx.reopen();
    }
    if (credits > 0) {
      b_.credits_back += credits > cycle_emitted_ ? credits - cycle_emitted_ : 0;
      cycle_emitted_ = 0;
    }
    return true;
  }

  RK_BESIDE static bool start(Block& block) {
    Scratch scratch;
    return Step(block, scratch).start();
  }
  RK_FAST bool start() {
    if constexpr (kHasStart) {
      if (inbox_.make_room(1) == 0) return false;
      Ctx ctx(b_, nullptr, scratch_.outcome);
      bool called = call_hook(ctx, 0, [&](Ctx& c) {
        if constexpr (requires(State & s) { H::on_start(c, s); })
          H::on_start(c, *static_cast<State*>(b_.state));
        else
          H::on_start(c);
      });
      if (!called) return false;
    }
    b_.started = true;
    b_.polling = kHasPoll;
    return finish_batch();
  }

  RK_BESIDE static StepResult poll(Block& block, uint32_t budget, StepResult result) {
    Scratch scratch;
    return Step(block, scratch).poll(budget, result);
  }
  RK_FAST StepResult poll(uint32_t budget, StepResult result) {
    Ctx ctx(b_, nullptr, scratch_.outcome);
    while (result.handled < budget && b_.polling) {
      const uint32_t room = inbox_.make_room(budget - result.handled);
      bool called = room > 0;
      bool more = true;
      ctx.open(room);
      for (uint32_t calls = 0; more && calls < room; ++calls) {
        more = false;
        called = call_hook(ctx, 0, [&](Ctx& c) {
          if constexpr (requires(State & s) { H::on_poll(c, s); })
            more = H::on_poll(c, *static_cast<State*>(b_.state));
          else
            more = H::on_poll(c);
        });
        if (!called) break;
        ++result.handled;
      }
      ctx.close();
      b_.polling = more || !called;
      const bool flushed = finish_batch();
      b_.now_us = b_.host->now_us(b_.host->context);
      // Only now: who reads it must find what the last call emitted among the created.
      if (!b_.polling) store_release(&b_.counters->polls_left, uint64_t{0});
      if (!flushed || !called) {
        result.status = StepStatus::Blocked;
        return result;
      }
    }
    result.status = b_.polling ? StepStatus::More : StepStatus::Idle;
    return result;
  }

  RK_BESIDE static bool stop(Block& block) {
    Scratch scratch;
    return Step(block, scratch).stop();
  }
  RK_FAST bool stop() {
    if constexpr (kHasStop) {
      uint32_t calls = kKeyed ? b_.keys.count : 1;
      Ctx ctx(b_, nullptr, scratch_.outcome);
      for (; b_.key_cursor < calls; ++b_.key_cursor) {
        bool called = inbox_.make_room(1) > 0 && call_hook(ctx, b_.key_cursor, [&](Ctx& c) {
                        if constexpr (requires(State & s) { H::on_stop(c, s); })
                          H::on_stop(c, kKeyed ? *static_cast<State*>(b_.keys.state(b_.key_cursor))
                                               : *static_cast<State*>(b_.state));
                        else
                          H::on_stop(c);
                      });
        if (!called) {
          finish_batch();
          return false;
        }
      }
    }
    if (!finish_batch()) return false;
    b_.stopped = true;
    return true;
  }

  Block& b_;
  Scratch& scratch_;
  Inbox inbox_;
  LatencyRuns latencies_;
  InRing* last_ = nullptr;     // its slots are to be given back
  InRing* current_ = nullptr;  // being handled
  uint64_t cycle_emitted_ = 0;
  uint64_t announced_ = 0;      // of the batch in hand, as the two that follow
  uint64_t not_delivered_ = 0;  // refused, or delivered in an earlier step; less one that pauses
  uint32_t not_handled_ = 0;    // refused or failed
  bool settled_ = false;
};

}  // namespace ringkernel
