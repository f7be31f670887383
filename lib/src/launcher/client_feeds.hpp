// All clients that stream into one input.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "launcher/client_feed.hpp"

namespace ringkernel::launcher {

class ClientFeeds {
 public:
  // --- any thread
  // False: closed, and the feed was not added.
  bool add(const std::shared_ptr<ClientFeed>& feed);
  // Takes no more feeds, and no more bytes of those that are there.
  void close();
  // Bytes that are no messages yet.
  bool hold_bytes() const;

  // --- the input's step
  // Looks for new feeds. REQUIRES: no record is in hand.
  void refresh();
  size_t size() const { return feeds_.size(); }
  ClientFeed& operator[](size_t i) { return *feeds_[i]; }
  // Everything fetched has been emitted. True: feeds that have ended are gone.
  bool rested();

 private:
  std::vector<std::shared_ptr<ClientFeed>> feeds_;  // the step's

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<ClientFeed>> shared_;  // feeds_, and new ones
  std::atomic<bool> changed_{false};
  bool closed_ = false;
};

}  // namespace ringkernel::launcher
