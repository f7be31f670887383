#include "launcher/signals.hpp"

#include <pthread.h>
#include <unistd.h>

#include <ctime>
#include <utility>

#include "ringkernel/exit_code.hpp"

namespace ringkernel::launcher {

SignalsHeld::SignalsHeld(pid_t supervisor) : supervisor_(supervisor) {
  sigemptyset(&held_);
  sigaddset(&held_, SIGINT);
  sigaddset(&held_, SIGTERM);
  if (supervisor != 0) sigaddset(&held_, kHandedOn);
  pthread_sigmask(SIG_BLOCK, &held_, &before_);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &pipe_before_);
}

SignalsHeld::~SignalsHeld() {
  // A signal that came too late would end the caller.
  const timespec now{};
  while (sigtimedwait(&held_, nullptr, &now) > 0) {
  }
  sigaction(SIGPIPE, &pipe_before_, nullptr);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

int SignalsHeld::wait() const {
  for (;;) {
    siginfo_t info{};
    const int signal = sigwaitinfo(&held_, &info);
    if (signal < 0) continue;
    if (signal == kHandedOn) return info.si_value.sival_int;
    const bool from_outside = info.si_pid != getpid();
    if (!from_outside || supervisor_ == 0 || getppid() != supervisor_) return signal;
  }
}

SignalWatch::SignalWatch(const SignalsHeld& signals, std::function<void(bool interrupt)> stop,
                         std::function<void(std::string_view)> say)
    : thread_([this, &signals, stop = std::move(stop), say = std::move(say)] {
        for (bool first = true;; first = false) {
          const int signal = signals.wait();
          if (over_.load()) return;
          if (!first) {
            say("ended before it had drained");
            _exit(static_cast<int>(ExitCode::Terminated));
          }
          const bool interrupt = signal == SIGINT;
          say(interrupt ? "interrupted; draining (again: end at once)"
                        : "stopping; draining (again: end at once)");
          stop(interrupt);
        }
      }) {}

SignalWatch::~SignalWatch() {
  over_.store(true);
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
}

}  // namespace ringkernel::launcher
