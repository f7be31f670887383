#include "launcher/load_phase.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "core/clock.hpp"
#include "launcher/crash_handler.hpp"
#include "launcher/load_input.hpp"

namespace ringkernel::launcher {
namespace {

constexpr double kNs = 1e9;
constexpr double kMostWindows = 600;
constexpr size_t kShownKinds = 3;      // of dead letters
constexpr size_t kReadLetters = 1000;  // for them
// From the moment that the topology is ready to that when a first message is due.
constexpr uint64_t kHeadStartNs = 2'000'000;
constexpr uint64_t kLookNs = 20'000'000;
// A moment in which the machine did something else is no rate that could not be kept.
constexpr double kGraceS = 0.01;

uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t ns_of(double seconds) { return static_cast<uint64_t>(seconds * kNs); }

std::vector<double> rates(const std::vector<uint64_t>& before, const std::vector<uint64_t>& after,
                          double seconds) {
  std::vector<double> per_second;
  for (size_t i = 0; i < after.size(); ++i)
    per_second.push_back(static_cast<double>(after[i] - before[i]) / seconds);
  return per_second;
}

}  // namespace

LatencyFigures figures_of(const Histogram& histogram) {
  const auto us = [](uint64_t ns) { return static_cast<double>(ns) / 1e3; };
  return {histogram.count(), us(histogram.quantile(0.5)), us(histogram.quantile(0.99)),
          us(histogram.quantile(0.999)), us(histogram.max())};
}

struct LoadPhase::Snapshot {
  uint64_t ns = 0;
  uint64_t sent = 0;
  RunCounts counts;
};

// The first moments, in which memory is touched for the first time, count where a phase is long
// enough to do without them.
LoadPhase::Timing LoadPhase::timing() const {
  Timing timing;
  timing.planned_s = plan_.messages == 0 ? std::chrono::duration<double>(plan_.duration).count()
                     : plan_.rate        ? static_cast<double>(plan_.messages) / *plan_.rate
                                         : 0;
  if (timing.planned_s >= 1) timing.warm_up_s = std::min(0.5, timing.planned_s / 4);
  const double measured = timing.planned_s - timing.warm_up_s;
  timing.window_s = timing.planned_s == 0
                        ? 0.1
                        : std::max(std::clamp(measured / 10, 0.02, 1.0), measured / kMostWindows);
  timing.windows = timing.planned_s == 0 ? static_cast<size_t>(kMostWindows)
                                         : static_cast<size_t>(measured / timing.window_s + 0.5);
  return timing;
}

void LoadPhase::prepare(const Timing& timing) {
  for (const topology::Input& input : topology_.inputs) {
    const auto source = sources_.find(input.name);
    if (source == sources_.end()) continue;
    loads_.push_back(
        std::make_unique<Load>(source->second, timing.windows, ns_of(timing.window_s)));
    Load& load = *loads_.back();
    load.number = static_cast<uint16_t>(by_number_.size());
    by_number_.push_back(&load);
  }
  // The first ones take what does not divide.
  const uint64_t all = plan_.messages;
  for (Load* load : by_number_)
    if (all > 0) load->most = all / loads_.size() + (load->number < all % loads_.size() ? 1 : 0);
  roots_.emplace(by_number_);
}

RunSettings LoadPhase::with_load(RunSettings settings) {
  settings.load = &*roots_;
  settings.make_input = [this](const topology::Input& input, const InputServices& services) {
    std::unique_ptr<InputStep> step;
    size_t number = 0;
    for (const topology::Input& other : topology_.inputs) {
      if (!sources_.contains(other.name)) continue;
      if (other.name == input.name)
        step = std::make_unique<LoadInput>(input, services, *by_number_[number]);
      ++number;
    }
    return step;
  };
  settings.capture_dead_letters = [this](std::string_view letter) { note(letter); };
  return settings;
}

// The first of each kind.
void LoadPhase::note(std::string_view letter) {
  if (dead_letters_.size() == kShownKinds || ++letters_ > kReadLetters) return;
  const auto json = nlohmann::json::parse(letter);
  const std::string kernel = json.value("kernel", nlohmann::json()).is_null()
                                 ? json.at("edge").dump()
                                 : json.at("kernel").dump();
  const auto detail = json.at("detail").get<std::string>();
  const std::string kind =
      kernel + ": " + json.at("reason").get<std::string>() + (detail.empty() ? "" : ": " + detail);
  const bool known = std::any_of(dead_letters_.begin(), dead_letters_.end(),
                                 [&](const auto& other) { return other.starts_with(kind + ", "); });
  if (!known) dead_letters_.push_back(kind + ", as of " + json.at("message").dump());
}

void LoadPhase::begin(const Timing& timing, uint64_t start_ns) {
  const auto inputs = static_cast<double>(loads_.size());
  for (Load* load : by_number_) {
    load->schedule.start_ns = start_ns;
    if (plan_.rate) {
      load->schedule.interval_ns = kNs * inputs / *plan_.rate;
      load->schedule.first_ns = kNs * load->number / *plan_.rate;
    }
    load->latencies.measure_from(start_ns + ns_of(timing.warm_up_s));
  }
  for (Load* load : by_number_) load->begin();
}

void LoadPhase::end(RunningTopology& running, bool at_once) {
  if (at_once)
    for (Load* load : by_number_) load->end();
  // Kernels that are sources themselves may never come to an end.
  if (!running.has_sources()) return;
  while (!at_once && sent() < plan_.messages) at_once = wait_for_end(monotonic_ns() + kLookNs);
  running.stop(RunningTopology::Cause::Stop);
}

uint64_t LoadPhase::sent() const {
  uint64_t sum = 0;
  for (const Load* load : by_number_) sum += load->sent.load(std::memory_order_relaxed);
  return sum;
}

LoadPhase::Snapshot LoadPhase::snapshot(const RunningTopology& running) const {
  return {monotonic_ns(), sent(), running.counts()};
}

bool LoadPhase::wait_for_end(uint64_t until_ns) {
  std::unique_lock lock(mutex_);
  const uint64_t now = monotonic_ns();
  const auto left = std::chrono::nanoseconds(until_ns > now ? until_ns - now : 0);
  return changed_.wait_for(lock, left, [this] { return ended_ || stopped_.has_value(); });
}

void LoadPhase::watch(RunningTopology& running, const Timing& timing, uint64_t start_ns,
                      const Progress& progress, PhaseResult& result) {
  const bool by_time = plan_.messages == 0;
  const uint64_t measured_from = start_ns + ns_of(timing.warm_up_s);
  bool over = wait_for_end(measured_from);
  Snapshot last = snapshot(running);
  for (size_t i = 0; i < timing.windows && !over; ++i) {
    over = wait_for_end(measured_from + ns_of(timing.window_s * static_cast<double>(i + 1)));
    Snapshot now = snapshot(running);
    const double seconds = static_cast<double>(now.ns - last.ns) / kNs;
    // A piece of a window tells nothing.
    if (over && seconds < 0.9 * timing.window_s) break;
    result.windows.push_back({static_cast<double>(last.ns - start_ns) / kNs,
                              seconds,
                              static_cast<double>(now.sent - last.sent) / seconds,
                              rates(last.counts.handled, now.counts.handled, seconds),
                              rates(last.counts.written, now.counts.written, seconds),
                              resident_bytes(),
                              {}});
    progress.on_window(result.windows.back());
    last = std::move(now);
  }
  if (timing.planned_s > 0 && !over) over = wait_for_end(start_ns + ns_of(timing.planned_s));
  result.seconds = static_cast<double>(monotonic_ns() - start_ns) / kNs;
  result.in_time = sent();
  end(running, by_time || over);
}

void LoadPhase::add_up(PhaseResult& result) {
  Histogram all;
  Histogram late;
  for (Load* load : by_number_) {
    load->latencies.finish();
    for (const Histogram& window : load->latencies.windows()) all.add(window);
    late.add(load->late);
    result.lost += load->latencies.lost();
  }
  for (size_t i = 0; i < result.windows.size(); ++i) {
    Histogram window;
    for (const Load* load : by_number_) window.add(load->latencies.windows()[i]);
    result.windows[i].latency = figures_of(window);
  }
  result.latency = figures_of(all);
  result.late = figures_of(late);
}

tl::expected<PhaseResult, StartError> LoadPhase::run(RunSettings settings, const Progress& progress,
                                                     bool& stuck) {
  const Timing planned = timing();
  prepare(planned);
  // Behind the pointer: a handler that never returns must not take the run away under itself.
  auto running = std::make_unique<RunningTopology>(topology_, with_load(std::move(settings)));
  if (auto started = running->start(); !started) return tl::unexpected(started.error());
  {
    const std::lock_guard lock(mutex_);
    running_ = running.get();
    if (stopped_) running->stop(*stopped_);
  }
  PhaseResult result;
  result.plan = plan_;
  progress.on_ready(running->ready_line());
  std::thread runner([&] {
    CrashHandler::prepare_thread();
    result.code = running->run();
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  });
  const uint64_t start_ns = monotonic_ns() + (plan_.rate ? kHeadStartNs : 0);
  begin(planned, start_ns);
  watch(*running, planned, start_ns, progress, result);
  runner.join();
  {
    const std::lock_guard lock(mutex_);
    running_ = nullptr;
  }
  if (plan_.messages > 0 && !plan_.rate) {
    result.seconds = static_cast<double>(monotonic_ns() - start_ns) / kNs;
    result.in_time = sent();
  }
  result.sent = sent();
  result.rate = static_cast<double>(result.in_time) / result.seconds;
  if (plan_.rate) {
    const double due_s = std::max(0.0, result.seconds - kGraceS);
    result.due = std::min(static_cast<uint64_t>(*plan_.rate * due_s),
                          plan_.messages > 0 ? plan_.messages : ~uint64_t{0});
  }
  result.status = running->status_json();
  result.complaints = running->complaints();
  result.dead_letters = dead_letters_;
  stuck = running->stuck();
  if (stuck) {
    (void)running.release();
    return result;
  }
  add_up(result);
  return result;
}

void LoadPhase::stop(RunningTopology::Cause cause) {
  const std::lock_guard lock(mutex_);
  stopped_ = cause;
  if (running_ != nullptr) running_->stop(cause);
  changed_.notify_all();
}

}  // namespace ringkernel::launcher
