#include "launcher/service_name.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

namespace ringkernel::launcher {
namespace {

constexpr size_t kLongestServiceName = 80;
constexpr std::string_view kLock = ".lock";
constexpr std::string_view kSocket = ".sock";

std::string lock_path(const std::string& folder, const std::string& name) {
  return folder + "/" + name + std::string(kLock);
}
std::string socket_path(const std::string& folder, const std::string& name) {
  return folder + "/" + name + std::string(kSocket);
}

Error io_error(const std::string& what, const std::string& path) {
  return Error{ErrorCode::IoError, what + ": " + strerror(errno), path};
}

enum class LockAnswer { Held, Busy, Failed };

// Opens and locks `path`. The holder before us may have removed the file between our open and our
// lock: then the lock is of a file that nobody else will find, and it has to be tried again.
LockAnswer lock_file(const std::string& path, bool create, int& descriptor) {
  for (;;) {
    const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0);
    const int file = open(path.c_str(), flags, 0600);
    if (file < 0) return LockAnswer::Failed;
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
      const int reason = errno;
      close(file);
      errno = reason;
      return reason == EWOULDBLOCK ? LockAnswer::Busy : LockAnswer::Failed;
    }
    struct stat ours {
    }, there{};
    if (fstat(file, &ours) == 0 && stat(path.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
        ours.st_dev == there.st_dev) {
      descriptor = file;
      return LockAnswer::Held;
    }
    close(file);
    if (!create) {
      errno = ENOENT;
      return LockAnswer::Failed;
    }
  }
}

// A socket's address has room for 107 bytes. The folder's descriptor under /proc stands for a
// longer path.
class SocketAddress {
 public:
  SocketAddress(const std::string& folder, const std::string& name) {
    std::string path = socket_path(folder, name);
    if (path.size() >= sizeof(address_.sun_path)) {
      folder_ = open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
      path = "/proc/self/fd/" + std::to_string(folder_) + "/" + name + std::string(kSocket);
    }
    address_.sun_family = AF_UNIX;
    std::memcpy(address_.sun_path, path.c_str(),
                std::min(path.size() + 1, sizeof(address_.sun_path)));
  }
  ~SocketAddress() {
    if (folder_ >= 0) close(folder_);
  }
  SocketAddress(const SocketAddress&) = delete;
  SocketAddress& operator=(const SocketAddress&) = delete;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address_); }
  static constexpr socklen_t size() { return sizeof(sockaddr_un); }

 private:
  sockaddr_un address_{};
  int folder_ = -1;
};

// True where a process holds the name; clears away the files of a dead one.
bool alive(const std::string& folder, const std::string& name) {
  int lock = -1;
  // Also when the lock file is gone and only the socket was left.
  const LockAnswer answer = lock_file(lock_path(folder, name), true, lock);
  if (answer == LockAnswer::Busy) return true;
  if (answer == LockAnswer::Failed) return false;
  unlink(socket_path(folder, name).c_str());
  unlink(lock_path(folder, name).c_str());
  close(lock);
  return false;
}

}  // namespace

bool is_topology_name(std::string_view name) {
  if (name.empty() || name.size() > kLongestServiceName || name[0] < 'a' || name[0] > 'z')
    return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

ServiceName::ServiceName(std::string folder, std::string name, int lock)
    : folder_(std::move(folder)), name_(std::move(name)), lock_(lock) {}

ServiceName::ServiceName(ServiceName&& other) noexcept
    : folder_(std::move(other.folder_)),
      name_(std::move(other.name_)),
      lock_(std::exchange(other.lock_, -1)) {}

ServiceName& ServiceName::operator=(ServiceName&& other) noexcept {
  if (this != &other) {
    release();
    folder_ = std::move(other.folder_);
    name_ = std::move(other.name_);
    lock_ = std::exchange(other.lock_, -1);
  }
  return *this;
}

ServiceName::~ServiceName() { release(); }

void ServiceName::release() {
  if (lock_ < 0) return;
  // While the lock is held: afterwards they may be the next holder's.
  unlink(socket_path(folder_, name_).c_str());
  unlink(lock_path(folder_, name_).c_str());
  close(lock_);
  lock_ = -1;
}

Result<ServiceName> ServiceName::take(const std::string& folder, const std::string& name) {
  if (!is_topology_name(name)) {
    return fail(ErrorCode::InvalidConfig,
                "'" + name +
                    "' is no name of a topology: a lower-case letter, then letters, digits, '_' "
                    "and '-', at most 80 in all");
  }
  int lock = -1;
  // Somebody who looks whether the name is alive holds the lock for an instant; who has ended, and
  // does not listen any more, a little longer.
  constexpr int kTries = 5;
  constexpr int kTriesUnheard = 400;
  LockAnswer answer = LockAnswer::Busy;
  struct stat found {};
  for (int tries = 0; tries < kTriesUnheard; ++tries) {
    answer = lock_file(lock_path(folder, name), true, lock);
    if (answer != LockAnswer::Busy) break;
    if (tries >= kTries && stat(socket_path(folder, name).c_str(), &found) == 0) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  if (answer == LockAnswer::Busy) {
    return fail(ErrorCode::AlreadyRunning, "a topology named '" + name + "' is already running");
  }
  if (answer == LockAnswer::Failed) {
    return tl::unexpected(io_error("cannot lock it", lock_path(folder, name)));
  }
  return ServiceName(folder, name, lock);
}

Result<int> ServiceName::listen() {
  const std::string path = socket_path(folder_, name_);
  unlink(path.c_str());  // of a run before this one, which may have crashed
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return tl::unexpected(io_error("cannot make a socket", path));
  const SocketAddress address(folder_, name_);
  // The mode of the file that bind makes; the folder alone would do, but folders get opened up.
  fchmod(listener, 0600);
  if (bind(listener, address.get(), SocketAddress::size()) != 0 || chmod(path.c_str(), 0600) != 0 ||
      ::listen(listener, SOMAXCONN) != 0) {
    const Error error = io_error("cannot listen", path);
    close(listener);
    return tl::unexpected(error);
  }
  return listener;
}

Result<std::vector<std::string>> running_names(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(folder.c_str()), &closedir);
  if (!entries) return tl::unexpected(io_error("cannot read this folder", folder));
  std::vector<std::string> names;
  while (const dirent* entry = readdir(entries.get())) {
    std::string_view file = entry->d_name;
    if (!file.ends_with(kSocket)) continue;
    file.remove_suffix(kSocket.size());
    if (is_topology_name(file)) names.emplace_back(file);
  }
  std::erase_if(names, [&](const std::string& name) { return !alive(folder, name); });
  std::sort(names.begin(), names.end());
  return names;
}

Result<int> connect_to(const std::string& folder, const std::string& name) {
  const Error not_found{ErrorCode::NotFound, "no topology named '" + name + "' is running", {}};
  if (!is_topology_name(name)) return tl::unexpected(not_found);
  const SocketAddress address(folder, name);
  // Between taking its name and listening a new process has no socket yet, nor has one that is
  // about to be started again.
  constexpr int kTries = 300;
  for (int tries = 0;; ++tries) {
    const int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer < 0) return tl::unexpected(io_error("cannot make a socket", {}));
    if (connect(peer, address.get(), SocketAddress::size()) == 0) return peer;
    const int reason = errno;
    close(peer);
    if (reason == EINTR || reason == EAGAIN) continue;
    if (reason != ENOENT && reason != ECONNREFUSED) {
      errno = reason;
      return tl::unexpected(io_error("cannot connect", socket_path(folder, name)));
    }
    struct stat found {};
    const bool known = stat(lock_path(folder, name).c_str(), &found) == 0 ||
                       stat(socket_path(folder, name).c_str(), &found) == 0;
    if (!known || !alive(folder, name)) return tl::unexpected(not_found);
    if (tries == kTries)
      return fail(ErrorCode::Timeout,
                  "'" + name + "' does not answer: it is starting, or waits to be started again");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

Result<void> check_peer(int socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return tl::unexpected(io_error("cannot tell who is at the other end", {}));
  }
  if (peer.uid != geteuid() && peer.uid != 0) {
    return fail(ErrorCode::PermissionDenied,
                "the process at the other end belongs to user " + std::to_string(peer.uid));
  }
  return {};
}

}  // namespace ringkernel::launcher
