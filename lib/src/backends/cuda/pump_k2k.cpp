// The pump's part in wires that lie on the device: it hears of those of their messages that ask for
// something from the host, sees that the receivers' pumps are awake, and accounts for what is lost
// with the device.
#include "backends/cuda/k2k_edge.hpp"
#include "backends/cuda/pump.hpp"

namespace ringkernel::backends::cuda {

void Pump::add_out(uint32_t port, uint32_t of_port, OutEdge* refusing,
                   const std::vector<Block*>& receivers, const SendCounters& sent) {
  outs_.push_back({port, of_port, refusing, receivers, &sent, 0});
}

void Pump::add_in(const K2kEdge& edge, const ReceiveCounters& received, ReceiveCounters* refused) {
  ins_.push_back({&edge, &received, refused, 0});
}

void Pump::receive(const DeviceRecord& record) {
  received_over_ = nullptr;
  for (In& in : ins_)
    if (in.edge->number() == record.count) received_over_ = &in;
  const auto bytes = static_cast<uint32_t>(memory_.out.stride - sizeof(DeviceRecord));
  received_.resize((bytes + sizeof(Line) - 1) / sizeof(Line));
  copy_bytes(received_.data(), payload_of(&record), bytes);
}

// REQUIRES: room for a dead letter.
void Pump::bury_received(Block& b, Reason reason, const char* detail) {
  const MessageHeader& header = *received();
  append_dead_letter(b, header, payload_of(&header), payload_size(b, header),
                     received_over_->edge->number(), reason, detail);
  if (!settled_) complete_request(b, header, Completion::Failed, reason, detail);
  count(&b.counters->failed, 1);
  ++b.finished;
  received_failed_ = true;
}

void Pump::conclude_received(Block& b, uint32_t credits) {
  const MessageHeader& header = *received();
  if (!received_failed_ && refusal_.fails != Reason::None)
    fail_call(b, &header, refusal_.fails, "");
  if (!received_failed_) {
    keep(b, &header);
    if (header.correlation_id != 0 && !settled_)
      complete_request(b, header, Completion::NoReply, Reason::None, nullptr);
    count(&b.counters->handled, 1);
    ++b.finished;
  }
  credits_owed_ += int64_t{credits} - int64_t{cycle_emitted_};
  cycle_emitted_ = 0;
  settled_ = false;
  received_failed_ = false;
  ++received_over_->concluded;
  received_over_ = nullptr;
}

void Pump::refuse_received(Block& b, const DeviceRecord& record) {
  const MessageHeader& header = *received();
  const auto told = static_cast<Reason>(record.reason);
  const Reason reason = told != Reason::None ? told : refusing_for_;
  append_dead_letter(b, header, payload_of(&header), payload_size(b, header),
                     received_over_->edge->number(), reason, nullptr);
  complete_request(b, header, Completion::Failed, reason, nullptr);
  count(&received_over_->refused->failed, 1);
  ++b.finished;
  credits_owed_ += record.count;
  received_over_ = nullptr;
  end_call();
}

// The copies of an emitted message for wires on the device that are closed.
void Pump::refuse_copies(Block& b, const DeviceRecord& record, const Emission& emission) {
  OutPort port = b.ports[record.port];
  for (const Out& out : outs_) {
    if (out.port != record.port || (record.reason >> out.of_port & 1) == 0) continue;
    port.edges = out.refusing;
    port.edge_count = 1;
    put_copies(b, port, payload_of(&record), emission, true, refusal_);
  }
}

// Their pumps sleep while nothing is on the way to them.
void Pump::wake_receivers(Block& b) {
  for (Out& out : outs_) {
    const uint64_t offered = load_acquire(&out.sent->offered);
    if (offered == out.seen) continue;
    out.seen = offered;
    for (Block* receiver : out.receivers) wake(b, *receiver, kRoom);
  }
}

void Pump::lease_ids(Block& b) {
  if (outs_.empty() || load_relaxed(&memory_.control->id_leases) != memory_.table->leases) return;
  store_relaxed(&memory_.table->next_ids, b.host->lease_ids(b.host->context, kK2kIdLease));
  store_release(&memory_.table->leases, memory_.table->leases + 1);
}

// A credit can come back before the device has said that the next message of the cycle holds it.
void Pump::take_credits_back(Block& b) {
  if (memory_.credits == nullptr || b.credits == nullptr) return;
  const int64_t now = load_acquire(memory_.credits);
  credits_owed_ += now - credits_seen_ + static_cast<int64_t>(b.credits_back);
  credits_seen_ = now;
  b.credits_back = credits_owed_ > 0 ? static_cast<uint64_t>(credits_owed_) : 0;
  credits_owed_ -= static_cast<int64_t>(b.credits_back);
}

uint64_t Pump::in_hand_of_k2k() const {
  uint64_t not_concluded = 0;
  for (const In& in : ins_) not_concluded += in.not_concluded();
  // The kernel's own, which is told after what these messages have emitted.
  return not_concluded - load_acquire(&memory_.counters->finished);
}

// `heeded`: the device acts on what the host wants now.
bool Pump::no_k2k_work(bool active, bool heeded) const {
  if (ins_.empty()) return true;
  if (!active && !refuses_ && !heeded) return false;
  if (active || refuses_)
    for (const In& in : ins_)
      if (in.edge->depth() != 0) return false;
  // Last: a message leaves its ring before it is in hand.
  return in_hand_of_k2k() == 0;
}

// What is lost with the device, or left on it: its payload too, but for the message that is half
// told. False: there is no room for the dead letters yet.
bool Pump::fail_received(Block& b, Reason reason) {
  if (memory_.counters == nullptr) return true;
  const auto letters = 1 + 2 * static_cast<uint32_t>(ins_.size());
  if (b.dead != nullptr && b.dead->spsc.room(letters) < letters) return false;
  if (received_over_ != nullptr) {
    if (!received_failed_) bury_received(b, reason, "it was on the device");
    ++received_over_->concluded;
  }
  received_over_ = nullptr;
  received_failed_ = false;
  // The wires' counters are what was said last: the kernel's own agree with them.
  uint64_t offered = 0, handled = 0;
  for (const Out& out : outs_) offered += load_acquire(&out.sent->offered);
  for (const In& in : ins_) handled += in.finished();
  store_relaxed(&memory_.counters->created, offered);
  store_relaxed(&memory_.counters->handled, handled);
  store_relaxed(&memory_.counters->finished, handled);
  MessageHeader unknown{};
  unknown.hlc = b.hlc;
  auto lose = [&](uint64_t n, const char* where, uint64_t* counter, const In& in) {
    if (n == 0) return;
    append_dead_letter(
        b, unknown, nullptr, 0, in.edge->number(), reason,
        (std::to_string(n) + " messages were " + where + ", their payload with them").c_str());
    count(counter, n);
    b.finished += n;
  };
  for (In& in : ins_) {
    const uint64_t in_hand = in.not_concluded() - in.finished();
    lose(in_hand, "in hand on the device", &b.counters->failed, in);
    in.concluded += in_hand;
  }
  if (b.index == 0)
    for (const In& in : ins_) lose(in.edge->depth(), "on the device", &in.refused->failed, in);
  return true;
}

}  // namespace ringkernel::backends::cuda
