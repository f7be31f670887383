#include "console.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace ringk {
namespace {

using ringkernel::ErrorCode;

// 0, or what went wrong.
int write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = write(descriptor, text.data(), text.size());
    if (put < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    text.remove_prefix(static_cast<size_t>(put));
  }
  return 0;
}

constexpr std::string_view kEraseLine = "\r\x1b[K";

}  // namespace

bool Console::colour(int descriptor) const {
  if (choice_ != ColourChoice::Auto) return choice_ == ColourChoice::Always;
  const char* no_colour = std::getenv("NO_COLOR");
  if (no_colour && *no_colour) return false;
  const char* terminal = std::getenv("TERM");
  if (terminal && std::strcmp(terminal, "dumb") == 0) return false;
  return isatty(descriptor) == 1;
}

ExitCode Console::data(std::string_view text) const {
  const int reason = write_all(STDOUT_FILENO, text);
  if (reason == 0) return ExitCode::Ok;
  if (reason == EPIPE) return ExitCode::OutputClosed;
  return failed(ExitCode::OutputError,
                std::string("cannot write to standard output: ") + strerror(reason));
}

void Console::write_message(std::string text) const {
  if (progress_shown_) text.insert(0, kEraseLine);
  progress_shown_ = false;
  // When it fails nobody is left to be told.
  [[maybe_unused]] const int reason = write_all(STDERR_FILENO, text);
}

void Console::say(std::string_view text) const { write_message(std::string(text).append("\n")); }
void Console::hint(std::string_view text) const {
  write_message(std::string("  ").append(text).append("\n"));
}
void Console::report(std::string_view lines) const { write_message(std::string(lines)); }

void Console::progress(std::string_view text) {
  if (isatty(STDERR_FILENO) != 1) return;
  write_message(std::string(progress_shown_ ? "" : kEraseLine).append(text));
  progress_shown_ = true;
}

ExitCode Console::failed(const Error& error) const {
  std::string text = error.where;
  if (!text.empty()) text += ": ";
  text += error.message;
  return failed(exit_code_of(error), text);
}

ExitCode Console::failed(ExitCode code, std::string_view text) const {
  std::string line = colour_messages() ? "ringk: \x1b[31merror:\x1b[0m " : "ringk: error: ";
  write_message(line.append(text).append("\n"));
  return code;
}

ExitCode Console::misused(std::string_view text, std::string_view command) const {
  const ExitCode code = failed(ExitCode::Usage, text);
  std::string line = "try: ringk ";
  if (!command.empty()) line.append(command).append(" ");
  hint(line + "--help");
  return code;
}

ExitCode exit_code_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::NotFound:
    case ErrorCode::KernelNotFound:
    case ErrorCode::Closed:
    case ErrorCode::ProtocolError:
    case ErrorCode::PermissionDenied:
    case ErrorCode::BackendUnavailable:
    case ErrorCode::CompilerNotFound:
      return ExitCode::Unavailable;
    case ErrorCode::Timeout:
    case ErrorCode::NoReply:
      return ExitCode::TemporaryFail;
    case ErrorCode::AlreadyRunning:
    case ErrorCode::KernelAlreadyExists:
      return ExitCode::NameTaken;
    case ErrorCode::InvalidConfig:
      return ExitCode::Usage;
    case ErrorCode::ValidationError:
    case ErrorCode::CompilationError:
      return ExitCode::Invalid;
    case ErrorCode::IoError:
      return ExitCode::OutputError;
    case ErrorCode::InvalidStateTransition:
    case ErrorCode::Cancelled:
      return ExitCode::Failed;
    default:
      return ExitCode::Crashed;
  }
}

}  // namespace ringk
