// What the steps of inputs and outputs do with their block.
#include "core/clock.hpp"
#include "ringkernel/device/outbox.hpp"
#include "runtime/graph.hpp"

namespace ringkernel::runtime {

bool ensure_room(Block& b, uint32_t messages) {
  b.now_us = wall_us();
  b.hlc = hlc_next(b.now_us, b.hlc, 0);
  end_waiting(b);
  if (b.staged && !flush(b)) return false;
  const Ring* full = nullptr;
  OutEdge* edge = nullptr;
  if (room_for_messages(b, messages, full, edge) >= messages) return true;
  flush(b);
  // Ask every ring that is short of room: each may be the last to get it.
  bool enough = true;
  for (uint32_t p = 0; p < b.port_count; ++p) {
    for (uint32_t i = 0; i < b.ports[p].edge_count; ++i) {
      OutEdge& e = b.ports[p].edges[i];
      if (e.closed || e.kind == RingKind::Mpmc || e.on_full != OnFull::Wait) continue;
      for (uint32_t l = 0; l < e.targets * e.levels; ++l) {
        if (e.links[l].spsc.room(messages) >= messages) continue;
        ask_for_room(e.links[l].spsc.ring);
        if (e.links[l].spsc.room(messages) < messages) {
          enough = false;
          edge = &e;
        }
      }
    }
  }
  if (b.dead != nullptr && b.dead->spsc.room(messages * b.dead_max) < messages * b.dead_max) {
    ask_for_room(b.dead->spsc.ring);
    enough = enough && b.dead->spsc.room(messages * b.dead_max) >= messages * b.dead_max;
  }
  if (enough) return room_for_messages(b, messages, full, edge) >= messages;
  begin_waiting(b, edge);
  return false;
}

void emit(Block& b, const InputMessage& message) {
  OutPort& port = b.ports[message.type];
  Emission emission;
  emission.root = message.root;
  emission.priority = message.priority;
  emission.deadline = message.deadline_us;
  if (port.direct != nullptr) {
    Link& link = *port.direct;
    touch(b, link);
    MessageHeader* slot = link.spsc.append();
    fill_header(b, *slot, port.message_type, emission);
    copy_bytes(payload_of(slot), message.payload, port.payload_size);
    return;
  }
  Refusal refusal;
  put_copies(b, port, message.payload, emission, false, refusal);
  b.undo_count = 0;
}

void flush_input(Block& b) { flush(b); }

uint32_t take(Block& b, uint32_t most,
              const std::function<bool(uint32_t, const MessageHeader&, const void*)>& use) {
  uint32_t taken = 0;
  uint32_t empty = 0;
  b.now_us = wall_us();
  const bool letters =
      static_cast<GraphNode*>(BlockOwner::of(b).stepper)->kind_ == NodeKind::DeadLetters;
  // A request that was forwarded to an output ends there.
  auto answer = [&](const MessageHeader& h) {
    if (h.correlation_id != 0 && !letters)
      complete_request(b, h, Completion::NoReply, Reason::None, nullptr);
  };
  while (taken < most && empty < b.in_count) {
    InRing& in = b.in[b.next_in];
    b.next_in = b.next_in + 1 >= b.in_count ? 0 : b.next_in + 1;
    uint32_t n = 0;
    bool goes_on = true;
    if (in.kind == RingKind::Spsc) {
      uint32_t available = min_of(in.spsc.available(), most - taken);
      while (n < available &&
             (goes_on = use(in.edge, *in.spsc.front(), payload_of(in.spsc.front())))) {
        answer(*in.spsc.front());
        in.spsc.pop();
        ++n;
      }
      if (n > 0) in.spsc.release();
    } else {
      constexpr uint32_t kInHand = 64;  // what drop_oldest has slots to spare for
      if (in.taken == 0) in.taken = in.mpmc.take(min_of(most - taken, kInHand), in.taken_first);
      while (in.taken > 0 && n < most - taken &&
             (goes_on = use(in.edge, *in.mpmc.ring.slot(in.taken_first),
                            payload_of(in.mpmc.ring.slot(in.taken_first))))) {
        answer(*in.mpmc.ring.slot(in.taken_first));
        in.mpmc.release(in.taken_first++);
        --in.taken;
        ++n;
      }
      store_relaxed(&in.counters->taken, uint64_t{in.taken});
    }
    taken += n;
    empty = n == 0 ? empty + 1 : 0;
    if (n > 0) {
      count(&in.counters->delivered, n);
      if (room_was_wanted(in.ring()))
        for (uint32_t i = 0; i < in.sender_count; ++i) ringkernel::wake(b, *in.senders[i], kRoom);
    }
    if (!goes_on) break;
  }
  // Dead letters are no messages under way: the letter's message has been counted where it ended.
  if (!letters) {
    b.finished += taken;
    store_release(&b.counters->finished, b.finished);
  }
  return taken;
}

}  // namespace ringkernel::runtime
