#include "launcher/client_feed.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ringkernel::launcher {
namespace {

constexpr size_t kWaiting = size_t{512} << 10;
constexpr size_t kBadLinesShown = 10;

}  // namespace

ClientFeed::ClientFeed(std::unique_ptr<RecordSplitter> splitter, std::function<void()> wake,
                       std::function<void()> on_change)
    : splitter_(std::move(splitter)), wake_(std::move(wake)), on_change_(std::move(on_change)) {}

size_t ClientFeed::offer(std::span<const std::byte> bytes) {
  size_t taken = 0;
  {
    const std::lock_guard lock(mutex_);
    if (finished_ || closed_.load()) return 0;
    taken = std::min(bytes.size(), kWaiting - std::min(kWaiting, incoming_.size()));
    incoming_.append(reinterpret_cast<const char*>(bytes.data()), taken);
    offered_ += taken;
    if (taken < bytes.size()) wants_room_.store(true);
  }
  if (taken > 0) wake_();
  return taken;
}

void ClientFeed::finish(bool complete) {
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    finished_ = true;
    complete_ = complete;
  }
  wake_();
}

void ClientFeed::forget_client() {
  const std::lock_guard lock(client_mutex_);
  on_change_ = nullptr;
}

bool ClientFeed::holds_bytes() const {
  const std::lock_guard lock(mutex_);
  return emitted_.load(std::memory_order_acquire) < offered_ || (finished_ && !parsed_.load());
}

FeedCounts ClientFeed::counts() const {
  FeedCounts counts;
  counts.accepted = accepted_.load(std::memory_order_relaxed);
  counts.bad = bad_.load(std::memory_order_relaxed);
  counts.lines = counts.accepted + counts.bad;
  return counts;
}

std::vector<BadLine> ClientFeed::bad_lines() const {
  const std::lock_guard lock(mutex_);
  return bad_lines_;
}

void ClientFeed::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_.store(true);
    finished_ = true;
  }
  tell();
}

bool ClientFeed::fetch(Record& record) {
  for (;;) {
    if (splitter_->next(record)) return true;
    bool ended = false;
    bool complete = false;
    {
      const std::lock_guard lock(mutex_);
      if (!incoming_.empty()) {
        std::memcpy(splitter_->buffer().room(incoming_.size()).data(), incoming_.data(),
                    incoming_.size());
        splitter_->buffer().filled(incoming_.size());
        fetched_ += incoming_.size();
        incoming_.clear();
      } else {
        ended = finished_;
        complete = complete_;
        if (!ended) return false;
      }
    }
    if (!ended) {
      if (wants_room_.exchange(false)) tell();
      continue;
    }
    if (std::exchange(last_given_, true)) return false;
    if (splitter_->last(complete, record)) return true;
  }
}

void ClientFeed::settled(const Record& record, const schema::LineError* error) {
  if (error == nullptr) {
    accepted_.store(accepted_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return;
  }
  bad_.store(bad_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  if (bad_lines_.size() < kBadLinesShown) {
    bad_lines_.push_back({record.number, std::string(error->reason), error->detail});
  }
}

void ClientFeed::rested() {
  {
    const std::lock_guard lock(mutex_);
    emitted_.store(fetched_ - splitter_->buffer().size(), std::memory_order_release);
  }
  if (last_given_ && !parsed_.exchange(true)) tell();
}

void ClientFeed::tell() {
  const std::lock_guard lock(client_mutex_);
  if (on_change_) on_change_();
}

}  // namespace ringkernel::launcher
