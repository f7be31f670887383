// A wire between two kernels of one device: its rings, its ends at each block and its counters.
#pragma once

#include <memory>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cuda/device.hpp"
#include "ringkernel/device/k2k.hpp"

namespace ringkernel::backends::cuda {

class ResidentKernel;

class K2kEdge final : public RemoteEdge {
 public:
  // Most memory that the rings of one wire may take; above, they hold fewer messages each.
  static constexpr uint64_t kMostBytes = uint64_t{256} << 20;

  // Null: it cannot lie on the device, and goes through the host.
  static Result<std::unique_ptr<K2kEdge>> create(std::shared_ptr<Device> device,
                                                 ResidentKernel& from, ResidentKernel& to,
                                                 const RemoteEdgeSpec& spec);
  ~K2kEdge() override;

  const std::vector<SendCounters*>& sent() const override { return sent_; }
  const std::vector<ReceiveCounters*>& received() const override { return received_; }
  uint64_t capacity() const override { return capacity_ * rings_; }
  uint64_t ring_capacity() const override { return capacity_; }
  void attach_sender(uint32_t block, OutEdge* refusing,
                     const std::vector<Block*>& receivers) override;
  void attach_receiver(uint32_t block) override;
  void open() override;
  void close() override { set_state(K2kState::Closed); }
  void remove() override { set_state(K2kState::Removed); }
  Result<void> join_cycle() override;

  uint32_t number() const { return spec_.number; }
  // Messages that were offered, and neither delivered nor refused.
  uint64_t depth() const;

 private:
  K2kEdge(std::shared_ptr<Device> device, ResidentKernel& from, ResidentKernel& to,
          const RemoteEdgeSpec& spec);
  Result<void> lay_out();
  K2kOut sending_end(uint32_t block) const;
  K2kIn receiving_end(uint32_t block) const;
  bool fits_clusters() const;
  K2kCluster cluster_of(uint32_t block) const;
  Ring ring_of(uint32_t sender, uint32_t receiver, uint32_t level) const;
  Result<char*> take(DeviceMemory& from, size_t bytes);
  Result<void> upload_ends();
  void set_state(K2kState state);

  const std::shared_ptr<Device> device_;
  ResidentKernel& from_;
  ResidentKernel& to_;
  const RemoteEdgeSpec spec_;
  const uint32_t inboxes_;  // at the receiver: a block each, or one that they share
  const uint32_t levels_;   // of priority, a ring each
  const bool shared_;       // several blocks take from a ring
  const uint64_t rings_;
  bool in_clusters_ = false;  // the rings between blocks of a cluster lie in shared memory
  uint32_t capacity_ = 0;     // of each
  Ring first_ring_;           // of the rings, which lie side by side
  uint32_t index_ = 0;        // in the senders' tables
  std::vector<K2kOut> outs_;  // as the device has them at first, and where
  std::vector<K2kIn> ins_;
  char* out_memory_ = nullptr;
  char* in_memory_ = nullptr;
  std::vector<std::pair<DeviceMemory*, char*>> memory_;
  std::vector<SendCounters*> sent_;
  std::vector<ReceiveCounters*> received_;
};

}  // namespace ringkernel::backends::cuda
