#include "launcher/poller.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ringkernel::launcher {
namespace {

epoll_event event_of(int descriptor, Poller::For what, bool armed) {
  // Without EPOLLONESHOT an end that was closed would be told for ever.
  epoll_event event{};
  event.events = EPOLLONESHOT;
  if (armed)
    event.events |= static_cast<uint32_t>(what == Poller::For::Reading ? EPOLLIN : EPOLLOUT);
  event.data.fd = descriptor;
  return event;
}

}  // namespace

Result<std::unique_ptr<Poller>> Poller::start() {
  std::unique_ptr<Poller> poller(new Poller);
  poller->poll_ = epoll_create1(EPOLL_CLOEXEC);
  poller->wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (poller->poll_ < 0 || poller->wake_ < 0) {
    return fail(ErrorCode::IoError, std::string("cannot wait for files: ") + strerror(errno));
  }
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = poller->wake_;
  epoll_ctl(poller->poll_, EPOLL_CTL_ADD, poller->wake_, &event);
  poller->thread_ = std::thread([p = poller.get()] { p->run(); });
  return poller;
}

void Poller::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
  thread_.join();
}

Poller::~Poller() {
  stop();
  if (poll_ >= 0) close(poll_);
  if (wake_ >= 0) close(wake_);
}

bool Poller::add(int descriptor, For what, std::function<void()> ready) {
  const std::lock_guard lock(mutex_);
  epoll_event event = event_of(descriptor, what, false);
  if (epoll_ctl(poll_, EPOLL_CTL_ADD, descriptor, &event) != 0) return false;
  watches_[descriptor] = Watch{what, std::move(ready), false};
  return true;
}

void Poller::arm(int descriptor) {
  const std::lock_guard lock(mutex_);
  const auto found = watches_.find(descriptor);
  if (found == watches_.end()) return;
  found->second.armed = true;
  epoll_event event = event_of(descriptor, found->second.what, true);
  epoll_ctl(poll_, EPOLL_CTL_MOD, descriptor, &event);
}

void Poller::remove(int descriptor) {
  const std::lock_guard lock(mutex_);
  if (watches_.erase(descriptor) > 0) epoll_ctl(poll_, EPOLL_CTL_DEL, descriptor, nullptr);
}

void Poller::run() {
  std::array<epoll_event, 32> events{};
  while (!stopping_.load()) {
    const int ready = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      const int descriptor = events[static_cast<size_t>(i)].data.fd;
      const std::lock_guard lock(mutex_);
      const auto found = watches_.find(descriptor);
      // A pipe whose other end is closed is told of at once, before anybody has asked.
      if (found != watches_.end() && std::exchange(found->second.armed, false))
        found->second.ready();
    }
  }
}

}  // namespace ringkernel::launcher
