// How fast a topology is, and how late under load: `ringk bench`.
//
// Each phase launches the topology anew. The first one finds its capacity: messages are sent as
// fast as there is room for them (closed loop). The others send at a share of that capacity (open
// loop): each message is due at a fixed time, and its latency counts from then until the last
// message that descends from it is handled or written.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringkernel/error.hpp"
#include "ringkernel/exit_code.hpp"
#include "ringkernel/export.hpp"
#include "ringkernel/launch_options.hpp"
#include "ringkernel/launcher.hpp"
#include "ringkernel/topology.hpp"

namespace ringkernel {

struct BenchRequest {
  // Inputs that cycle through the messages of a file; the others make messages up.
  std::vector<std::pair<std::string, std::string>> in;
  // Messages per second of all inputs together, in the only phase; none: capacity and shares of it.
  std::optional<double> rate;
  bool capacity_only = false;
  uint64_t messages = 0;  // of each phase; 0: as many as `duration` takes
  std::chrono::nanoseconds duration = std::chrono::seconds(2);
  uint32_t keys = 1000;  // values of each field that kernels are keyed by
  // Inputs read each message from a line of JSON, and outputs write lines, to nobody.
  bool lines = false;
  uint32_t workers = 0;            // 0: the cores that the process may use
  std::optional<Backend> backend;  // of kernels that leave it open; none: RINGK_BACKEND, else auto
  // Called on any thread, one call at a time, with a sentence without its newline.
  std::function<void(Voice, std::string_view)> say;
};

struct BenchReport {
  ExitCode code = ExitCode::Ok;  // where it could not run at all, both texts are empty
  std::string json;              // the document of schema ringk.bench/1, on one line
  std::string table;             // the same for people, lines
};

// Signals, standard output and a handler that crashes are as in launch(); a first signal ends the
// phase and gives the report so far. Nothing that the topology names is written, no dead letters
// either.
// REQUIRES: topology.valid(); one call at a time.
RK_API BenchReport bench(const Topology& topology, const BenchRequest& request);

}  // namespace ringkernel
