// A kernel that stays on a device: each block polls its ring from the host, runs the handler on
// what has come, and sends back, in one stream of records, what the handler asked for and which
// messages are finished. The host's pump does everything else that a step does: routing, policies,
// requests, dead letters, counters. So only plain loads and stores cross the bus, one writer a
// line. What one kernel of the device sends another goes past the host, see k2k.hpp.
//
// Started per batch instead (event-driven), the same code leaves when nothing waits or the batch is
// full.
#pragma once

#include "ringkernel/device/context.hpp"
#include "ringkernel/device/resident_link.hpp"

namespace ringkernel {

template <class H>
class Resident : private ResidentLink {
  using Ctx = typename traits::ContextOf<H>::Type;
  using State = typename traits::StateOf<H>::Type;
  using Accepted = typename traits::AcceptsOf<H>::Type;
  static constexpr bool kKeyed = traits::is_keyed<H>;
  static constexpr Granularity kGranularity = traits::granularity_of<H>();
  static constexpr bool kCollective =
      kGranularity == Granularity::Block || kGranularity == Granularity::Grid;
  static constexpr bool kHasStart = traits::has_start<H>;
  static constexpr bool kHasStop = traits::has_stop<H>;
  static constexpr bool kHasPoll = traits::has_poll<H>;
  static constexpr uint32_t kArea = records_per_call(Ctx::Ports::kTotalMax);
  static constexpr uint32_t kPolls = 32;  // calls of on_poll between two looks at the ring
  static constexpr uint32_t kLate = KeyTable::kNone - 1;  // in place of a key's entry

 public:
  // Every thread of every block calls this.
  RK_HD static void run(ResidentFrame* frames, const DeviceThread& thread) {
    Resident(frames, thread).run();
  }

 private:
  RK_HD Resident(ResidentFrame* frames, const DeviceThread& thread)
      : ResidentLink(frames, thread, Shape{kGranularity, kHasStart, kArea}) {}

  RK_HD void run() {
    zero_shared();
    meet_cluster();
    if (leader()) {
      b_.threads = side_.thread.size() * (side_.grid != nullptr ? side_.thread.blocks() : 1);
      come_alive();
      read_control();
    }
    side_.thread.sync();
    uint32_t pause = 32;
    uint32_t waiting = 0;  // messages from the device's kernels
    RK_ROLLED for (uint32_t looks = 0;; ++looks) {
      const uint32_t n = waiting > 0 ? waiting : ready();
      if (n > 0) {
        if (leads_) stage(n, waiting > 0);
        meet();
      }
      // The host's words are on the other side of the bus, so they are looked at now and then.
      if (leader()) {
        b_.now_us = wall_us();
        b_.hlc = hlc_next(b_.now_us, b_.hlc, 0);
        if (looks % (n == 0 ? kIdleLooksPerControl : 64) == 0 || (kHasStart && !b_.started))
          read_control();
      }
      bool worked = n > 0;
      if (n > 0) {
        if constexpr (kHasStart) start_first();
        handle(n);
      }
      if (n == 0 || kHasPoll) worked = hooks(n == 0) || worked;
      if (worked) {
        pause = 32;
      } else {
        if (leader()) count_idle_look();
        if (first()) side_.thread.pause(pause);
        if (pause < f_.idle_ns) pause *= 2;
      }
      if (leader() && worked) spent_ += n > 0 ? n : kPolls;
      if (leader()) waiting = choose(looks, worked);
      waiting = agree(waiting);
      if (waiting == kLeave) return meet_cluster();
    }
  }

  // Messages from the host. A message from the device that visits the keys goes on before them.
  RK_HD uint32_t ready() {
    if (leads_) count_ready();
    const bool looks = leader() && !(b_.visiting && f_.from_k2k != 0);
    return agree(looks ? room_for_batch(within_batch(s_.total)) : 0);
  }
  // next_batch(), as many of it as there is room for.
  RK_HD uint32_t choose(uint32_t looks, bool worked) {
    const bool wired = f_.k2k.in_count != 0;
    if (wired && (!worked || looks % 4096 == 0)) tell_latency();
    const uint32_t n = next_batch(worked);
    return wired && n != kLeave ? claim(room_for_batch(n)) : n;
  }

  // All threads that handle messages together.
  RK_HD void meet() const {
    if constexpr (kGranularity == Granularity::Grid)
      side_.sync();
    else
      side_.thread.sync();
  }

  // --- handling

  // Handles a batch and sends what became of it.
  RK_HD void handle(uint32_t n) {
    uint32_t done = 0;
    calls_ = 0;
    if (first()) s_.told = s_.refused = 0;
    side_.thread.sync();
    if (f_.refuses != 0) {
      done = n;
      if (leader()) refuse(n);
      meet();
    } else if constexpr (kGranularity == Granularity::Thread) {
      done = handle_on_threads(n);
    } else if constexpr (kCollective) {
      n = batch_of_calls(n);
      side_.outbox.used = 0;
      RK_ROLLED while (done < n && handle_one(done))++ done;
    } else {
      if (first()) {
        n = batch_of_calls(n);
        side_.outbox.used = 0;
        RK_ROLLED while (done < n && handle_one(done))++ done;
        if (side_.job != nullptr) side_.dismiss();
        s_.total = side_.outbox.used;
        s_.more = done;
      } else {
        side_.help();
      }
      side_.thread.sync();
      done = s_.more;
    }
    if constexpr (kCollective) {
      if (leader()) s_.total = side_.outbox.used;
      meet();
    }
    if (leads_) {
      if (kGranularity != Granularity::Thread || f_.refuses != 0) order_as_they_are();
      if (leader() && f_.from_k2k == 0) f_.in_head += done;
      send(done);
      if (leader()) store_relaxed<Scope::System>(&f_.control->in_hand, uint64_t{0});
    }
    meet();
  }

  // A message that visits every key is a batch of its own: its calls need all the room.
  RK_HD uint32_t batch_of_calls(uint32_t n) const {
    if constexpr (kKeyed) {
      if (some_type_has_no_key())
        RK_ROLLED for (uint32_t i = 0; i < n; ++i) if (visits_keys(i)) return max_of(i, 1U);
    }
    return n;
  }
  RK_HD bool visits_keys(uint32_t i) const {
    return b_.accept_keys[accept_index(staged(i))].size == 0;
  }

  RK_HD Ctx make_context(const MessageHeader* header, uint32_t position) {
    Ctx ctx(b_, header, outcome_, rank_);
    ctx.device_ = &side_;
    ctx.more_ = true;
    side_.outbox.position = position;
    side_.outbox.logs = kLogRecords;
    side_.outbox.flags = header == nullptr ? kRecordHook : f_.from_k2k != 0 ? kRecordK2k : 0;
    ++calls_;
    return ctx;
  }

  RK_HD void call(Ctx& ctx, uint32_t index, State& state, const void* payload) {
    traits::with_type(index, Accepted{},
                      [&]<class M>(traits::Type<M>) { call_one<M>(ctx, state, payload); });
  }
  template <class M>
  RK_HD void call_one(Ctx& ctx, State& state, const void* payload) {
    const M& message = *static_cast<const M*>(payload);
    ctx.guarded([&](Ctx& c) {
      if constexpr (requires { H::on_message(c, state, message); })
        H::on_message(c, state, message);
      else
        H::on_message(c, message);
    });
  }

  // What the call emitted stays, or is taken back.
  RK_HD bool end_call(Ctx& ctx, uint32_t from) {
    if (!ctx.failed()) return true;
    if (ctx.leads()) fail_call(from, outcome_.fails, outcome_.detail);
    return false;
  }

  // One message, by one thread or by all. False: it paused in the middle of visiting the keys.
  RK_HD bool handle_one(uint32_t i) {
    const MessageHeader& h = staged(i);
    const uint32_t index = accept_index(h);
    const uint32_t position = f_.base + i;
    const uint32_t begin = side_.outbox.used;
    if (RK_UNLIKELY(h.deadline != 0) && !b_.visiting && agree_on_call(is_late(h))) {
      if (!kCollective || leader()) refuse_late(h, index, position);
      if constexpr (kCollective) meet();
      return true;
    }
    begin_message();
    if constexpr (kKeyed) {
      const KeySpec& spec = b_.accept_keys[index];
      if (spec.size == 0) {
        const bool over = visit_keys(h, index, position);
        end_visit(h, index, begin, over);
        return over;
      }
      Ctx ctx = make_context(&h, position);
      const uint32_t from = side_.outbox.used;
      ctx.key_entry_ = key_of(index, h);
      if (ctx.key_entry_ == KeyTable::kNone)
        ctx.set_failed(Reason::KeysFull, nullptr);
      else
        call(ctx, index, *static_cast<State*>(b_.keys.state(ctx.key_entry_)), payload_of(&h));
      end_call(ctx, from);
    } else {
      Ctx ctx = make_context(&h, position);
      const uint32_t from = side_.outbox.used;
      call(ctx, index, *static_cast<State*>(b_.state), payload_of(&h));
      end_call(ctx, from);
    }
    end_message(h, index, begin, false);
    if constexpr (kCollective) meet();
    return true;
  }

  // The host hears of a message that visits the keys in any case; of one that pauses again when it
  // goes on.
  RK_HD void end_visit(const MessageHeader& h, uint32_t index, uint32_t begin, bool over) {
    if (over) return end_message(h, index, begin, true);
    if (f_.from_k2k != 0 && (!kCollective || leader())) tell(h, index, begin);
  }

  RK_HD uint32_t key_of(uint32_t index, const MessageHeader& h) {
    if constexpr (!kCollective) return find_key(index, h, true);
    if (leader()) b_.key_cursor = find_key(index, h, true);
    meet();
    return load_acquire(&b_.key_cursor);
  }

  // A message without a key: once per key present. Every call may need its records, so it pauses
  // when the host has no more room, and goes on with the next batch.
  RK_HD bool visit_keys(const MessageHeader& h, uint32_t index, uint32_t position) {
    if constexpr (kKeyed) {
      uint32_t at = b_.visiting ? b_.key_cursor : 0;
      bool failed = false;
      RK_ROLLED while (!failed && at < b_.keys.count && agree_on_call(room_for_call(0))) {
        Ctx ctx = make_context(&h, position);
        ctx.key_entry_ = at;
        const uint32_t from = side_.outbox.used;
        call(ctx, index, *static_cast<State*>(b_.keys.state(at)), payload_of(&h));
        failed = agree_on_call(!end_call(ctx, from));
        if (!failed && ctx.leads()) note(RecordKind::Kept, 0);
        ++at;
      }
      const bool paused = at < b_.keys.count && !failed;
      if constexpr (kCollective) meet();
      if (leader()) {
        b_.visiting = paused;
        b_.key_cursor = at;
      }
      if constexpr (kCollective) meet();
      return !paused;
    }
    return true;
  }

  // Each thread its own message. Equal keys take turns in the order of the messages, and what the
  // threads ask for is sent in that order too.
  RK_HD uint32_t handle_on_threads(uint32_t n) {
    if (first()) {
      s_.total = 0;
      n = batch_of_keyed(n);
    }
    n = agree(n);
    if (n == 0) {  // a message that visits every key: for one thread
      if (first()) {
        DeviceOutbox& out = side_.outbox;
        out.used = 0;
        s_.more = handle_one(0) ? 1 : 0;
        s_.total = out.used;
      }
      side_.thread.sync();
      if (side_.thread.rank() == 0)
        RK_ROLLED for (uint32_t i = 0; i < s_.total; ++i) order()[i] = i;
      side_.thread.sync();
      return s_.more;
    }
    uint32_t* entries = words_;
    const uint32_t me = side_.thread.rank();
    uint32_t index = 0;
    uint32_t mine = KeyTable::kNone;
    const bool late = me < n && is_late(staged(me));
    if (late) {
      entries[me] = kLate;
    } else if (me < n) {
      index = accept_index(staged(me));
      if constexpr (kKeyed) {
        mine = find_key(index, staged(me), false);
        entries[me] = mine;
        if (mine == KeyTable::kNone) store_relaxed(&s_.more, 1U);
      }
    }
    side_.thread.sync();
    if constexpr (kKeyed) {
      if (first() && s_.more != 0) {
        RK_ROLLED for (uint32_t i = 0; i < n; ++i) {
          if (entries[i] == KeyTable::kNone)
            entries[i] = find_key(accept_index(staged(i)), staged(i), true);
        }
      }
      side_.thread.sync();
    }
    uint32_t round = 0;
    if (me < n && kKeyed) {
      mine = entries[me];
      if (mine != KeyTable::kNone && mine != kLate)
        RK_ROLLED for (uint32_t i = 0; i < me; ++i) round += entries[i] == mine ? 1U : 0U;
    }
    side_.outbox.used = 0;
    RK_ROLLED for (uint32_t now = 0;; ++now) {
      if (late && now == 0)
        refuse_late(staged(me), accept_index(staged(me)), f_.base + me);
      else if (me < n && round == now)
        handle_alone(me, index, mine);
      side_.thread.sync();
      if (first()) s_.more = 0;
      side_.thread.sync();
      if (me < n && round > now) store_relaxed(&s_.more, 1U);
      side_.thread.sync();
      if (load_relaxed(&s_.more) == 0) break;
    }
    order_by_thread(me < n ? side_.outbox.used : 0);
    return n;
  }

  // How many messages of the batch, from the first on, have a key (or need none).
  RK_HD uint32_t batch_of_keyed(uint32_t n) {
    s_.more = 0;
    n = min_of(n, side_.thread.size());
    if constexpr (kKeyed) {
      if (b_.visiting) return 0;
      if (!some_type_has_no_key()) return n;
      RK_ROLLED for (uint32_t i = 0; i < n; ++i) if (visits_keys(i)) return i;
    }
    return n;
  }
  RK_HD void handle_alone(uint32_t i, uint32_t index, [[maybe_unused]] uint32_t entry) {
    const MessageHeader& h = staged(i);
    begin_message();
    Ctx ctx = make_context(&h, f_.base + i);
    const uint32_t from = side_.outbox.used;
    if constexpr (kKeyed) {
      ctx.key_entry_ = entry;
      if (entry == KeyTable::kNone)
        ctx.set_failed(Reason::KeysFull, nullptr);
      else
        call(ctx, index, *static_cast<State*>(b_.keys.state(entry)), payload_of(&h));
    } else {
      call(ctx, index, *static_cast<State*>(b_.state), payload_of(&h));
    }
    end_call(ctx, from);
    end_message(h, index, 0, false);
  }

  // --- on_start, on_poll, on_stop

  enum class Hook : uint32_t { None, Start, Poll, Stop };

  // The leader alone says which: it is the one that changes what the answer depends on.
  RK_HD Hook next_hook(bool idle) {
    if (!leader() || room_for(0, 1, 1) == 0) return Hook::None;
    if (!b_.started) return (desired_ & kDesireRun) != 0 ? Hook::Start : Hook::None;
    if (b_.polling && (desired_ & kDesirePoll) != 0) return Hook::Poll;
    return idle && (desired_ & kDesireStop) != 0 && !b_.stopped ? Hook::Stop : Hook::None;
  }

  // True: something was called.
  RK_HD bool hooks(bool idle) {
    if constexpr (!kHasStart && !kHasStop && !kHasPoll) return false;
    const auto hook = static_cast<Hook>(agree(static_cast<uint32_t>(next_hook(idle))));
    if (hook == Hook::None) return false;
    begin_hooks();
    if (hook == Hook::Start) start();
    if (hook == Hook::Poll) poll();
    if (hook == Hook::Stop) stop();
    end_hooks();
    return true;
  }
  // on_start has run before the first message is handled.
  RK_HD void start_first() {
    if (agree(leader() && !b_.started && (desired_ & kDesireRun) != 0 ? 1 : 0) == 0) return;
    begin_hooks();
    start();
    end_hooks();
  }
  RK_HD void begin_hooks() {
    side_.outbox.used = 0;
    calls_ = 0;
  }
  RK_HD void end_hooks() {
    if (leader()) s_.total = side_.outbox.used;
    meet();
    if (leads_) {
      order_as_they_are();
      send(0);
    }
    meet();
  }

  // Calls one of the three, by one thread or by all, and ends it with a record.
  template <class F>
  RK_HD void call_hook(uint32_t entry, F&& body) {
    if (!kCollective && !first()) return;
    Ctx ctx = make_context(nullptr, 0);
    ctx.key_entry_ = entry;
    const uint32_t from = side_.outbox.used;
    TeamJob* job = side_.job;
    side_.job = nullptr;  // the other threads do not help
    ctx.guarded(body);
    side_.job = job;
    if (end_call(ctx, from) && ctx.leads()) note(RecordKind::Kept, 0);
  }
  RK_HD void end_hook(RecordKind kind, uint32_t count) {
    if (!leader()) return;
    side_.outbox.flags = kRecordHook;
    note(kind, count);
  }

  RK_HD void start() {
    if constexpr (kHasStart) {
      call_hook(0, [&](Ctx& c) {
        if constexpr (requires(State & s) { H::on_start(c, s); })
          H::on_start(c, *static_cast<State*>(b_.state));
        else
          H::on_start(c);
      });
    }
    meet();
    if (leader()) {
      b_.started = true;
      b_.polling = kHasPoll;
    }
    end_hook(RecordKind::Started, 0);
  }

  RK_HD void poll() {
    if constexpr (kHasPoll) {
      uint32_t calls = kPolls;
      bool more = kCollective || first();
      RK_ROLLED while (more && calls-- > 0 && agree_on_call(room_for_call(1))) {
        bool answer = false;
        call_hook(0, [&](Ctx& c) {
          if constexpr (requires(State & s) { H::on_poll(c, s); })
            answer = H::on_poll(c, *static_cast<State*>(b_.state));
          else
            answer = H::on_poll(c);
        });
        more = agree_on_call(answer);
      }
      if (leader() && !more) b_.polling = false;
      end_hook(RecordKind::Polled, more ? 1 : 0);
    }
  }

  RK_HD void stop() {
    bool finished = true;
    if constexpr (kHasStop) {
      const uint32_t calls = kKeyed ? b_.keys.count : 1;
      uint32_t at = f_.stop_cursor;
      RK_ROLLED while (at < calls && agree_on_call(room_for_call(1))) {
        call_hook(at, [&](Ctx& c) {
          if constexpr (requires(State & s) { H::on_stop(c, s); })
            H::on_stop(c, kKeyed ? *static_cast<State*>(b_.keys.state(at))
                                 : *static_cast<State*>(b_.state));
          else
            H::on_stop(c);
        });
        ++at;
        if (!kCollective && !first()) break;
      }
      finished = at >= calls;
      meet();
      if (leader()) f_.stop_cursor = at;
    }
    if (leader() && finished) b_.stopped = true;
    if (finished) end_hook(RecordKind::Stopped, 0);
    meet();
  }

  Outcome outcome_;  // of the call in hand
};

}  // namespace ringkernel
