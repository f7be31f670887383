// A kernel on a device: its code and memory there, its launches, and a pump per block.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cuda/device.hpp"
#include "backends/cuda/device_buffers.hpp"
#include "backends/cuda/k2k_tables.hpp"
#include "backends/cuda/pump.hpp"
#include "ringkernel/launch_options.hpp"

namespace ringkernel::backends::cuda {

// What a device needs to know of a kernel. `module` says how its handler is laid out.
struct ResidentSpec {
  std::string name;
  uint32_t id = 0;
  const HandlerModule* module = nullptr;
  std::string image;  // for the device's architecture, with the entry `rk_resident`
  LaunchOptions options;
  std::vector<std::byte> params;
  uint64_t key_capacity = 0;
  std::vector<uint16_t> accept_types;  // message type ids, by accept index
  std::function<void(const Error&)> on_lost;
};

class ResidentKernel final : public RemoteKernel, private Resident {
 public:
  // Loads the code and takes the memory. `contents`: what each buffer holds at first; empty:
  // zeroes. LaunchFailed: it does not fit, with the figures; OutOfMemory.
  static Result<std::unique_ptr<ResidentKernel>> create(std::shared_ptr<Device> device,
                                                        ResidentSpec spec,
                                                        const std::vector<FillPart>& contents);
  ~ResidentKernel() override;

  Result<void> launch() override;
  StepResult step(Block& block, uint32_t budget, bool active) override;
  bool quiet(uint32_t block) const override { return pumps_[block]->quiet(); }
  void look_again(uint32_t block) override { pumps_[block]->look_again(); }
  void leave() override;
  bool conclude(Block& block, Reason reason) override;
  Result<void> read_buffer(uint32_t buffer, const TakePart& take) override;
  void release() override;
  void detach() override;
  uint64_t bytes_to_device() const override;
  uint64_t bytes_from_device() const override;
  uint64_t bytes_polled() const override;
  uint64_t device_memory() const override { return device_bytes_.load() + buffers_.bytes(); }
  int device() const override { return device_->properties().ordinal; }
  Result<std::unique_ptr<RemoteEdge>> connect(RemoteKernel& to,
                                              const RemoteEdgeSpec& spec) override;
  const BlockCounters* counters(uint32_t block) const override {
    return pumps_[block]->memory().counters;
  }
  void set_host_ports(uint32_t block, uint64_t ports) override {
    tables_.set_host_ports(block, ports);
  }
  void settle() override;
  std::string_view notice() const override { return without_clusters_; }
  void refuse(uint32_t block, Reason reason) override { pumps_[block]->refuse(reason); }

  // For the wires on the device.
  uint32_t blocks() const { return static_cast<uint32_t>(pumps_.size()); }
  K2kTables& tables() { return tables_; }
  Pump& pump(uint32_t block) { return *pumps_[block]; }
  bool is_abandoned() const { return abandoned_; }
  // Shared memory that is kept for the rings of one wire between the blocks of a cluster.
  struct ClusterMemory {
    uint32_t blocks = 1;  // of a cluster; 1: the kernel is not launched in clusters
    uint32_t offset = 0;
    uint32_t bytes = 0;
  };
  const ClusterMemory& cluster() const { return cluster_; }
  // True for the first wire that asks.
  bool take_cluster_memory() { return cluster_.bytes > 0 && !cluster_taken_.exchange(true); }

 private:
  ResidentKernel(std::shared_ptr<Device> device, ResidentSpec spec);
  Error named(Error error) const;  // with the kernel as its place
  Result<void> load();
  std::string limit() const;
  void lay_out_cluster();
  CUlaunchConfig launch_config(CUlaunchAttribute& cluster) const;
  Result<void> lay_out();
  Result<char*> take(DeviceMemory& from, size_t bytes, std::vector<char*>& into);
  Result<void> start();
  bool all_are(ResidentState state) const;
  bool batch_is_due(const Pump& pump, const Block& block) const;
  void launch_again();

  CUstream stream() const override { return stream_; }
  void beat(uint64_t heartbeat) override;
  void ended() override;
  void lost(const Error& error) override;

  bool is_grid() const { return spec_.module->granularity == Granularity::Grid; }
  bool is_resident() const { return spec_.options.mode == KernelMode::Persistent; }

  const std::shared_ptr<Device> device_;
  const ResidentSpec spec_;
  uint32_t grid_ = 1;     // blocks on the device
  uint32_t threads_ = 1;  // of each
  uint32_t shared_bytes_ = 0;
  uint32_t most_blocks_ = 0;  // that the whole device holds
  bool admitted_ = false;
  CUmodule module_ = nullptr;
  CUfunction entry_ = nullptr;
  CUstream stream_ = nullptr;
  CUdeviceptr frames_ = 0;
  std::vector<char*> device_memory_;
  std::vector<char*> mapped_memory_;
  DeviceBuffers buffers_;
  std::atomic<uint64_t> device_bytes_{0};  // without the buffers
  std::atomic<uint64_t> idle_looks_{0};    // of all blocks, when the host last showed them life
  std::string without_clusters_;           // why, where it was asked for them
  ClusterMemory cluster_;
  std::atomic<bool> cluster_taken_{false};
  uint32_t in_stride_ = 0;
  uint32_t out_stride_ = 0;
  std::vector<std::unique_ptr<Pump>> pumps_;
  K2kTables tables_;  // kept until the end: its counters are read for ever
  std::atomic<bool> launched_{false};
  std::atomic<bool> leaving_{false};
  std::atomic<bool> lost_{false};
  std::atomic<bool> detached_{false};
  std::atomic<bool> abandoned_{
      false};         // it did not leave: what it may still write to is not used again
  std::mutex again_;  // only one pump launches the next batch
};

}  // namespace ringkernel::backends::cuda
