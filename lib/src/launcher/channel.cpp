#include "launcher/channel.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

namespace ringkernel::launcher {
namespace {

// Fewer system calls and wake-ups per byte than with the 64 KiB that a pipe has.
constexpr int kPipeBytes = 256 << 10;

Error error_of(int number, const std::string& what) {
  ErrorCode code = ErrorCode::IoError;
  if (number == ENOENT || number == ENOTDIR) code = ErrorCode::NotFound;
  if (number == EACCES || number == EPERM) code = ErrorCode::PermissionDenied;
  return Error{code, strerror(number), what};
}

Transfer outcome(ssize_t moved, bool reading) {
  if (moved > 0) return {Transfer::Status::Moved, static_cast<size_t>(moved), 0};
  if (moved == 0) {
    return reading ? Transfer{Transfer::Status::End, 0, 0}
                   : Transfer{Transfer::Status::WouldBlock, 0, 0};
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {Transfer::Status::WouldBlock, 0, 0};
  return {Transfer::Status::Failed, 0, errno};
}

}  // namespace

Channel::Channel(Channel&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      kind_(other.kind_),
      awaits_writer_(other.awaits_writer_) {}

Channel& Channel::operator=(Channel&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = std::exchange(other.descriptor_, -1);
    kind_ = other.kind_;
    awaits_writer_ = other.awaits_writer_;
  }
  return *this;
}

Result<Channel> Channel::made(int descriptor, Direction direction, const std::string& what) {
  Channel channel;
  channel.descriptor_ = descriptor;
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return tl::unexpected(error_of(errno, what));
  if (S_ISDIR(status.st_mode)) return tl::unexpected(error_of(EISDIR, what));
  const int flags = fcntl(descriptor, F_GETFL);
  const int mode = flags & O_ACCMODE;
  if (mode == (direction == Direction::Read ? O_WRONLY : O_RDONLY)) {
    return fail(
        ErrorCode::IoError,
        direction == Direction::Read ? "is not open for reading" : "is not open for writing", what);
  }
  if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)) return channel;
  // /dev/null, /dev/zero and their like never wait.
  constexpr unsigned kMemoryDevices = 1;
  if (S_ISCHR(status.st_mode) && major(status.st_rdev) == kMemoryDevices) return channel;
  if (S_ISSOCK(status.st_mode)) {
    channel.kind_ = Kind::Socket;
    return channel;
  }
  channel.kind_ = Kind::Polled;
  if (S_ISFIFO(status.st_mode) || isatty(descriptor) != 0) {
    const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
    const int access = direction == Direction::Read ? O_RDONLY : O_WRONLY;
    const int own = open(path.c_str(), access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own >= 0) {
      ::close(std::exchange(channel.descriptor_, own));
      channel.kind_ = Kind::NonBlocking;
    }
  }
  if (S_ISFIFO(status.st_mode)) {
    // A wish: past the user's share of memory for pipes it stays as it is.
    const int size = fcntl(channel.descriptor_, F_GETPIPE_SZ);
    if (size > 0 && size < kPipeBytes) fcntl(channel.descriptor_, F_SETPIPE_SZ, kPipeBytes);
  }
  return channel;
}

Result<Channel> Channel::of(int descriptor, Direction direction) {
  const std::string what = direction == Direction::Read ? "standard input" : "standard output";
  const int own = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
  if (own < 0) return tl::unexpected(error_of(errno, what));
  return made(own, direction, what);
}

Result<Channel> Channel::open_to_read(const std::string& path) {
  // Without O_NONBLOCK a named pipe would wait here for its writer.
  const int descriptor = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (descriptor < 0) return tl::unexpected(error_of(errno, path));
  auto channel = made(descriptor, Direction::Read, path);
  struct stat status {};
  if (channel && fstat(channel->descriptor_, &status) == 0)
    channel->awaits_writer_ = S_ISFIFO(status.st_mode);
  return channel;
}

Result<Channel> Channel::open_to_write(const std::string& path, bool append) {
  const int descriptor =
      open(path.c_str(), O_WRONLY | O_CREAT | O_NOCTTY | O_CLOEXEC | (append ? O_APPEND : O_TRUNC),
           0666);
  if (descriptor < 0) {
    const int number = errno;
    struct stat status {};
    const size_t slash = path.find_last_of('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    if (number == ENOENT && stat(folder.c_str(), &status) != 0) {
      return fail(ErrorCode::NotFound, "its folder does not exist", path);
    }
    return tl::unexpected(error_of(number, path));
  }
  return made(descriptor, Direction::Write, path);
}

bool Channel::is_terminal() const { return descriptor_ >= 0 && isatty(descriptor_) != 0; }

bool Channel::ready(short events) const {
  pollfd asked{descriptor_, events, 0};
  return ::poll(&asked, 1, 0) > 0;
}

// A named pipe that was opened without one gives nothing, too, until a writer has opened it.
bool Channel::ended() const {
  pollfd asked{descriptor_, POLLIN, 0};
  return ::poll(&asked, 1, 0) > 0 && (asked.revents & (POLLHUP | POLLERR | POLLIN)) != 0;
}

Transfer Channel::read(std::span<char> into) {
  for (;;) {
    ssize_t got = 0;
    if (kind_ == Kind::Socket) {
      got = recv(descriptor_, into.data(), into.size(), MSG_DONTWAIT);
    } else {
      if (kind_ == Kind::Polled && !ready(POLLIN)) return {Transfer::Status::WouldBlock, 0, 0};
      got = ::read(descriptor_, into.data(), into.size());
    }
    if (got < 0 && errno == EINTR) continue;
    if (got == 0 && awaits_writer_ && !ended()) {
      return {Transfer::Status::WouldBlock, 0, 0};
    }
    return outcome(got, true);
  }
}

Transfer Channel::write(std::string_view bytes) {
  for (;;) {
    ssize_t put = 0;
    if (kind_ == Kind::Socket) {
      put = send(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    } else if (kind_ == Kind::Polled) {
      if (!ready(POLLOUT)) return {Transfer::Status::WouldBlock, 0, 0};
      put = ::write(descriptor_, bytes.data(), std::min<size_t>(bytes.size(), PIPE_BUF));
    } else {
      put = ::write(descriptor_, bytes.data(), bytes.size());
    }
    if (put < 0 && errno == EINTR) continue;
    return outcome(put, false);
  }
}

int Channel::close() {
  if (descriptor_ < 0) return 0;
  return ::close(std::exchange(descriptor_, -1)) == 0 ? 0 : errno;
}

}  // namespace ringkernel::launcher
