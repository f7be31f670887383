// A topology under load for a while, from its launch to its drain: one phase of `ringk bench`.
//
// Threads: run() is called once; stop() from any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "launcher/load.hpp"
#include "launcher/load_roots.hpp"
#include "launcher/running_topology.hpp"

namespace ringkernel::launcher {

struct PhasePlan {
  std::string name;            // "capacity", "50%", "rate"
  std::optional<double> rate;  // messages/s of all inputs together, open loop; none: closed loop
  uint64_t messages = 0;       // how many in all; 0: as many as `duration` takes
  std::chrono::nanoseconds duration{};
};

struct LatencyFigures {
  uint64_t count = 0;  // of messages that were followed
  double p50_us = 0, p99_us = 0, p999_us = 0, max_us = 0;
};
LatencyFigures figures_of(const Histogram& histogram);

struct PhaseWindow {
  double begin_s = 0;  // since the phase began
  double seconds = 0;
  double rate = 0;              // messages sent per second
  std::vector<double> kernels;  // handled per second, in the topology's order
  std::vector<double> outputs;  // written per second
  uint64_t resident_bytes = 0;  // of the process, at its end
  LatencyFigures latency;       // of the messages that began in it
};

struct PhaseResult {
  PhasePlan plan;
  ExitCode code = ExitCode::Ok;
  double seconds = 0;  // until everything was due, or, in a closed loop, handled
  uint64_t sent = 0;
  uint64_t in_time = 0;              // of them, by then
  uint64_t due = 0;                  // open loop: how many should have been
  double rate = 0;                   // sent in time per second
  std::vector<PhaseWindow> windows;  // equally long; without the warm-up
  LatencyFigures latency;
  LatencyFigures late;  // open loop: how long after it was due a message was sent
  uint64_t lost = 0;    // followed, with no end seen
  std::string status;   // the document of schema ringk.status/1 after the drain
  std::vector<std::string> complaints;
  std::vector<std::string> dead_letters;  // the first of some kinds, each a sentence

  // Open loop: what was due was sent, but for one in a hundred.
  bool kept() const { return static_cast<double>(in_time) >= 0.99 * static_cast<double>(due); }
};

// By the name of the input.
using LoadSources = std::map<std::string, LoadMessages>;

class LoadPhase {
 public:
  LoadPhase(const topology::Topology& topology, const LoadSources& sources, PhasePlan plan)
      : topology_(topology), sources_(sources), plan_(std::move(plan)) {}

  // Called on the thread of run().
  struct Progress {
    std::function<void(const std::string& ready_line)> on_ready;
    std::function<void(const PhaseWindow& window)> on_window;
  };
  // `settings`: of the run, with how to load its handlers and without what the phase itself sets.
  // `stuck`: a handler has not returned; the phase must stay, and only _exit() leaves the process.
  tl::expected<PhaseResult, StartError> run(RunSettings settings, const Progress& progress,
                                            bool& stuck);
  void stop(RunningTopology::Cause cause);

 private:
  struct Timing {
    double planned_s = 0;  // 0: not known
    double warm_up_s = 0;
    double window_s = 0;
    size_t windows = 0;
  };
  struct Snapshot;

  Timing timing() const;
  void prepare(const Timing& timing);
  RunSettings with_load(RunSettings settings);
  void note(std::string_view letter);
  void begin(const Timing& timing, uint64_t start_ns);
  void end(RunningTopology& running, bool at_once);
  uint64_t sent() const;
  Snapshot snapshot(const RunningTopology& running) const;
  void watch(RunningTopology& running, const Timing& timing, uint64_t start_ns,
             const Progress& progress, PhaseResult& result);
  bool wait_for_end(uint64_t until_ns);
  void add_up(PhaseResult& result);

  const topology::Topology& topology_;
  const LoadSources& sources_;
  const PhasePlan plan_;
  std::vector<std::unique_ptr<Load>> loads_;
  std::vector<Load*> by_number_;
  std::optional<LoadRoots> roots_;
  std::vector<std::string> dead_letters_;
  size_t letters_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  RunningTopology* running_ = nullptr;
  std::optional<RunningTopology::Cause> stopped_;
  bool ended_ = false;
};

}  // namespace ringkernel::launcher
