#include "backends/cuda/device.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

namespace ringkernel::backends::cuda {
namespace {

constexpr auto kBeat = std::chrono::milliseconds(20);  // far below the lease of a resident kernel
// Kernels that come and go must find room beside those that stay.
constexpr double kForResident = 0.9;

}  // namespace

Result<std::shared_ptr<Device>> Device::open(int ordinal) {
  static std::mutex mutex;
  static std::map<int, std::weak_ptr<Device>> known;
  std::lock_guard lock(mutex);
  if (auto device = known[ordinal].lock(); device != nullptr && !device->error()) return device;
  auto driver = Driver::open();
  if (!driver) return tl::unexpected(driver.error());
  auto all = (*driver)->devices();
  if (!all) return tl::unexpected(all.error());
  const auto found = std::find_if(all->begin(), all->end(), [&](const DeviceProperties& device) {
    return device.ordinal == ordinal;
  });
  if (found == all->end())
    return fail(
        ErrorCode::BackendUnavailable,
        "there is no device " + std::to_string(ordinal) + ", only " + std::to_string(all->size()),
        "CUDA");
  if (const std::string why = found->unusable(); !why.empty())
    return fail(ErrorCode::BackendUnavailable, why, found->name);
  std::shared_ptr<Device> device(new Device(**driver, *found));
  if (auto done = device->start(); !done) return tl::unexpected(done.error());
  known[ordinal] = device;
  return device;
}

std::optional<Error> unavailable() {
  auto driver = Driver::open();
  if (!driver) return driver.error();
  auto all = (*driver)->devices();
  if (!all) return all.error();
  std::string why = "there is no GPU";
  for (const DeviceProperties& device : *all) {
    const std::string lacks = device.unusable();
    if (lacks.empty()) return std::nullopt;
    why = device.name + ": " + lacks;
  }
  return Error{ErrorCode::BackendUnavailable, why, "CUDA"};
}

Device::Device(const Driver& driver, DeviceProperties properties)
    : driver_(driver),
      properties_(std::move(properties)),
      memory_(
          [this](size_t bytes) -> Result<char*> {
            if (auto done = enter(); !done) return tl::unexpected(done.error());
            CUdeviceptr memory = 0;
            if (const CUresult result = api().cuMemAlloc(&memory, bytes); result != kSuccess)
              return tl::unexpected(
                  driver_.error(result, "taking " + std::to_string(bytes) + " bytes of " + name()));
            return reinterpret_cast<char*>(memory);
          },
          [this](char* memory) {
            if (enter()) api().cuMemFree(reinterpret_cast<CUdeviceptr>(memory));
          }),
      mapped_(
          [this](size_t bytes) -> Result<char*> {
            if (auto done = enter(); !done) return tl::unexpected(done.error());
            void* memory = nullptr;
            const CUresult result = api().cuMemHostAlloc(
                &memory, bytes, kMemHostAllocPortable | kMemHostAllocDeviceMap);
            if (result != kSuccess)
              return tl::unexpected(driver_.error(
                  result, "mapping " + std::to_string(bytes) + " bytes for " + name()));
            return static_cast<char*>(memory);
          },
          [this](char* memory) {
            if (enter()) api().cuMemFreeHost(memory);
          }) {}

Device::~Device() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (keep_) return;
  if (copies_ != nullptr && enter()) api().cuStreamDestroy(copies_);
  memory_.clear();
  mapped_.clear();
  if (context_ != nullptr) api().cuDevicePrimaryCtxRelease(properties_.handle);
}

Result<void> Device::start() {
  if (const CUresult result = api().cuDevicePrimaryCtxRetain(&context_, properties_.handle);
      result != kSuccess)
    return tl::unexpected(driver_.error(result, "making a context on " + name()));
  if (auto done = enter(); !done) return done;
  if (const CUresult result = api().cuStreamCreateWithPriority(&copies_, kStreamNonBlocking, 0);
      result != kSuccess)
    return tl::unexpected(driver_.error(result, "making a stream on " + name()));
  thread_ = std::thread([this] { work(); });
  return {};
}

Result<void> Device::upload(void* to, const void* from, size_t bytes) {
  if (auto done = enter(); !done) return done;
  // By way of pinned memory: for other the driver may wait until the device has nothing to do.
  auto pinned = mapped_.allocate(bytes);
  if (!pinned) return tl::unexpected(pinned.error());
  std::memcpy(*pinned, from, bytes);
  CUresult result =
      api().cuMemcpyHtoDAsync(reinterpret_cast<CUdeviceptr>(to), *pinned, bytes, copies_);
  if (result == kSuccess) result = api().cuStreamSynchronize(copies_);
  mapped_.release(*pinned);
  if (result == kSuccess) return {};
  return tl::unexpected(driver_.error(result, "copying to " + name()));
}

Result<void> Device::clear(char* memory, size_t bytes) {
  const std::vector<char> zeros(std::min(bytes, size_t{1} << 20));
  for (size_t at = 0; at < bytes; at += zeros.size())
    if (auto done = upload(memory + at, zeros.data(), std::min(zeros.size(), bytes - at)); !done)
      return done;
  return {};
}

Result<void> Device::enter() const {
  if (const CUresult result = api().cuCtxSetCurrent(context_); result != kSuccess)
    return tl::unexpected(driver_.error(result, "entering the context of " + name()));
  return {};
}

Result<void> Device::admit(uint32_t blocks, uint32_t most, const std::string& what,
                           const std::string& limit) {
  std::lock_guard lock(ledger_mutex_);
  const double free = std::max(0.0, kForResident - in_use_);
  // A device with little on it takes at least one block, whatever is kept free.
  auto fits = static_cast<uint32_t>(std::floor(free * most + 1e-9));
  if (in_use_ == 0 && most > 0) fits = std::max(fits, 1U);
  if (blocks > fits)
    return fail(ErrorCode::LaunchFailed,
                "asks for " + std::to_string(blocks) + " resident blocks, " + std::to_string(fits) +
                    " fit on " + name() + " (" + properties_.name + ")" +
                    (in_use_ > 0 ? " beside the kernels that it runs" : "") + ", where " +
                    std::to_string(most) + " are the most, limited by " + limit,
                what);
  in_use_ += static_cast<double>(blocks) / most;
  return {};
}

void Device::dismiss(uint32_t blocks, uint32_t most) {
  std::lock_guard lock(ledger_mutex_);
  in_use_ = std::max(0.0, in_use_ - static_cast<double>(blocks) / most);
}

void Device::watch(Resident& resident) {
  std::lock_guard lock(mutex_);
  residents_.push_back(&resident);
  resident.beat(heartbeat_);
}

void Device::forget(Resident& resident) {
  std::lock_guard lock(mutex_);
  std::erase(residents_, &resident);
}

std::optional<Error> Device::error() const {
  std::lock_guard lock(mutex_);
  return error_;
}

void Device::work() {
  api().cuCtxSetCurrent(context_);
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    ++heartbeat_;
    for (Resident* resident : residents_) resident->beat(heartbeat_);
    for (size_t i = 0; i < residents_.size() && !error_; ++i) {
      const CUresult result = api().cuStreamQuery(residents_[i]->stream());
      if (result == kErrorNotReady) continue;
      if (result == kSuccess)
        residents_[i]->ended();
      else
        error_ = driver_.error(result, "running '" + name() + "'");
    }
    if (error_)
      for (Resident* resident : residents_) resident->lost(*error_);
    changed_.wait_for(lock, kBeat);
  }
}

}  // namespace ringkernel::backends::cuda
