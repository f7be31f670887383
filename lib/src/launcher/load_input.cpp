#include "launcher/load_input.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include "core/clock.hpp"
#include "launcher/load_roots.hpp"

namespace ringkernel::launcher {
namespace {

// Workers look for work for 100 us before they sleep, so until then an input that waits awake
// changes nothing; past it the timer wakes it, as the poller wakes an input that reads.
constexpr uint64_t kNearNs = 100'000;
constexpr uint64_t kSecond = 1'000'000'000;

}  // namespace

LoadInput::LoadInput(const topology::Input& input, const InputServices& services, Load& load)
    : InputStep(input, services), load_(load) {
  timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  load_.wake = [this] { wake(); };
  if (timer_ >= 0) services.poller->add(timer_, Poller::For::Reading, [this] { wake(); });
}

LoadInput::~LoadInput() {
  if (timer_ < 0) return;
  services().poller->remove(timer_);
  close(timer_);
}

bool LoadInput::over() const {
  return next_ == load_.most || stopping() || load_.over.load(std::memory_order_relaxed);
}

bool LoadInput::fetch_own(Record& record) {
  if (!load_.begun.load(std::memory_order_acquire) || over()) return false;
  if (load_.schedule.open()) {
    const uint64_t due = load_.schedule.due_ns(next_);
    if (due > now_ns_) now_ns_ = monotonic_ns();
    if (due > now_ns_) return false;
  }
  const LoadMessages::Message& message = load_.messages[place_];
  place_ = place_ + 1 == load_.messages.size() ? 0 : place_ + 1;
  record.kind = Record::Kind::Whole;
  record.number = root();
  record.bytes = message.line;
  ++next_;
  load_.sent.store(next_, std::memory_order_relaxed);
  return true;
}

uint64_t LoadInput::root() {
  if (!load_.latencies.wanted()) return LoadRoots::not_followed();
  now_ns_ = monotonic_ns();
  uint64_t begun = now_ns_;
  if (load_.schedule.open()) {
    begun = load_.schedule.due_ns(next_);
    load_.late.record(now_ns_ - begun);
  }
  return LoadRoots::followed(load_.number, load_.latencies.begin(begun));
}

tl::expected<runtime::InputMessage, schema::LineError> LoadInput::message_of(const Record& record,
                                                                             uint64_t now_us) {
  // The one that fetch_own() has just gone past.
  const LoadMessages::Message& message =
      load_.messages[(place_ == 0 ? load_.messages.size() : place_) - 1];
  if (message.payload == nullptr) return parser().parse(record, now_us);
  return parser().message_of(message.type, message.payload, record.number, now_us);
}

size_t LoadInput::rest_own() {
  near_ = false;
  if (over()) {
    ended();
    return 0;
  }
  if (!load_.begun.load(std::memory_order_acquire) || !load_.schedule.open()) return 0;
  const uint64_t due = load_.schedule.due_ns(next_);
  near_ = due < now_ns_ + kNearNs;
  if (near_) return 0;
  const timespec at{static_cast<time_t>(due / kSecond), static_cast<long>(due % kSecond)};
  const itimerspec once{{}, at};
  timerfd_settime(timer_, TFD_TIMER_ABSTIME, &once, nullptr);
  services().poller->arm(timer_);
  return 0;
}

bool LoadInput::goes_on() const { return near_; }

}  // namespace ringkernel::launcher
