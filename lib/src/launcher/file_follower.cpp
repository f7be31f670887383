#include "launcher/file_follower.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <utility>

namespace ringkernel::launcher {
namespace {

constexpr long kLookEveryNs = 200'000'000;

std::string folder_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

}  // namespace

FileFollower::FileFollower(std::string path, Poller& poller, std::function<void()> wake)
    : path_(std::move(path)), poller_(poller) {
  events_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  // The folder tells when another file takes the name.
  if (events_ >= 0 &&
      inotify_add_watch(events_, folder_of(path_).c_str(), IN_CREATE | IN_MOVED_TO) < 0) {
    close(std::exchange(events_, -1));
  }
  if (events_ >= 0) {
    watch_file();
  } else {
    timer_ = true;
    events_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    const itimerspec interval{{0, kLookEveryNs}, {0, kLookEveryNs}};
    if (events_ >= 0) timerfd_settime(events_, 0, &interval, nullptr);
  }
  if (events_ >= 0) poller_.add(events_, Poller::For::Reading, std::move(wake));
}

FileFollower::~FileFollower() {
  if (events_ < 0) return;
  poller_.remove(events_);
  close(events_);
}

void FileFollower::watch_file() {
  if (timer_) return;
  if (file_watch_ >= 0) inotify_rm_watch(events_, file_watch_);
  file_watch_ = inotify_add_watch(events_, path_.c_str(), IN_MODIFY | IN_MOVE_SELF | IN_ATTRIB);
}

bool FileFollower::at_end(Channel& file) {
  char passed[4096];
  bool something = false;
  while (read(events_, passed, sizeof passed) > 0) something = true;
  if (something && !timer_) return true;  // it may have grown before that was read
  struct stat own {};
  struct stat named {};
  if (fstat(file.descriptor(), &own) == 0) {
    if (own.st_size < lseek(file.descriptor(), 0, SEEK_CUR)) {
      lseek(file.descriptor(), 0, SEEK_SET);
      return true;
    }
    if (stat(path_.c_str(), &named) == 0 &&
        (named.st_ino != own.st_ino || named.st_dev != own.st_dev)) {
      if (auto next = Channel::open_to_read(path_)) {
        file = std::move(*next);
        watch_file();
        return true;
      }
    }
  }
  poller_.arm(events_);
  return false;
}

}  // namespace ringkernel::launcher
