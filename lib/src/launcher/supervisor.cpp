#include "launcher/supervisor.hpp"

#include <spdlog/fmt/fmt.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

#include "launcher/run_status.hpp"
#include "launcher/signals.hpp"

namespace ringkernel::launcher {

Supervisor::Supervisor(const topology::Run& run, SharedProgress& progress,
                       std::function<void(std::string_view)> say)
    : limits_(run), progress_(progress), say_(std::move(say)) {
  // Where the caller ignores it, children leave no exit status.
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &usual, &child_before_);
  sigemptyset(&watched_);
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD}) sigaddset(&watched_, signal);
  pthread_sigmask(SIG_BLOCK, &watched_, &before_);
}

Supervisor::~Supervisor() {
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  sigaction(SIGCHLD, &child_before_, nullptr);
}

Result<pid_t> Supervisor::start(const std::function<ExitCode()>& run) {
  const pid_t self = getpid();
  sigset_t handed_on, before;
  sigemptyset(&handed_on);
  sigaddset(&handed_on, kHandedOn);
  pthread_sigmask(SIG_BLOCK, &handed_on, &before);
  fflush(nullptr);
  const pid_t child = fork();
  const int reason = errno;
  if (child != 0) pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (child < 0)
    return fail(ErrorCode::IoError, std::string("no process for the run: ") + strerror(reason));
  if (child > 0) return child;
  // Those that end it stay blocked until it looks at them.
  sigset_t child_ended;
  sigemptyset(&child_ended);
  sigaddset(&child_ended, SIGCHLD);
  pthread_sigmask(SIG_UNBLOCK, &child_ended, nullptr);
  // Nothing else would end it.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != self) _exit(static_cast<int>(ExitCode::Terminated));
  exit(static_cast<int>(run()));
}

ExitCode Supervisor::await(pid_t child) {
  for (;;) {
    int status = 0;
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended < 0 && errno != EINTR) return ExitCode::Crashed;
    if (ended == child && WIFSIGNALED(status)) return static_cast<ExitCode>(128 + WTERMSIG(status));
    if (ended == child) return static_cast<ExitCode>(WEXITSTATUS(status));
    const int signal = sigwaitinfo(&watched_, nullptr);
    if (signal != SIGINT && signal != SIGTERM) continue;
    progress_.end();
    sigval which{};
    which.sival_int = signal;
    sigqueue(child, kHandedOn, which);
  }
}

void Supervisor::forget_old_restarts() {
  const auto now = Clock::now();
  while (!restarts_.empty() && now - restarts_.front() > limits_.restart_window)
    restarts_.pop_front();
}

// False: somebody has asked for the end meanwhile.
bool Supervisor::pause(topology::Duration delay) {
  const auto until = Clock::now() + delay;
  for (;;) {
    const auto left = std::max(until - Clock::now(), Clock::duration(0));
    const auto whole = std::chrono::duration_cast<std::chrono::seconds>(left);
    const timespec limit{whole.count(), (left - whole).count()};
    const int signal = sigtimedwait(&watched_, nullptr, &limit);
    if (signal == SIGINT || signal == SIGTERM) return false;
    if (signal < 0 && errno == EAGAIN) return true;
  }
}

Result<ExitCode> Supervisor::supervise(const std::function<ExitCode()>& run,
                                       const std::function<void()>& watching) {
  for (;;) {
    auto child = start(run);
    if (!child) return tl::unexpected(child.error());
    if (progress_.restarts() == 0) watching();
    const ExitCode code = await(*child);
    // A device that has failed may need a while to be there again.
    const bool failed =
        code == ExitCode::Crashed || (code == ExitCode::Unavailable && progress_.restarts() > 0);
    if (!failed || progress_.ends()) return code;
    if (progress_.is_last()) {
      say_(fmt::format("{} restarts within {:g} s are the most; it ends", limits_.max_restarts,
                       std::chrono::duration<double>(limits_.restart_window).count()));
      return ExitCode::Crashed;
    }
    forget_old_restarts();
    topology::Duration delay = limits_.restart_delay;
    for (size_t i = 0; i < restarts_.size() && delay < topology::Run::kLongestRestartDelay; ++i)
      delay *= 2;
    delay = std::min(delay, topology::Run::kLongestRestartDelay);
    restarts_.push_back(Clock::now());
    say_(fmt::format("restarts in {} ({} of {})",
                     duration_text(std::chrono::duration<double>(delay).count()), restarts_.size(),
                     limits_.max_restarts));
    if (!pause(delay)) {
      say_("stopped before it was started again");
      return code;
    }
    progress_.restart(restarts_.size() >= limits_.max_restarts);
  }
}

}  // namespace ringkernel::launcher
