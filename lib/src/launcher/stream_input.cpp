#include "launcher/stream_input.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ringkernel::launcher {
namespace {

constexpr size_t kReadSize = size_t{256} << 10;

}  // namespace

StreamInput::StreamInput(const topology::Input& input, const InputServices& services, Channel own,
                         const std::string& follow)
    : InputStep(input, services),
      own_(std::move(own)),
      own_ended_(!own_.is_open()),
      splitter_(parser().make_splitter()) {
  last_given_ = own_ended_;
  if (!follow.empty() && own_.is_open()) {
    follower_ =
        std::make_unique<FileFollower>(follow, *this->services().poller, [this] { wake(); });
  } else if (own_.is_open()) {
    watched_ =
        this->services().poller->add(own_.descriptor(), Poller::For::Reading, [this] { wake(); });
  }
}

StreamInput::~StreamInput() {
  if (watched_) services().poller->remove(own_.descriptor());
}

Result<std::shared_ptr<ClientFeed>> StreamInput::open_feed(std::function<void()> on_change) {
  const std::lock_guard lock(mutex_);
  if (closed_) return fail(ErrorCode::Closed, "the input takes nothing more", name());
  auto feed = std::make_shared<ClientFeed>(
      parser().make_splitter(), [this] { wake(); }, std::move(on_change));
  shared_feeds_.push_back(feed);
  feeds_changed_.store(true);
  return feed;
}

void StreamInput::close_source() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (const auto& feed : shared_feeds_) feed->close();
}

bool StreamInput::idle() const {
  if (!InputStep::idle() || own_bytes_.load() > 0) return false;
  const std::lock_guard lock(mutex_);
  return std::none_of(shared_feeds_.begin(), shared_feeds_.end(),
                      [](const auto& feed) { return feed->holds_bytes(); });
}

void StreamInput::begin_batch() {
  if (feeds_changed_.exchange(false)) {
    const std::lock_guard lock(mutex_);
    feeds_ = shared_feeds_;
  }
  turn_ = turn_ + 1 > feeds_.size() ? 0 : turn_ + 1;
}

bool StreamInput::fetch(Record& record) {
  const size_t sources = feeds_.size() + 1;
  for (size_t i = 0; i < sources; ++i) {
    if (fetch_from(turn_, record)) return true;
    turn_ = turn_ + 1 == sources ? 0 : turn_ + 1;
  }
  return false;
}

bool StreamInput::fetch_from(size_t source, Record& record) {
  source_ = source;
  return source == 0 ? fetch_own(record) : feeds_[source - 1]->fetch(record);
}

bool StreamInput::fetch_own(Record& record) {
  for (;;) {
    if (splitter_->next(record)) return true;
    if (last_given_) return false;
    if (own_ended_) {
      last_given_ = true;
      if (splitter_->last(true, record)) return true;
      return false;
    }
    if (stopping()) {
      // What is not a whole line yet never will be one.
      last_given_ = true;
      splitter_->buffer().use(splitter_->buffer().size());
      return false;
    }
    if (!fill()) return false;
  }
}

bool StreamInput::fill() {
  const Transfer moved = own_.read(splitter_->buffer().room(kReadSize));
  switch (moved.status) {
    case Transfer::Status::Moved:
      splitter_->buffer().filled(moved.bytes);
      return true;
    case Transfer::Status::WouldBlock:
      services().poller->arm(own_.descriptor());
      return false;
    case Transfer::Status::End:
      if (follower_) return follower_->at_end(own_);
      own_ended_ = true;
      return true;
    case Transfer::Status::Failed:
      services().events->failed(ExitCode::NoInput,
                                name() + ": cannot be read: " + strerror(moved.error));
      own_ended_ = true;
      return true;
  }
  return false;
}

void StreamInput::settled(const Record& record, const schema::LineError* error) {
  if (source_ > 0) feeds_[source_ - 1]->settled(record, error);
}

void StreamInput::rested() {
  if (last_given_) ended();
  own_bytes_.store(splitter_->buffer().size());
  for (const auto& feed : feeds_) feed->rested();
  drop_parsed_feeds();
}

void StreamInput::drop_parsed_feeds() {
  const auto parsed = [](const auto& feed) { return feed->parsed(); };
  if (std::none_of(feeds_.begin(), feeds_.end(), parsed)) return;
  const std::lock_guard lock(mutex_);
  std::erase_if(feeds_, parsed);
  std::erase_if(shared_feeds_, parsed);
  turn_ = 0;
}

}  // namespace ringkernel::launcher
