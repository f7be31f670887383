// How far the runs of one launch have come. Each run is a process of its own (see Supervisor), so
// this lies in memory that they share: where inputs go on, which kernels have failed how often, and
// what has been counted before.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ringkernel/error.hpp"

namespace ringkernel::launcher {

class SharedProgress {
 public:
  struct Input {
    std::atomic<uint64_t> offset{0};   // of a file: behind the last record that was taken
    std::atomic<uint64_t> records{0};  // taken
  };
  struct Kernel {
    std::atomic<uint32_t> failures{0};  // in this run
    std::atomic<uint32_t> restarts{0};  // failures that a restart has followed
  };
  // Of all runs before this one.
  struct Totals {
    std::atomic<uint64_t> lines{0};
    std::atomic<uint64_t> handled{0};
    std::atomic<uint64_t> failed{0};  // bad lines too, and what a crash has lost
  };

  // IoError: no memory is left to share.
  static Result<std::unique_ptr<SharedProgress>> create(size_t inputs, size_t kernels);
  ~SharedProgress();
  SharedProgress(const SharedProgress&) = delete;
  SharedProgress& operator=(const SharedProgress&) = delete;

  Input& input(size_t i) { return inputs_[i]; }
  Kernel& kernel(size_t i) { return kernels_[i]; }
  Totals& totals() { return head_->totals; }

  // How many runs have begun before this one.
  uint32_t restarts() const { return head_->restarts.load(); }
  // Another run takes the place of the last one.
  void restart();

  // Somebody has asked for the end: nothing is to be started again.
  void end() { head_->ends.store(true); }
  bool ends() const { return head_->ends.load(); }

  // What has been read of an input that cannot be read again, and is no record yet.
  void keep_rest(size_t input, std::string_view bytes);
  std::string rest_of(size_t input) const;

 private:
  struct Head {
    std::atomic<uint32_t> restarts{0};
    std::atomic<bool> ends{false};
    Totals totals;
  };
  SharedProgress() = default;

  void* memory_ = nullptr;
  size_t size_ = 0;
  Head* head_ = nullptr;
  Input* inputs_ = nullptr;
  Kernel* kernels_ = nullptr;
  size_t kernel_count_ = 0;
  std::vector<int> rests_;  // a file without a name for each input
};

}  // namespace ringkernel::launcher
