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
    std::atomic<uint64_t> offset{0};    // of a file: behind the last record that was taken
    std::atomic<uint64_t> file{0};      // its number in its file system; 0: no file
    std::atomic<uint64_t> records{0};   // taken
    std::atomic<bool> skipping{false};  // what follows is the rest of a line that is too long
  };
  struct Kernel {
    std::atomic<uint32_t> failures{0};  // in this run
    std::atomic<uint32_t> restarts{0};  // failures that a restart has followed
  };
  struct Output {
    std::atomic<uint64_t> written{0};  // messages, by all runs
  };
  // Of the runs before this one.
  struct Totals {
    std::atomic<uint64_t> lines{0};
    std::atomic<uint64_t> handled{0};
    std::atomic<uint64_t> failed{0};  // bad lines too, and what a crash has lost
  };

  // IoError: no memory is left to share.
  static Result<std::unique_ptr<SharedProgress>> create(size_t inputs, size_t kernels,
                                                        size_t outputs);
  ~SharedProgress();
  SharedProgress(const SharedProgress&) = delete;
  SharedProgress& operator=(const SharedProgress&) = delete;

  Input& input(size_t i) { return inputs_[i]; }
  Kernel& kernel(size_t i) { return kernels_[i]; }
  Output& output(size_t i) { return outputs_[i]; }
  Totals& totals() { return head_->totals; }

  // How many runs have begun before this one.
  uint32_t restarts() const { return head_->restarts.load(); }
  // Another run takes the place of the last one. `last`: none will follow it.
  void restart(bool last);
  bool is_last() const { return head_->last.load(); }

  // Somebody has asked for the end: nothing is to be started again.
  void end() { head_->ends.store(true); }
  bool ends() const { return head_->ends.load(); }

  // What has been read of an input that cannot be read again, and is no record yet.
  void keep_rest_of_input(size_t input, std::string_view bytes) {
    keep(input_rests_[input], bytes);
  }
  std::string rest_of_input(size_t input) const { return kept(input_rests_[input]); }
  // What is missing of a line or struct that an output has begun to write.
  void keep_rest_of_output(size_t output, std::string_view bytes) {
    keep(output_rests_[output], bytes);
  }
  std::string rest_of_output(size_t output) const { return kept(output_rests_[output]); }

 private:
  struct Head {
    std::atomic<uint32_t> restarts{0};
    std::atomic<bool> last{false};
    std::atomic<bool> ends{false};
    Totals totals;
  };
  SharedProgress() = default;
  static void keep(int file, std::string_view bytes);
  static std::string kept(int file);

  void* memory_ = nullptr;
  size_t size_ = 0;
  Head* head_ = nullptr;
  Input* inputs_ = nullptr;
  Kernel* kernels_ = nullptr;
  Output* outputs_ = nullptr;
  size_t kernel_count_ = 0;
  std::vector<int> input_rests_, output_rests_;  // files without a name
};

}  // namespace ringkernel::launcher
