// The sending half of a block's step. What a handler emits is built in place behind the published
// cursor of its ring, or staged where the ring has other producers; it becomes visible when the
// batch is flushed, and until its message is done it can be taken back. Room is made sure of before
// a handler runs, so nothing in here waits.
#pragma once

#include "ringkernel/device/block.hpp"

namespace ringkernel {

// Header fields of an emitted message that are not the block's.
struct Emission {
  uint64_t correlation_id = 0;
  uint32_t reply_to = 0;
  uint64_t deadline = 0;
  uint64_t root = 0;
  uint8_t priority = 1;
  uint8_t hops = 0;
};

// At least so many in a row. The rest of the last lease is lost, hence several times as many.
RK_BESIDE void lease_message_ids(Block& b, uint64_t least = 1) {
  const auto lease = static_cast<uint32_t>(max_of<uint64_t>(8 * least, 4096));
  b.next_id = b.host->lease_ids(b.host->context, lease);
  b.end_id = b.next_id + lease;
}
RK_FAST uint64_t next_message_id(Block& b) {
  if (RK_UNLIKELY(b.next_id == b.end_id)) lease_message_ids(b);
  return b.next_id++;
}

// All but id and stamp.
RK_HD void fill_fields(const Block& b, MessageHeader& h, uint16_t type, const Emission& e) {
  h.correlation_id = e.correlation_id;
  h.deadline = e.deadline;
  h.root = e.root;
  h.source = b.kernel;
  h.reply_to = e.reply_to;
  h.message_type = type;
  h.flags = 0;
  h.node = 0;
  h.priority = e.priority;
  h.hops = e.hops;
}
RK_HD void fill_header(Block& b, MessageHeader& h, uint16_t type, const Emission& e) {
  h.message_id = next_message_id(b);
  h.hlc = b.hlc;
  fill_fields(b, h, type, e);
}

RK_FAST void touch(Block& b, Link& link) {
  if (link.touched) return;
  link.touched = true;
  link.next_touched = nullptr;
  (b.touched == nullptr ? b.touched : b.last_touched->next_touched) = &link;
  b.last_touched = &link;
}

// True: the receiver was idle.
RK_FAST bool wake(Block& b, Block& receiver, uint64_t bits) {
  if (!raise(receiver.signal, bits)) return false;
  receiver.signal.next_woken = nullptr;
  (b.woken == nullptr ? b.woken : b.last_woken->signal.next_woken) = &receiver;
  b.last_woken = &receiver;
  return true;
}

RK_HD void push_undo(Block& b, Undo::Kind kind, OutEdge* edge, Link* link) {
  b.undo[b.undo_count++] = {kind, edge, link};
}

// The block found no room on an edge, and later tries again.
RK_HD void begin_waiting(Block& b, OutEdge* edge) {
  b.blocked_on = edge;
  b.blocked_since_us = b.now_us;
}
RK_HD void end_waiting(Block& b) {
  if (b.blocked_on == nullptr) return;
  if (b.now_us > b.blocked_since_us)
    count(&b.blocked_on->counters->waited_us, b.now_us - b.blocked_since_us);
  b.blocked_on = nullptr;
}

// Writes a dead letter behind the published cursor. REQUIRES: room for it was made sure of.
RK_HD void append_dead_letter(Block& b, const MessageHeader& header, const void* payload,
                              uint32_t payload_size, uint32_t edge, Reason reason,
                              const char* detail) {
  count(&b.counters->dead_letters, 1);
  if (b.dead == nullptr) return;
  MessageHeader* slot = b.dead->spsc.append();
  touch(b, *b.dead);
  uint64_t turn = slot->turn;
  *slot = header;
  slot->turn = turn;
  DeadLetter* letter = static_cast<DeadLetter*>(payload_of(slot));
  letter->time_us = b.now_us;
  letter->kernel = b.kernel;
  letter->edge = edge;
  letter->payload_size = payload_size;
  letter->reason = reason;
  letter->reserved = 0;
  uint32_t n = 0;
  if (detail != nullptr)
    for (; n + 1 < sizeof letter->detail && detail[n] != 0; ++n) letter->detail[n] = detail[n];
  zero_bytes(letter->detail + n, static_cast<uint32_t>(sizeof letter->detail) - n);
  if (payload_size > 0) copy_bytes(letter + 1, payload, payload_size);
}

// False: the request was complete already.
RK_HD bool complete_request(Block& b, const MessageHeader& request, Completion how, Reason reason,
                            const char* detail, uint16_t type = 0, const void* payload = nullptr,
                            uint32_t size = 0) {
  if (request.correlation_id == 0 || b.host->complete == nullptr) return true;
  return b.host->complete(b.host->context, &request, how, reason, detail, type, payload, size);
}

template <class E>
RK_HD uint32_t next_in_turn(E& e) {
  const uint32_t target = e.next;
  e.next = target + 1 == e.targets ? 0 : target + 1;
  return target;
}
// Which target a message takes. `E`: OutEdge, or a wire on a device. REQUIRES: it is not
// Route::All.
template <class E>
RK_HD uint32_t route_of(E& e, const KeySpec* spec, const void* payload) {
  if (e.targets == 1) return 0;
  switch (e.route) {
    case Route::Key: {
      Key key;
      read_key(*spec, payload, key);
      return block_of_key(key.hash, e.targets);
    }
    case Route::BlockField: {
      uint64_t block = 0;
      copy_bytes(&block, static_cast<const unsigned char*>(payload) + e.block_field_offset,
                 e.block_field_size);
      return remainder_of(block, e.targets);
    }
    default:
      return next_in_turn(e);
  }
}

RK_HD void count_offered(Block& b, OutEdge& e) {
  count(&e.counters->offered, 1);
  ++b.created;
}

// The outcome of offering one copy.
enum class Offer : uint8_t { Sent, Dropped, Failed };

// Offers one copy on one target. Returns where to write header and payload, or null: it was
// refused and has been counted.
RK_HD MessageHeader* offer_slot(Block& b, OutEdge& e, uint32_t target, uint8_t priority,
                                Offer& outcome, Reason& reason) {
  outcome = Offer::Sent;
  uint32_t level = e.levels == 1 ? 0 : min_of<uint32_t>(priority, e.levels - 1U);
  Link& link = e.links[target * e.levels + level];
  if (RK_UNLIKELY(e.closed)) {
    outcome = Offer::Failed;
    reason = Reason::ReceiverTerminated;
  } else if (e.kind == RingKind::Mpmc &&
             (e.on_full != OnFull::Fail || link.mpmc.has_room(e.staged - e.flushed))) {
    count_offered(b, e);
    e.staged_link[e.staged] = static_cast<uint32_t>(&link - e.links);
    push_undo(b, Undo::Kind::Staged, &e, &link);
    if (e.in_cycle) ++b.cycle_emitted;
    b.staged = true;
    return e.staged_slot(e.staged++);
  } else if (RK_LIKELY(e.kind == RingKind::Spsc &&
                       (e.on_full == OnFull::Wait || link.spsc.room(1) > 0))) {
    MessageHeader* slot = link.spsc.append();
    touch(b, link);
    push_undo(b, Undo::Kind::Sent, &e, &link);
    if (e.in_cycle) ++b.cycle_emitted;
    return slot;
  } else if (e.on_full == OnFull::DropNewest) {
    outcome = Offer::Dropped;
  } else {
    outcome = Offer::Failed;
    reason = Reason::QueueFull;
  }
  count_offered(b, e);
  ++b.finished;
  if (outcome == Offer::Dropped) {
    count(&e.counters->dropped, 1);
    push_undo(b, Undo::Kind::Dropped, &e, &link);
  } else {
    count(&e.counters->failed, 1);
    push_undo(b, Undo::Kind::Failed, &e, &link);
  }
  return nullptr;
}

// Makes the dead letter of a copy that offer_slot() let fail. False: the message in hand has filled
// the ring of dead letters with its copies.
RK_HD bool bury_copy(Block& b, OutEdge& e, const MessageHeader& header, const void* payload,
                     uint32_t size, Reason reason) {
  if (b.dead != nullptr && b.dead->spsc.room(1) == 0) return false;
  append_dead_letter(b, header, payload, size, e.edge, reason, nullptr);
  push_undo(b, Undo::Kind::DeadLetter, &e, b.dead);
  return true;
}

// What became of a message's copies that were not sent.
struct Refusal {
  Reason fails = Reason::None;  // the message in hand must fail, and take everything back
  Reason asked = Reason::None;  // the copy that carried the duty to answer was refused
};

// Offers a message to every edge of a port. `atomic`: a full edge with on_full: fail makes the
// message in hand fail; else that copy alone.
RK_HD void put_copies(Block& b, OutPort& port, const void* payload, Emission emission, bool atomic,
                      Refusal& refusal) {
  for (uint32_t i = 0; i < port.edge_count; ++i) {
    OutEdge& e = port.edges[i];
    const bool all = e.route == Route::All;
    const uint32_t from = all ? 0 : route_of(e, e.key, payload);
    for (uint32_t t = from; t < (all ? e.targets : from + 1); ++t) {
      Offer outcome;
      Reason reason = Reason::None;
      MessageHeader* slot = offer_slot(b, e, t, emission.priority, outcome, reason);
      if (RK_LIKELY(slot != nullptr)) {
        fill_header(b, *slot, port.message_type, emission);
        copy_bytes(payload_of(slot), payload, port.payload_size);
      } else if (atomic && reason == Reason::QueueFull && e.on_full == OnFull::Fail) {
        refusal.fails = reason;
      } else {
        if (emission.correlation_id != 0)
          refusal.asked = reason == Reason::None ? Reason::QueueFull : reason;
        if (outcome == Offer::Failed) {
          MessageHeader header{};
          fill_header(b, header, port.message_type, emission);
          // Where there is no room for one more, the letters before it tell of the same message.
          if (!bury_copy(b, e, header, payload, port.payload_size, reason) && atomic)
            refusal.fails = reason;
        }
      }
      emission.correlation_id = 0;  // the first copy carries the duty to answer
    }
  }
}

// Takes back everything the message in hand has emitted.
RK_HD void take_back(Block& b) {
  while (b.undo_count > 0) {
    Undo& u = b.undo[--b.undo_count];
    if (u.kind == Undo::Kind::DeadLetter) {
      if (b.dead != nullptr) b.dead->spsc.take_back();
      count(&b.counters->dead_letters, ~uint64_t{0});
      continue;
    }
    if (u.kind == Undo::Kind::Sent) {
      u.link->spsc.take_back();
      continue;
    }
    count(&u.edge->counters->offered, ~uint64_t{0});
    --b.created;
    if (u.kind == Undo::Kind::Staged) {
      --u.edge->staged;
      continue;
    }
    count(u.kind == Undo::Kind::Dropped ? &u.edge->counters->dropped : &u.edge->counters->failed,
          ~uint64_t{0});
    --b.finished;
  }
  b.cycle_emitted = 0;
}

// The same for edges whose messages are staged.
RK_BESIDE uint32_t room_for_staged(Block& b, uint32_t wanted, const Ring*& full,
                                   OutEdge*& full_edge) {
  for (uint32_t p = 0; p < b.port_count; ++p) {
    OutPort& port = b.ports[p];
    for (uint32_t i = 0; i < port.edge_count; ++i) {
      OutEdge& e = port.edges[i];
      if (e.closed || e.kind != RingKind::Mpmc) continue;
      const uint32_t per_message = port.max * (e.route == Route::All ? e.targets : 1);
      wanted = min_of(wanted, (e.staging_capacity - e.staged) / per_message);
      if (wanted == 0) {  // staged messages wait for this ring
        full = &e.links[e.staged_link[e.flushed]].mpmc.ring;
        full_edge = &e;
        return 0;
      }
    }
  }
  return wanted;
}

// How many messages, at most `wanted`, may be handled before a waiting edge or the dead letters
// could be full. On 0, `full` is the ring to ask for room on.
RK_FAST uint32_t room_for_messages(Block& b, uint32_t wanted, const Ring*& full,
                                   OutEdge*& full_edge) {
  for (Link* link = b.checked; link != nullptr; link = link->next_checked) {
    const uint32_t slots = link->spsc.room(wanted * link->per_message);
    if (RK_LIKELY(slots >= wanted * link->per_message)) continue;
    wanted = slots / link->per_message;
    if (wanted == 0) {
      full = &link->spsc.ring;
      full_edge = link->edge;
      return 0;
    }
  }
  return RK_LIKELY(!b.stages) ? wanted : room_for_staged(b, wanted, full, full_edge);
}

RK_BESIDE void ring_shared_doorbells(Block& b, Link& link, uint32_t published) {
  // A shared inbox: one receiver more for every sixteen messages; stop once enough were idle.
  uint32_t wanted = 1 + published / 16;
  for (uint32_t i = 0; i < link.receiver_count && wanted > 0; ++i) {
    Block& receiver = *link.receivers[link.next_receiver];
    link.next_receiver = link.next_receiver + 1 == link.receiver_count ? 0 : link.next_receiver + 1;
    if (wake(b, receiver, link.bit)) --wanted;
  }
}

RK_FAST void ring_doorbells(Block& b, Link& link, uint32_t published) {
  if (RK_LIKELY(link.receiver != nullptr))
    wake(b, *link.receiver, link.bit);
  else
    ring_shared_doorbells(b, link, published);
}

RK_FAST void return_credits(Block& b) {
  if (RK_LIKELY(b.credits == nullptr) || b.credits_back == 0) return;
  fetch_add(&b.credits->available, b.credits_back);
  b.credits_back = 0;
  if (exchange(&b.credits->want, 0U) != 0)
    for (uint32_t i = 0; i < b.credits->waiter_count; ++i) wake(b, *b.credits->waiters[i], kRoom);
}

// Drops the oldest message that waits, as a consumer would take it. False: none is ready.
RK_HD bool drop_oldest(Block& b, OutEdge& e, MpmcRing& ring) {
  uint64_t position;
  if (ring.take(1, position) == 0) return false;
  MessageHeader& h = *ring.ring.slot(position);
  complete_request(b, h, Completion::Failed, Reason::QueueFull, "dropped as the oldest");
  ring.release(position);
  count(&e.counters->dropped, 1);
  ++b.finished;
  if (e.in_cycle) ++b.credits_back;
  return true;
}

// Moves an edge's staged messages to their rings. False: a waiting edge is still full.
RK_HD bool flush_staged(Block& b, OutEdge& e, uint32_t payload_size) {
  while (e.flushed < e.staged) {
    uint32_t link_index = e.staged_link[e.flushed];
    Link& link = e.links[link_index];
    uint32_t n = 1;
    if (e.on_full == OnFull::DropOldest && !e.closed) {
      // Slots that the receiver has in hand are no messages that wait: the oldest of these goes as
      // soon as there are `limit`.
      while (link.mpmc.depth() >= e.limit && drop_oldest(b, e, link.mpmc)) {
      }
    } else {
      while (e.flushed + n < e.staged && e.staged_link[e.flushed + n] == link_index) ++n;
    }
    uint64_t first = 0;
    MpmcRing::Claim claim = e.closed ? MpmcRing::Claim::Closed : link.mpmc.claim(n, first);
    if (claim == MpmcRing::Claim::Ok) {
      for (uint32_t i = 0; i < n; ++i) {
        MessageHeader* slot = link.mpmc.ring.slot(first + i);
        const MessageHeader* from = e.staged_slot(e.flushed + i);
        copy_bytes(&slot->message_id, &from->message_id,
                   static_cast<uint32_t>(sizeof(MessageHeader)) - 8U + payload_size);
        link.mpmc.publish(first + i);
      }
      ring_doorbells(b, link, n);
      e.flushed += n;
      continue;
    }
    if (claim == MpmcRing::Claim::Full) {
      // With drop_oldest only where other senders have taken the slots to spare.
      if (e.on_full == OnFull::Wait || e.on_full == OnFull::DropOldest) {
        ask_for_room(link.mpmc.ring);
        if (link.mpmc.has_room()) continue;
        return false;
      }
    }
    // Closed, or full with a policy that refuses the newest.
    MessageHeader& h = *e.staged_slot(e.flushed);
    ++b.finished;
    if (e.in_cycle) ++b.credits_back;
    if (claim == MpmcRing::Claim::Full && e.on_full == OnFull::DropNewest) {
      count(&e.counters->dropped, 1);
      complete_request(b, h, Completion::Failed, Reason::QueueFull, "dropped");
    } else {
      Reason reason =
          claim == MpmcRing::Claim::Closed ? Reason::ReceiverTerminated : Reason::QueueFull;
      if (b.dead != nullptr && b.dead->spsc.room(1) == 0) {
        --b.finished;  // the dead letters are full: wait for them instead
        if (e.in_cycle) --b.credits_back;
        ask_for_room(b.dead->spsc.ring);
        if (b.dead->spsc.room(1) > 0) continue;
        return false;
      }
      count(&e.counters->failed, 1);
      complete_request(b, h, Completion::Failed, reason, nullptr);
      append_dead_letter(b, h, payload_of(&h), payload_size, e.edge, reason, nullptr);
    }
    ++e.flushed;
  }
  e.staged = e.flushed = 0;
  return true;
}

// A message on an Spsc ring is counted with its batch, before it can be seen; one that is staged or
// refused when it is offered.
RK_FAST void count_unpublished(Block& b, const Link& link) {
  if (link.counters == nullptr) return;
  const uint64_t n = link.spsc.tail - link.spsc.published;
  count(&link.counters->offered, n);
  b.created += n;
}

RK_FAST void publish_touched(Block& b) {
  for (Link* link = b.touched; link != nullptr; link = link->next_touched) {
    link->touched = false;
    const uint32_t n = link->spsc.publish();
    if (n > 0) ring_doorbells(b, *link, n);
  }
  b.touched = nullptr;
}

// False: a waiting edge is still full; a wake-up is arranged.
RK_BESIDE bool flush_all_staged(Block& b) {
  bool all = true;
  b.staged = false;
  for (uint32_t p = 0; p < b.port_count; ++p) {
    for (uint32_t i = 0; i < b.ports[p].edge_count; ++i) {
      OutEdge& e = b.ports[p].edges[i];
      if (e.staged == 0) continue;
      if (!flush_staged(b, e, b.ports[p].payload_size)) {
        all = false;
        b.staged = true;
      }
      store_relaxed(&e.counters->staged, static_cast<uint64_t>(e.staged - e.flushed));
    }
  }
  // Dead letters of the staged.
  publish_touched(b);
  return all;
}

// Publishes everything emitted since the last flush: counters first, then rings, then doorbells.
// False: a waiting edge is still full; a wake-up is arranged.
RK_FAST bool flush(Block& b) {
  for (const Link* link = b.touched; link != nullptr; link = link->next_touched)
    count_unpublished(b, *link);
  store_release(&b.counters->created, b.created);
  publish_touched(b);
  const bool all = RK_LIKELY(!b.staged) || flush_all_staged(b);
  store_release(&b.counters->finished, b.finished);
  return all;
}

}  // namespace ringkernel
