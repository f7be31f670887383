// What inputs, outputs and dead letters tell the thread that leads the run.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "ringkernel/exit_code.hpp"

namespace ringkernel::launcher {

class RunEvents {
 public:
  // A finite input has given all that it has.
  void input_ended() {
    open_inputs_.fetch_sub(1);
    notify();
  }
  void expect_input() { open_inputs_.fetch_add(1); }
  int open_inputs() const { return open_inputs_.load(); }

  // The output that `run.until` names has what it asks for.
  void reached() {
    reached_.store(true);
    notify();
  }
  bool was_reached() const { return reached_.load(); }

  // Something that ends the run, or only what it is worth: the most severe code wins.
  void failed(ExitCode code, std::string complaint) {
    {
      const std::lock_guard lock(mutex_);
      code_ = first_of(code_, code);
      if (!complaint.empty()) complaints_.push_back(std::move(complaint));
    }
    fatal_.store(true);
    notify();
  }
  // The run goes on, and ends with this code or a more severe one.
  void complain(ExitCode code, std::string complaint) {
    const std::lock_guard lock(mutex_);
    code_ = first_of(code_, code);
    complaints_.push_back(std::move(complaint));
  }
  bool has_failed() const { return fatal_.load(); }
  ExitCode code() const {
    const std::lock_guard lock(mutex_);
    return code_;
  }
  std::vector<std::string> complaints() const {
    const std::lock_guard lock(mutex_);
    return complaints_;
  }

  void notify() {
    {
      const std::lock_guard lock(mutex_);
      ++changes_;
    }
    changed_.notify_all();
  }
  // Returns when `condition` holds; asks again with each notify() and every `interval`.
  template <class Condition>
  void wait_until(std::chrono::milliseconds interval, Condition&& condition) {
    std::unique_lock lock(mutex_);
    for (;;) {
      const uint64_t seen = changes_;
      lock.unlock();
      const bool holds = condition();
      lock.lock();
      if (holds) return;
      changed_.wait_for(lock, interval, [&] { return changes_ != seen; });
    }
  }

 private:
  std::atomic<int> open_inputs_{0};
  std::atomic<bool> reached_{false};
  std::atomic<bool> fatal_{false};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t changes_ = 0;
  ExitCode code_ = ExitCode::Ok;
  std::vector<std::string> complaints_;
};

}  // namespace ringkernel::launcher
