#include "ringkernel/service.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "launcher/service_folders.hpp"

namespace ringkernel {
namespace {

Error io_error(const std::string& what, const std::string& path = {}) {
  return Error{ErrorCode::IoError, what + ": " + strerror(errno), path};
}

// One byte, the exit code; nothing where every writer is gone.
ExitCode await(int pipe) {
  uint8_t code = 0;
  for (;;) {
    const ssize_t got = read(pipe, &code, 1);
    if (got == 1) return static_cast<ExitCode>(code);
    if (got < 0 && errno == EINTR) continue;
    return ExitCode::Crashed;
  }
}

}  // namespace

Result<void> launcher::write_to_log(const std::string& log) {
  const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return tl::unexpected(io_error("cannot open the log", log));
  fflush(nullptr);
  Result<void> redirected;
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO})
    if (dup2(file, stream) < 0)
      redirected = tl::unexpected(io_error("cannot write to the log", log));
  close(file);
  return redirected;
}

Result<std::optional<ExitCode>> Detached::detach(std::optional<Detached>& child) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return tl::unexpected(io_error("cannot make a pipe"));
  fflush(nullptr);
  const pid_t first = fork();
  if (first < 0) {
    const Error error = io_error("cannot fork");
    close(ends[0]);
    close(ends[1]);
    return tl::unexpected(error);
  }
  if (first > 0) {
    close(ends[1]);
    while (waitpid(first, nullptr, 0) < 0 && errno == EINTR) {
    }
    const ExitCode code = await(ends[0]);
    close(ends[0]);
    return code;
  }
  close(ends[0]);
  setsid();
  // A leader of a session could be given a terminal again; its child cannot.
  const pid_t second = fork();
  if (second != 0) _exit(second < 0 ? static_cast<int>(ExitCode::Crashed) : 0);
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nothing >= 0) {
    dup2(nothing, STDIN_FILENO);
    close(nothing);
  }
  child.emplace(Detached(ends[1]));
  return std::optional<ExitCode>();
}

Detached::Detached(Detached&& other) noexcept : pipe_(std::exchange(other.pipe_, -1)) {}

Detached::~Detached() { failed(ExitCode::Crashed); }

Result<void> Detached::ready(const std::string& log) {
  if (auto redirected = launcher::write_to_log(log); !redirected) return redirected;
  failed(ExitCode::Ok);
  return {};
}

void Detached::failed(ExitCode code) {
  if (pipe_ < 0) return;
  const auto byte = static_cast<uint8_t>(code);
  // The caller may be gone; then nobody is there to be told.
  [[maybe_unused]] const ssize_t written = write(pipe_, &byte, 1);
  close(pipe_);
  pipe_ = -1;
}

Result<ServiceFiles> make_service_files(const std::string& name) {
  auto folder = launcher::state_folder_of(name);
  if (!folder) return tl::unexpected(folder.error());
  ServiceFiles files{*folder + "/log", *folder + "/stdout", *folder + "/" + name + ".dead.jsonl"};
  for (const std::string& file : {files.log, files.output, files.dead_letters}) {
    if (rename(file.c_str(), (file + ".1").c_str()) != 0 && errno != ENOENT) {
      return tl::unexpected(io_error("cannot move the file of the run before aside", file));
    }
  }
  return files;
}

}  // namespace ringkernel
