// The thread that sleeps until a descriptor is ready, so that no worker has to.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "ringkernel/error.hpp"

namespace ringkernel::launcher {

class Poller {
 public:
  static Result<std::unique_ptr<Poller>> start();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  enum class For : uint8_t { Reading, Writing };

  // Says what to call when `descriptor` is ready after an arm(): on the poller's thread, briefly.
  // False: this kind of descriptor is always ready (a regular file). The descriptor stays open
  // until remove().
  bool add(int descriptor, For what, std::function<void()> ready);
  // Once more. Ready already: the call comes at once.
  void arm(int descriptor);
  // Returns when no call of it is under way.
  void remove(int descriptor);
  // Ends the thread: nothing is called any more.
  void stop();

 private:
  Poller() = default;
  void run();

  struct Watch {
    For what = For::Reading;
    std::function<void()> ready;
    bool armed = false;
  };
  int poll_ = -1;
  int wake_ = -1;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // held while `ready` is called
  std::unordered_map<int, Watch> watches_;
  std::thread thread_;
};

}  // namespace ringkernel::launcher
