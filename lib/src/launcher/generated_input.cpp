#include "launcher/generated_input.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ringkernel::launcher {
namespace {

std::string padded(std::string text) { return text.append(schema::JsonReader::kPadding, ' '); }

std::vector<std::string> all_padded(std::vector<std::string> texts) {
  for (std::string& text : texts) text = padded(std::move(text));
  return texts;
}

std::vector<size_t> sizes_of(const std::vector<std::string>& texts) {
  std::vector<size_t> sizes;
  for (const std::string& text : texts) sizes.push_back(text.size());
  return sizes;
}

}  // namespace

ValuesInput::ValuesInput(const topology::Input& input, const InputServices& services)
    : InputStep(input, services),
      values_(all_padded(input.values)),
      sizes_(sizes_of(input.values)) {}

bool ValuesInput::fetch_own(Record& record) {
  if (next_ == values_.size() || stopping()) return false;
  record = {Record::Kind::Whole, std::string_view(values_[next_]).substr(0, sizes_[next_]),
            next_ + 1};
  ++next_;
  return true;
}

size_t ValuesInput::rest_own() {
  if (next_ == values_.size()) ended();
  return 0;
}

void ValuesInput::skip_to(const SharedProgress::Input& progress, std::string /*rest*/) {
  next_ = std::min<size_t>(progress.records.load(), values_.size());
}

TimerInput::TimerInput(const topology::Input& input, const InputServices& services)
    : InputStep(input, services),
      value_(padded(input.values.empty() ? "{}" : input.values.front())),
      size_(input.values.empty() ? 2 : input.values.front().size()),
      period_(std::max(input.every, topology::Duration(1))),
      count_(input.count) {
  timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (timer_ >= 0) services.poller->add(timer_, Poller::For::Reading, [this] { wake(); });
}

TimerInput::~TimerInput() {
  if (timer_ < 0) return;
  services().poller->remove(timer_);
  close(timer_);
}

Result<void> TimerInput::check() {
  if (timer_ < 0) {
    return fail(ErrorCode::IoError, std::string("cannot make a timer: ") + strerror(errno), name());
  }
  const Record record{Record::Kind::Whole, std::string_view(value_).substr(0, size_), 1};
  auto parsed = parser().parse(record, 0);
  if (parsed) return {};
  return fail(ErrorCode::ValidationError, "value: " + parsed.error().detail, name());
}

void TimerInput::begin() {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(period_);
  const timespec period{whole.count(), (period_ - whole).count()};
  const itimerspec interval{period, period};
  timerfd_settime(timer_, 0, &interval, nullptr);
}

bool TimerInput::fetch_own(Record& record) {
  if (stopping() || (count_ && ticks_ == *count_)) return false;
  if (due_ == 0) {
    uint64_t expired = 0;
    if (read(timer_, &expired, sizeof expired) != sizeof expired) {
      services().poller->arm(timer_);
      return false;
    }
    due_ = expired;
  }
  --due_;
  record = {Record::Kind::Whole, std::string_view(value_).substr(0, size_), ++ticks_};
  return true;
}

void TimerInput::skip_to(const SharedProgress::Input& progress, std::string /*rest*/) {
  ticks_ = progress.records.load();
}

size_t TimerInput::rest_own() {
  if (count_ && ticks_ == *count_) ended();
  return 0;
}

}  // namespace ringkernel::launcher
