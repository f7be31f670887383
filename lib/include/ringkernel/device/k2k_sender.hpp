// The sending end of a block's wires on its device: which of a batch's records stay there, and
// their copies in the rings. Room is made sure of before the handler runs, so nothing in here
// waits. Only the block's leader decides; all its threads write.
#pragma once

#include "ringkernel/device/control_block.hpp"
#include "ringkernel/device/device_thread.hpp"
#include "ringkernel/device/k2k.hpp"

namespace ringkernel {

class K2kSender {
 public:
  RK_HD K2kSender(K2kFrame& frame, ControlBlock& control) : f_(frame), control_(control) {}

  // What the host has changed. REQUIRES: the host has moved the generation on.
  RK_HD void read_table() {
    f_.out_count = load_relaxed<Scope::System>(&f_.table->outs);
    uint64_t outer_ports = load_relaxed<Scope::System>(&f_.table->host_ports);
    uint64_t open_ports = 0;
    RK_ROLLED for (uint32_t i = 0; i < f_.out_count; ++i) {
      K2kOut& out = *f_.outs[i];
      out.state = static_cast<K2kState>(load_relaxed<Scope::System>(&f_.table->out_states[i]));
      if (out.state == K2kState::Open) open_ports |= uint64_t{1} << out.port;
      if (out.state == K2kState::Closed) outer_ports |= uint64_t{1} << out.port;
    }
    f_.inner_ports = open_ports & ~outer_ports;
  }

  // Whether nothing of what is emitted on the port is for the host.
  RK_HD bool is_inner(uint8_t port) const { return port < 64 && (f_.inner_ports >> port & 1) != 0; }

  // For how many calls of the handler, `calls` before them and at most `wanted`, there is room.
  RK_HD uint32_t room(uint32_t calls, uint32_t wanted, Block& b) {
    RK_ROLLED for (uint32_t i = 0; i < f_.out_count && wanted > 0; ++i) {
      if (f_.outs[i]->state != K2kState::Open) continue;
      K2kOut& out = *f_.outs[i];
      RK_ROLLED for (uint32_t t = 0; t < out.link_count(); ++t) {
        const uint32_t slots = out.room(t, (calls + wanted) * out.max);
        const uint32_t all = slots / out.max;
        wanted = min_of(wanted, all > calls ? all - calls : 0);
      }
      note_waiting(out, wanted == 0, b.now_us);
    }
    if (f_.out_count > 0 && b.end_id - b.next_id < kLeastIds && !take_ids(b)) return 0;
    return wanted;
  }

  // Goes on with a batch's records, `order` naming them from the first that was not yet looked at:
  // fills `copies` and keeps in `order` what goes to the host. Returns how many copies there are;
  // fewer than kK2kCopies: it was the last time. kK2kUnrouted: route() comes first.
  template <class Order, class Record, class Parent>
  RK_HD uint32_t fill(Order&& order, uint32_t count, Block& b, Record&& record_at,
                      Parent&& parent_of) {
    RK_ROLLED for (; f_.next_record < count; ++f_.next_record) {
      DeviceRecord* record = record_at(order(f_.next_record));
      if (record->kind == RecordKind::Skip) continue;
      if (record->kind == RecordKind::Emit) {
        const Copied copied = copy(*record, parent_of(*record), b);
        if (copied == Copied::Unrouted) return kK2kUnrouted;
        if (copied == Copied::Full) break;
        if (is_inner(record->port) && (record->flags & kRecordSettles) == 0) continue;
      }
      order(f_.kept_records++) = order(f_.next_record);
    }
    const uint32_t n = f_.filled;
    f_.filled = 0;
    return n;
  }
  // Where the record that fill() has come to goes. Apart from it: keys take many registers.
  RK_HD void route(const DeviceRecord& record) {
    K2kOut& out = *f_.outs[f_.next_out];
    f_.next_target = route_of(out, &out.key, payload_of(&record));
    f_.routed = 1;
  }
  RK_HD uint32_t at() const { return f_.next_record; }
  RK_HD uint32_t kept() const { return f_.kept_records; }
  // Writes the copies to their rings, the block's threads side by side.
  RK_HD void write(uint32_t n, const Block& b, const DeviceThread& thread) const {
    RK_ROLLED for (uint32_t i = thread.rank(); i < n; i += thread.size())
        write_header(f_.copies[i], b);
    const uint32_t units = (f_.largest_payload + 7) / 8;
    RK_ROLLED for (uint32_t i = thread.rank(); i < n * units; i += thread.size()) {
      const K2kCopy& copy = f_.copies[i / units];
      const uint32_t unit = i % units;
      // Slots and records end at multiples of 64.
      if (unit * 8 < copy.out->payload_size)
        static_cast<uint64_t*>(payload_of(copy.slot))[unit] =
            static_cast<const uint64_t*>(payload_of(copy.record))[unit];
    }
  }

  // Counts what is about to be seen, publishes it and rings the doorbells.
  RK_HD void publish() {
    bool any = false;
    RK_ROLLED for (uint32_t i = 0; i < f_.out_count; ++i) {
      K2kOut& out = *f_.outs[i];
      uint64_t n = 0;
      RK_ROLLED for (uint32_t t = 0; t < out.link_count(); ++t) n +=
          out.links[t].sender.tail - out.links[t].sender.published;
      if (n == 0) continue;
      any = true;
      out.offered += n;
      f_.created += n;
      if (out.in_cycle != 0) f_.credits_back -= static_cast<int64_t>(n);
      store_relaxed<Scope::System>(&out.counters->offered, out.offered);
    }
    if (!any) return;
    store_relaxed<Scope::System>(f_.credits, f_.credits_back);
    store_release<Scope::System>(&f_.counters->created, f_.created);
    RK_ROLLED for (uint32_t i = 0; i < f_.out_count; ++i) {
      K2kOut& out = *f_.outs[i];
      RK_ROLLED for (uint32_t t = 0; t < out.link_count(); ++t) {
        K2kLink& link = out.links[t];
        if (link.sender.tail == link.sender.published) continue;
        if (out.cluster.has(t))
          publish<Scope::Cluster>(link);
        else
          publish<Scope::Device>(link);
      }
    }
  }

 private:
  template <Scope S>
  RK_HD static void publish(K2kLink& link) {
    link.sender.publish<S>();
    fetch_or<S>(&link.doorbell->word, link.bit);
  }

  // Ids that one batch may need: all copies of all its messages.
  static constexpr uint64_t kLeastIds = 1 << 20;

  RK_HD static void write_header(const K2kCopy& copy, const Block& b) {
    MessageHeader& h = *copy.slot;
    h.hlc = copy.parent == nullptr ? b.hlc : max_of(b.hlc, copy.parent->hlc + 1);
    fill_fields(b, h, copy.out->message_type,
                emission_of(*copy.record, copy.parent, copy.answers != 0));
  }

  enum class Copied : uint32_t { All, Full, Unrouted };  // but for All, this record goes on

  RK_HD Copied copy(DeviceRecord& record, const MessageHeader* parent, Block& b) {
    RK_ROLLED for (; f_.next_out < f_.out_count; ++f_.next_out, f_.next_target = f_.routed = 0) {
      K2kOut& out = *f_.outs[f_.next_out];
      if (out.port != record.port || out.state == K2kState::Removed) continue;
      if (out.state == K2kState::Closed) {
        record.reason = static_cast<uint16_t>(record.reason | 1U << out.of_port);
        continue;
      }
      const bool all = out.route == Route::All;
      if (!all && out.targets > 1 && f_.routed == 0) {
        if (out.route != Route::RoundRobin) return Copied::Unrouted;
        f_.next_target = next_in_turn(out);
        f_.routed = 1;
      }
      RK_ROLLED do {
        if (f_.filled == kK2kCopies) return Copied::Full;
        append(record, parent, out, b);
      }
      while (all && ++f_.next_target < out.targets)
        ;
    }
    f_.next_out = f_.next_target = 0;
    return Copied::All;
  }

  RK_HD void append(DeviceRecord& record, const MessageHeader* parent, K2kOut& out, Block& b) {
    K2kCopy& copy = f_.copies[f_.filled++];
    copy.record = &record;
    copy.parent = parent;
    copy.out = &out;
    copy.answers = 0;
    uint32_t link = f_.next_target;
    if (out.levels > 1)
      link = link * out.levels + min_of<uint32_t>(priority_of(record, parent), out.levels - 1);
    copy.slot = out.links[link].sender.append();
    copy.slot->message_id = b.next_id++;
    // The first copy carries the duty to answer; the host hears that it has gone.
    if ((record.flags & kRecordForwards) != 0 && parent != nullptr && parent->correlation_id != 0) {
      copy.answers = 1;
      record.flags = static_cast<uint8_t>((record.flags & ~kRecordForwards) | kRecordSettles);
    }
  }

  RK_HD void note_waiting(K2kOut& out, bool waits, uint64_t now_us) {
    if (waits) {
      if (out.waiting_since_us == 0) out.waiting_since_us = now_us;
    } else if (out.waiting_since_us != 0) {
      out.waited_us += now_us > out.waiting_since_us ? now_us - out.waiting_since_us : 0;
      out.waiting_since_us = 0;
      store_relaxed<Scope::System>(&out.counters->waited_us, out.waited_us);
    }
  }

  // False: the host has not yet given the next range.
  RK_HD bool take_ids(Block& b) {
    const uint32_t leases = load_acquire<Scope::System>(&f_.table->leases);
    if (leases == f_.leases) return false;
    f_.leases = leases;
    store_relaxed<Scope::System>(&control_.id_leases, leases);
    b.next_id = load_relaxed<Scope::System>(&f_.table->next_ids);
    b.end_id = b.next_id + kK2kIdLease;
    return true;
  }

  K2kFrame& f_;
  ControlBlock& control_;
};

}  // namespace ringkernel
