// The end of a run: inputs stop, what is under way is handled, on_stop runs from the sources to the
// outputs, everything is written. What cannot end in time becomes dead letters.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>

#include "launcher/run_graph.hpp"

namespace ringkernel::launcher {

class Drain {
 public:
  enum class Result : uint8_t {
    Complete,
    LimitReached,  // what was left became dead letters
    Stuck,         // a handler did not give its block back even then
  };

  // When the time is over, asked again and again, since it may get a limit on the way; none: as
  // long as it takes. Called by the thread of run().
  using Limit = std::function<std::optional<std::chrono::steady_clock::time_point>()>;

  // `hurry` set by anybody: the limit is now.
  Drain(RunGraph& graph, const topology::Topology& topology, Limit limit,
        const std::atomic<bool>& hurry);

  // `stop_sources`: kernels with on_poll are not asked any more.
  Result run(bool stop_sources);

 private:
  bool wait(const std::function<bool()>& condition);
  // Runs `work`, which may wait for handlers, on a thread of its own.
  bool await(const std::function<void()>& work);
  bool drained();
  bool stop_kernels();
  bool written() const;
  void bury_inactive();
  bool in_time() const;
  Result force();

  RunGraph& graph_;
  const topology::Topology& topology_;
  const Limit limit_;
  const std::atomic<bool>& hurry_;
};

}  // namespace ringkernel::launcher
