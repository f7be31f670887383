// One GPU that this process uses: its context, its memory, what is resident on it, and the thread
// that shows it the host's life and hears of its death.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "backends/cuda/device_memory.hpp"
#include "backends/cuda/driver.hpp"

namespace ringkernel::backends::cuda {

// A launched kernel, as the device's thread watches it.
class Resident {
 public:
  virtual ~Resident() = default;
  virtual CUstream stream() const = 0;
  virtual void beat(uint64_t heartbeat) = 0;
  // Its stream has nothing left to do. Called on the device's thread.
  virtual void ended() = 0;
  // The device answers with an error; whatever was on it is lost. Called once.
  virtual void lost(const Error& error) = 0;
};

class Device {
 public:
  // The same device for the same ordinal, as long as somebody holds it. BackendUnavailable: there
  // is no such device, or it cannot run resident kernels.
  static Result<std::shared_ptr<Device>> open(int ordinal);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Driver& driver() const { return driver_; }
  const DriverApi& api() const { return driver_.api(); }
  const DeviceProperties& properties() const { return properties_; }
  std::string name() const { return "cuda" + std::to_string(properties_.ordinal); }

  // The context is the calling thread's from now on.
  Result<void> enter() const;

  DeviceMemory& memory() { return memory_; }  // the device's
  DeviceMemory& mapped() { return mapped_; }  // the host's, at the same address on both sides

  // Takes room for `blocks` blocks of which `most` fit on the whole device, or says what is asked,
  // what fits and what limits it: LaunchFailed.
  Result<void> admit(uint32_t blocks, uint32_t most, const std::string& what,
                     const std::string& limit);
  void dismiss(uint32_t blocks, uint32_t most);

  // For copies beside what is resident.
  CUstream copies() const { return copies_; }
  // Copies to the device's memory, whatever runs there.
  Result<void> upload(void* to, const void* from, size_t bytes);
  // Zeroes it by copies too: a memset is a kernel, which would wait for those that fill the device.
  Result<void> clear(char* memory, size_t bytes);

  void watch(Resident& resident);
  // Returns when the thread does not look at it any more. REQUIRES: not the device's thread.
  void forget(Resident& resident);
  std::optional<Error> error() const;  // why the device is lost
  // A kernel did not leave: what it may still write to is kept until the process ends.
  void keep_memory() { keep_.store(true); }

 private:
  Device(const Driver& driver, DeviceProperties properties);
  Result<void> start();
  void work();

  const Driver& driver_;
  const DeviceProperties properties_;
  CUcontext context_ = nullptr;
  CUstream copies_ = nullptr;
  DeviceMemory memory_;
  DeviceMemory mapped_;

  std::mutex ledger_mutex_;
  double in_use_ = 0;  // of the device, 1: all

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Resident*> residents_;
  std::optional<Error> error_;
  uint64_t heartbeat_ = 1;
  bool stopping_ = false;
  std::atomic<bool> keep_{false};
  std::thread thread_;
};

// Why kernels cannot run on any GPU of this machine, or nothing where they can.
std::optional<Error> unavailable();

}  // namespace ringkernel::backends::cuda
