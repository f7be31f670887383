// SIGINT and SIGTERM while something runs in this process.
#pragma once

#include <atomic>
#include <csignal>
#include <functional>
#include <string_view>
#include <thread>

namespace ringkernel::launcher {

// By which a supervisor hands on the signal that it was sent; real-time ones queue, so that none is
// lost beside the same one sent to all of the group.
inline const int kHandedOn = SIGRTMIN;

// They wait for a SignalWatch, in this thread and those it makes; a closed pipe is an error of the
// write.
class SignalsHeld {
 public:
  // `supervisor`: the process that hands them on; while it lives, what is sent to this one itself
  // does not count, since it may have been sent to both. 0: there is none.
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
