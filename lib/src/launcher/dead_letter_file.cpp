#include "launcher/dead_letter_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace ringkernel::launcher {
namespace {

constexpr size_t kLettersBlock = size_t{64} << 10;

}  // namespace

Result<void> DeadLetterFile::clear(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) {
    return {};
  }
  if (truncate(path.c_str(), 0) != 0) {
    return fail(
        ErrorCode::IoError,
        std::string("the dead letters of the run before cannot be removed: ") + strerror(errno),
        path);
  }
  return {};
}

DeadLetterFile::DeadLetterFile(std::string path, RunEvents& events,
                               std::function<void(std::string_view)> capture, bool at_once)
    : path_(std::move(path)), events_(events), capture_(std::move(capture)), at_once_(at_once) {}

void DeadLetterFile::add(std::string_view line) {
  const std::lock_guard lock(mutex_);
  letters_.fetch_add(1, std::memory_order_relaxed);
  if (capture_) return capture_(line);
  if (failed_) return;
  buffer_ += line;
  buffer_ += '\n';
  waiting_.store(buffer_.size());
  if (at_once_ || buffer_.size() >= kLettersBlock) write_out();
}

void DeadLetterFile::flush() {
  if (written()) return;
  const std::lock_guard lock(mutex_);
  write_out();
}

void DeadLetterFile::close() {
  flush();
  const std::lock_guard lock(mutex_);
  if (const int error = channel_.close(); error != 0 && !failed_) {
    failed_ = true;
    events_.failed(ExitCode::OutputError,
                   path_ + ": dead letters cannot be written: " + strerror(error));
  }
}

// Blocks where the file is a pipe that nobody reads: dead letters are never given up.
void DeadLetterFile::write_out() {
  int error = 0;
  if (!channel_.is_open() && !buffer_.empty() && !failed_) {
    auto opened = Channel::open_to_write(path_, true);
    if (opened) {
      channel_ = std::move(*opened);
    } else {
      failed_ = true;
      events_.failed(ExitCode::OutputError,
                     path_ + ": dead letters cannot be written: " + opened.error().message);
    }
  }
  std::string_view rest = buffer_;
  while (!rest.empty() && !failed_) {
    const Transfer moved = channel_.write(rest);
    if (moved.status == Transfer::Status::Moved) {
      rest.remove_prefix(moved.bytes);
    } else if (moved.status == Transfer::Status::WouldBlock) {
      pollfd asked{channel_.descriptor(), POLLOUT, 0};
      ::poll(&asked, 1, -1);
    } else {
      error = moved.error;
      failed_ = true;
      events_.failed(ExitCode::OutputError,
                     path_ + ": dead letters cannot be written: " + strerror(error));
    }
  }
  buffer_.clear();
  waiting_.store(0);
}

}  // namespace ringkernel::launcher
