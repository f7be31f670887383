#include "launcher/client_feeds.hpp"

#include <algorithm>

namespace ringkernel::launcher {

bool ClientFeeds::add(const std::shared_ptr<ClientFeed>& feed) {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  shared_.push_back(feed);
  changed_.store(true);
  return true;
}

void ClientFeeds::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (const auto& feed : shared_) feed->close();
}

bool ClientFeeds::hold_bytes() const {
  const std::lock_guard lock(mutex_);
  return std::any_of(shared_.begin(), shared_.end(),
                     [](const auto& feed) { return feed->holds_bytes(); });
}

void ClientFeeds::refresh() {
  if (!changed_.exchange(false)) return;
  const std::lock_guard lock(mutex_);
  feeds_ = shared_;
}

bool ClientFeeds::rested() {
  for (const auto& feed : feeds_) feed->rested();
  const auto parsed = [](const auto& feed) { return feed->parsed(); };
  if (std::none_of(feeds_.begin(), feeds_.end(), parsed)) return false;
  const std::lock_guard lock(mutex_);
  std::erase_if(feeds_, parsed);
  std::erase_if(shared_, parsed);
  return true;
}

}  // namespace ringkernel::launcher
