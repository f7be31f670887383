// A topology while it runs: its handlers, the engine with its graph, and what feeds and empties it.
//
//   RunningTopology running(topology, settings);
//   running.start();                      // compiles, builds, starts: Starting -> Ready
//   ExitCode code = running.run();        // until it ends; drains: Draining -> Stopped
//
// Threads: start() and run() are called once each, by one thread; everything else from any.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "handlers/handler_spec.hpp"
#include "launcher/control_target.hpp"
#include "ringkernel/exit_code.hpp"
#include "topology/topology.hpp"

namespace ringkernel::launcher {

class InputStep;
class LoadRoots;
class SharedProgress;
struct InputServices;

// Why a run did not start, with the code to exit with.
struct StartError {
  ExitCode code = ExitCode::Failed;
  Error error;
};

// The modules of handlers that run on the CPU, in the order of their specifications; they outlive
// the run.
using LoadHandlers = std::function<Result<std::vector<const HandlerModule*>>(
    const std::vector<handlers::HandlerSpec>&)>;

struct RunSettings {
  std::string name;                // what it is called while it runs; empty: the topology's name
  std::optional<Backend> backend;  // of kernels with backend: auto; none: RINGK_BACKEND, else auto
  uint32_t workers = 0;            // 0: the cores that the process may use
  uint32_t threads = 1;            // per block, where the handler's granularity uses them
  bool service = false;            // stdin inputs read nothing, the run ends when it is stopped
  int standard_in = 0;             // what stdin inputs read
  int standard_out = 1;            // what stdout outputs write; a private copy is made
  std::string stdout_file;         // not empty: what stdout outputs write
  std::map<std::string, std::string> in;   // input -> FILE, "-": standard_in
  std::map<std::string, std::string> out;  // output -> FILE, "-": standard_out
  std::string dead_letters;                // FILE; empty: the topology's, else NAME.dead.jsonl
  LoadHandlers load_handlers;              // empty: compiled or found by the handlers room
  // Set: outputs write nothing and give each message as JSON here, on a worker, one call at a time
  // per output, and buffers are not saved. `type` is the message's type.
  std::function<void(std::string_view output, std::string_view type, std::string_view json)>
      capture;
  // Set: dead letters are given here, as in the file, and no file is made. One call at a time.
  std::function<void(std::string_view envelope)> capture_dead_letters;
  // Set: makes the step of an input, whose end the run waits for; null: the input's own.
  std::function<std::unique_ptr<InputStep>(const topology::Input&, const InputServices&)>
      make_input;
  SharedProgress* progress = nullptr;  // set: a run among several of one launch
  const LoadRoots* load = nullptr;     // told of every message that is handled or written
};

// What has been handled so far by each kernel, and written by each output, in the topology's order.
struct RunCounts {
  std::vector<uint64_t> handled;
  std::vector<uint64_t> written;
};

class RunningTopology final : public ControlTarget {
 public:
  RunningTopology(const topology::Topology& topology, RunSettings settings);
  ~RunningTopology() override;  // what is still under way is lost
  RunningTopology(const RunningTopology&) = delete;
  RunningTopology& operator=(const RunningTopology&) = delete;

  tl::expected<void, StartError> start();

  // Returns when the topology has ended, by itself or by stop(), and has drained: all that it has
  // to say about itself is final then.
  ExitCode run();

  // Why it ends before its inputs do.
  enum class Cause : uint8_t { Stop, Interrupt };
  void stop(Cause cause);
  // The drain has to end now: what is left becomes dead letters.
  void hurry();

  // A handler did not give its block back in time: workers still run, and the process can only
  // be left by _exit().
  bool stuck() const;

  // "ready in 412 ms (score: cpu, 4 blocks)"
  std::string ready_line() const;
  // "done in 3.1 s: 200000 lines, 12 bad -> fraud.dead.jsonl; 199988 handled, ..."
  std::string summary_line() const;
  // "1200 lines, 12 bad; ..." so far
  std::string progress_line() const;
  // What went wrong besides bad lines and failed messages, one sentence each.
  std::vector<std::string> complaints() const;
  // REQUIRES: it has started.
  RunCounts counts() const;
  // Some kernels emit without being asked. REQUIRES: it has started.
  bool has_sources() const;
  const std::string& name() const;
  const std::string& dead_letters() const;

  // ControlTarget
  Phase phase() const override;
  std::string status_json() const override;
  Result<std::unique_ptr<Feed>> open_feed(const std::string& input,
                                          std::function<void()> on_change) override;
  Result<void> request(const std::string& input, const RequestLine& line,
                       std::chrono::nanoseconds timeout, std::function<void(Reply)> done) override;
  Idle idle() override;
  Result<void> suspend(const std::string& kernel) override;
  Result<void> resume(const std::string& kernel) override;
  Result<void> terminate(const std::string& kernel,
                         std::optional<std::chrono::nanoseconds> limit) override;
  void stop() override { stop(Cause::Stop); }

 private:
  Result<void> change_kernels(const std::string& kernel, bool suspends);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringkernel::launcher
