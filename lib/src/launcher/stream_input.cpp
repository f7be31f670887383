#include "launcher/stream_input.hpp"

#include <sys/stat.h>
#include <unistd.h>

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

// A file is read again from where it was; of anything else, what has been read is handed over.
void StreamInput::skip_to(const SharedProgress::Input& progress, std::string rest) {
  splitter_->go_on_from(progress.records.load(), progress.skipping.load());
  if (!own_.is_open()) return;
  if (own_.is_regular()) {
    if (progress.file.load() == file_number())
      lseek(own_.descriptor(), static_cast<off_t>(progress.offset.load()), SEEK_SET);
    return;
  }
  if (progress.records.load() > 0) own_.had_writer();
  ByteBuffer& buffer = splitter_->buffer();
  std::copy(rest.begin(), rest.end(), buffer.room(rest.size()).begin());
  buffer.filled(rest.size());
}

void StreamInput::tell(SharedProgress::Input& progress) {
  progress.records.store(splitter_->position());
  progress.skipping.store(splitter_->skipping());
  if (!own_.is_open() || !own_.is_regular()) return;
  const off_t read = lseek(own_.descriptor(), 0, SEEK_CUR);
  const auto unused = static_cast<off_t>(splitter_->buffer().size());
  progress.offset.store(read > unused ? static_cast<uint64_t>(read - unused) : 0);
  progress.file.store(file_number());
}

uint64_t StreamInput::file_number() const {
  struct stat file {};
  return fstat(own_.descriptor(), &file) == 0 ? file.st_ino : 0;
}

std::string_view StreamInput::rest() {
  return own_.is_open() && !own_.is_regular() ? splitter_->buffer().view() : std::string_view();
}

bool StreamInput::fetch_own(Record& record) {
  if (leaves_rest()) {
    last_given_ = true;
    return false;
  }
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

size_t StreamInput::rest_own() {
  if (last_given_) ended();
  return splitter_->buffer().size();
}

}  // namespace ringkernel::launcher
