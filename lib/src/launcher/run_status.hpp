// What a run says of itself: the status document, its totals, and the lines for people.
#pragma once

#include <cstdint>
#include <string>

#include "launcher/run_graph.hpp"

namespace ringkernel::launcher {

struct RunTotals {
  uint64_t lines = 0, accepted = 0, bad = 0;
  uint64_t handled = 0, emitted = 0, written = 0;
  uint64_t failed = 0;   // by handlers, on edges, by outputs
  uint64_t dropped = 0;  // as asked for
  uint64_t in_flight = 0;
  bool balanced = true;  // every identity of the accounting holds; true at every quiet moment
};
RunTotals totals_of(const RunGraph& graph);

struct RunFacts {
  std::string name;
  std::string state;
  double uptime_s = 0;
};
// The document of schema "ringk.status/1".
std::string status_json(const RunGraph& graph, const RunFacts& facts);

// "score: cpu, 4 blocks"
std::string kernels_line(const RunGraph& graph);
// "200000 lines, 12 bad -> fraud.dead.jsonl; 199988 handled, 4012 alerts, 0 failed, 0 dropped"
std::string summary_line(const RunGraph& graph);

// "3.1 s", "412 ms"
std::string duration_text(double seconds);

}  // namespace ringkernel::launcher
