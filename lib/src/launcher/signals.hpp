// SIGINT and SIGTERM while something runs in this process.
#pragma once

#include <atomic>
#include <csignal>
#include <functional>
#include <string_view>
#include <thread>

namespace ringkernel::launcher {

// They wait for a SignalWatch, in this thread and those it makes; a closed pipe is an error of the
// write.
class SignalsHeld {
 public:
  // `supervisor`: the process that hands them on, so that those sent to all of the group do not
  // count twice; 0: none does.
  explicit SignalsHeld(pid_t supervisor = 0);
  ~SignalsHeld();
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

  int wait() const;

 private:
  const pid_t supervisor_;
  sigset_t held_;
  sigset_t before_;
  struct sigaction pipe_before_ {};
};

// A first signal drains what runs; a second one ends the process.
class SignalWatch {
 public:
  // Both are called on a thread of the watch.
  SignalWatch(const SignalsHeld& signals, std::function<void(bool interrupt)> stop,
              std::function<void(std::string_view)> say);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;
};

}  // namespace ringkernel::launcher
