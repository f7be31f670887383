// Wakes the control server's thread from any other. Held by whatever may still call after the
// server is gone.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace ringkernel::launcher {

class ControlWaker {
 public:
  ControlWaker() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~ControlWaker() {
    if (event_ >= 0) close(event_);
  }
  ControlWaker(const ControlWaker&) = delete;
  ControlWaker& operator=(const ControlWaker&) = delete;

  int descriptor() const { return event_; }

  void wake() {
    if (rung_.exchange(true)) return;
    const uint64_t one = 1;
    // Full is as good as written: the reader wakes.
    [[maybe_unused]] const ssize_t written = write(event_, &one, sizeof(one));
  }

  // The server's, before it looks at what there is to do: a wake() from now on rings again.
  void acknowledge() {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t taken = read(event_, &count, sizeof(count));
    rung_.store(false);
  }

 private:
  const int event_;
  std::atomic<bool> rung_{false};
};

}  // namespace ringkernel::launcher
