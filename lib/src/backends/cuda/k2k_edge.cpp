#include "backends/cuda/k2k_edge.hpp"

#include <bit>
#include <new>

#include "backends/cuda/resident_kernel.hpp"

namespace ringkernel::backends::cuda {
namespace {

bool strategy_is(ResidentKernel& kernel, SchedulerStrategy strategy) {
  return kernel.tables().scheduler().strategy == strategy;
}

}  // namespace

Result<std::unique_ptr<K2kEdge>> K2kEdge::create(std::shared_ptr<Device> device,
                                                 ResidentKernel& from, ResidentKernel& to,
                                                 const RemoteEdgeSpec& spec) {
  std::unique_ptr<K2kEdge> edge(new K2kEdge(std::move(device), from, to, spec));
  auto bytes = [&] {
    return edge->rings_ * ring_bytes(edge->capacity_, slot_stride(spec.payload_size));
  };
  edge->capacity_ = spec.capacity;
  while (bytes() > kMostBytes && edge->capacity_ > spec.max) edge->capacity_ /= 2;
  if (edge->capacity_ < spec.max) edge->capacity_ *= 2;
  const bool fits = bytes() <= kMostBytes && from.tables().outs() < kMostK2kEdges &&
                    to.tables().ins() < kMostK2kEdges &&
                    from.tables().outs_of(spec.port) < kMostK2kOfPort;
  if (!fits) return nullptr;
  edge->in_clusters_ = edge->fits_clusters() && to.take_cluster_memory();
  if (auto done = edge->lay_out(); !done) return tl::unexpected(done.error());
  return edge;
}

K2kEdge::K2kEdge(std::shared_ptr<Device> device, ResidentKernel& from, ResidentKernel& to,
                 const RemoteEdgeSpec& spec)
    : device_(std::move(device)),
      from_(from),
      to_(to),
      spec_(spec),
      inboxes_(strategy_is(to, SchedulerStrategy::RoundRobin) ? 1 : to.blocks()),
      levels_(strategy_is(to, SchedulerStrategy::Priority) ? to.tables().scheduler().levels : 1),
      shared_(strategy_is(to, SchedulerStrategy::RoundRobin) ||
              strategy_is(to, SchedulerStrategy::WorkStealing)),
      rings_(uint64_t{from.blocks()} * inboxes_ * levels_) {}

K2kEdge::~K2kEdge() {
  // A kernel that did not leave may still write.
  if (from_.is_abandoned() || to_.is_abandoned()) return;
  for (auto [pool, memory] : memory_) pool->release(memory);
}

Result<char*> K2kEdge::take(DeviceMemory& from, size_t bytes) {
  auto memory = from.allocate(bytes);
  if (memory) memory_.emplace_back(&from, *memory);
  return memory;
}

// A wire of a kernel to itself, with a ring for each pair of blocks.
bool K2kEdge::fits_clusters() const {
  const ResidentKernel::ClusterMemory& has = to_.cluster();
  return &from_ == &to_ && !shared_ && levels_ == 1 &&
         cluster_bytes(has.blocks, capacity_, slot_stride(spec_.payload_size)) <= has.bytes;
}

K2kCluster K2kEdge::cluster_of(uint32_t block) const {
  if (!in_clusters_) return {};
  const ResidentKernel::ClusterMemory& has = to_.cluster();
  return {block / has.blocks * has.blocks, has.blocks, has.offset};
}

Ring K2kEdge::ring_of(uint32_t sender, uint32_t receiver, uint32_t level) const {
  const uint32_t inbox = receiver % inboxes_;
  return nth_ring(first_ring_, (uint64_t{inbox} * from_.blocks() + sender) * levels_ + level);
}

K2kOut K2kEdge::sending_end(uint32_t block) const {
  K2kOut out;
  out.port = static_cast<uint8_t>(spec_.port);
  out.of_port = static_cast<uint8_t>(from_.tables().outs_of(spec_.port));
  out.route = spec_.route;
  out.message_type = spec_.message_type;
  out.payload_size = spec_.payload_size;
  out.max = spec_.max;
  out.targets = inboxes_;
  out.levels = levels_;
  out.shared = shared_ ? 1 : 0;
  out.next = block % inboxes_;
  out.block_field_offset = spec_.block_field_offset;
  out.block_field_size = spec_.block_field_size;
  out.key = spec_.key;
  out.cluster = cluster_of(block);
  out.counters = sent_[block];
  return out;
}

K2kIn K2kEdge::receiving_end(uint32_t block) const {
  K2kIn in;
  in.edge = spec_.number;
  in.senders = from_.blocks();
  in.levels = levels_;
  in.shared = shared_ ? 1 : 0;
  in.first_bit = to_.tables().rings();
  in.cluster = cluster_of(block);
  in.counters = received_[block];
  in.first_ring = first_ring_;
  return in;
}

Result<void> K2kEdge::lay_out() {
  const uint32_t senders = from_.blocks();
  const uint32_t receivers = to_.blocks();
  const uint32_t stride = slot_stride(spec_.payload_size);
  const size_t slot_bytes = rings_ * capacity_ * stride;
  std::vector<K2kLink> links;      // by sender, receiver and level
  std::vector<SpmcReceiver> ends;  // by receiver, sender and level
  const size_t ends_of_each = size_t{senders} * levels_;

  // Counters, mapped; rings; the blocks' ends.
  auto counters =
      take(device_->mapped(), senders * sizeof(SendCounters) + receivers * sizeof(ReceiveCounters));
  auto controls = take(device_->memory(), rings_ * sizeof(RingControl));
  auto slots = take(device_->memory(), slot_bytes);
  auto outs = take(device_->memory(), senders * sizeof(K2kOut) + rings_ * sizeof(K2kLink));
  auto ins = take(device_->memory(), receivers * (sizeof(K2kIn) + ends_of_each * sizeof ends[0]));
  for (const auto* one : {&counters, &controls, &slots, &outs, &ins})
    if (!*one) return tl::unexpected(one->error());
  out_memory_ = *outs;
  in_memory_ = *ins;
  for (uint32_t s = 0; s < senders; ++s)
    sent_.push_back(new (*counters + s * sizeof(SendCounters)) SendCounters{});
  for (uint32_t r = 0; r < receivers; ++r)
    received_.push_back(new (*counters + senders * sizeof(SendCounters) +
                             r * sizeof(ReceiveCounters)) ReceiveCounters{});
  // A ring with one receiver needs no turns.
  if (auto done = device_->clear(*controls, rings_ * sizeof(RingControl)); !done) return done;
  if (shared_)
    if (auto done = device_->clear(*slots, slot_bytes); !done) return done;
  first_ring_.control = reinterpret_cast<RingControl*>(*controls);
  first_ring_.slots = reinterpret_cast<unsigned char*>(*slots);
  first_ring_.capacity = capacity_;
  first_ring_.stride = stride;
  first_ring_.lap_shift = static_cast<uint32_t>(std::countr_zero(capacity_));

  auto* links_at = reinterpret_cast<K2kLink*>(out_memory_ + senders * sizeof(K2kOut));
  auto* ends_at = reinterpret_cast<SpmcReceiver*>(in_memory_ + receivers * sizeof(K2kIn));
  const uint32_t first_bit = to_.tables().rings();
  for (uint32_t s = 0; s < senders; ++s) {
    outs_.push_back(sending_end(s));
    outs_.back().links = links_at + links.size();
    for (uint32_t r = 0; r < inboxes_; ++r) {
      for (uint32_t level = 0; level < levels_; ++level) {
        K2kLink& link = links.emplace_back();
        link.sender.ring = ring_of(s, r, level);
        link.doorbell = to_.tables().doorbell(r);
        link.bit = ring_bit(first_bit + s * levels_ + level);
      }
    }
  }
  for (uint32_t r = 0; r < receivers; ++r) {
    ins_.push_back(receiving_end(r));
    ins_.back().rings = ends_at + ends.size();
    for (uint32_t s = 0; s < senders; ++s)
      for (uint32_t level = 0; level < levels_; ++level)
        ends.emplace_back().ring = ring_of(s, r, level);
  }
  if (auto done = upload_ends(); !done) return done;
  if (auto done = device_->upload(links_at, links.data(), links.size() * sizeof links[0]); !done)
    return done;
  return device_->upload(ends_at, ends.data(), ends.size() * sizeof ends[0]);
}

Result<void> K2kEdge::upload_ends() {
  if (auto done = device_->upload(out_memory_, outs_.data(), outs_.size() * sizeof(K2kOut)); !done)
    return done;
  return device_->upload(in_memory_, ins_.data(), ins_.size() * sizeof(K2kIn));
}

void K2kEdge::attach_sender(uint32_t block, OutEdge* refusing,
                            const std::vector<Block*>& receivers) {
  from_.pump(block).add_out(spec_.port, outs_[block].of_port, refusing, receivers, *sent_[block]);
}

void K2kEdge::attach_receiver(uint32_t block) {
  to_.pump(block).add_in(*this, *received_[block], spec_.refused[block]);
}

// The receivers know of their rings before anything can be in them.
void K2kEdge::open() {
  std::vector<char*> ins, outs;
  for (size_t r = 0; r < ins_.size(); ++r) ins.push_back(in_memory_ + r * sizeof(K2kIn));
  for (size_t s = 0; s < outs_.size(); ++s) outs.push_back(out_memory_ + s * sizeof(K2kOut));
  to_.tables().add_in(ins, static_cast<uint32_t>(outs_.size()) * levels_);
  to_.settle();
  index_ = from_.tables().add_out(outs, spec_.port);
  from_.settle();
}

void K2kEdge::set_state(K2kState state) {
  from_.tables().set_state(index_, state);
  from_.settle();
}

Result<void> K2kEdge::join_cycle() {
  for (K2kOut& out : outs_) out.in_cycle = 1;
  for (K2kIn& in : ins_) in.in_cycle = 1;
  return upload_ends();
}

uint64_t K2kEdge::depth() const {
  uint64_t over = 0, offered = 0;
  for (const ReceiveCounters* c : received_) over += load_acquire(&c->delivered);
  for (const ReceiveCounters* c : spec_.refused) over += load_acquire(&c->failed);
  for (const SendCounters* c : sent_) offered += load_acquire(&c->offered);
  return offered > over ? offered - over : 0;
}

}  // namespace ringkernel::backends::cuda
