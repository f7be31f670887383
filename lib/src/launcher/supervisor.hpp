// Starts a run again when one of its kernels has failed (run.on_kernel_failure: restart). A crash
// takes the process with it, and after a device error the driver answers nothing else for as long
// as the process lives: so each run is a process of its own, and this one only watches.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <deque>
#include <functional>
#include <string>

#include "launcher/shared_progress.hpp"
#include "ringkernel/exit_code.hpp"
#include "topology/topology.hpp"

namespace ringkernel::launcher {

class Supervisor {
 public:
  // `say` gets a sentence for the log. REQUIRES: no other thread exists.
  Supervisor(const topology::Run& run, SharedProgress& progress,
             std::function<void(std::string_view)> say);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Calls `run` in a new process until it does not fail any more, was asked to end, or has failed
  // too often; `watching` in this one, once the first has begun. SIGINT and SIGTERM are handed on.
  // Returns the code of the last run. IoError: no process could be made.
  Result<ExitCode> supervise(const std::function<ExitCode()>& run,
                             const std::function<void()>& watching);

 private:
  using Clock = std::chrono::steady_clock;

  Result<pid_t> start(const std::function<ExitCode()>& run);
  ExitCode await(pid_t child);
  void forget_old_restarts();
  bool pause(topology::Duration delay);

  const topology::Run& limits_;
  SharedProgress& progress_;
  const std::function<void(std::string_view)> say_;
  sigset_t watched_;
  sigset_t before_;
  struct sigaction child_before_ {};
  std::deque<Clock::time_point> restarts_;  // that still count
};

}  // namespace ringkernel::launcher
