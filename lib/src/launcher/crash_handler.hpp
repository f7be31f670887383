// A handler that crashes ends the process with exit code 70, after one line that names the signal,
// the kernel, its handler, the message that was in hand, and how many more were. One that calls
// exit() does so, too. Written for a signal handler: nothing is allocated, one write, _exit.
#pragma once

#include <cstdint>
#include <string>

#include "launcher/shared_progress.hpp"

namespace ringkernel::launcher {

// What a crash takes along. Called by a signal handler.
class CrashCounts {
 public:
  virtual uint64_t lost() const noexcept = 0;  // messages
  virtual void crashed() noexcept = 0;         // keeps what has been counted

 protected:
  ~CrashCounts() = default;
};

class CrashHandler {
 public:
  // Takes SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT until it is destroyed. One at a time.
  explicit CrashHandler(const std::string& topology);
  ~CrashHandler();
  CrashHandler(const CrashHandler&) = delete;
  CrashHandler& operator=(const CrashHandler&) = delete;

  // Names that the line may need. REQUIRES: before the kernels run.
  // `progress`: where its failures are counted; null: nowhere.
  static void name_kernel(uint32_t id, SharedProgress::Kernel* progress, const std::string& kernel,
                          const std::string& handler);
  static void name_type(uint16_t id, const std::string& type);

  // Where the line goes beside standard error; negative: nowhere.
  static void copy_to(int descriptor);

  // What counts the messages that are lost; null: nothing does.
  static void count_by(CrashCounts* counts);

  // A stack of the calling thread's own, for when the other one is used up.
  static void prepare_thread();
};

}  // namespace ringkernel::launcher
