// What a measurement says: a document and a table, and what a long run has to be judged by.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launcher/load_phase.hpp"

namespace ringkernel::launcher {

struct BenchFacts {
  std::string topology;  // its name
  std::string file;
  bool lines = false;
  uint32_t keys = 0;
};

// Of the rates of windows, or of the whole where there are too few of them.
struct RateSpread {
  double median = 0, least = 0, most = 0;
};
RateSpread spread_of(const PhaseResult& phase);

// How the end of a phase compares with its beginning; none where it is too short to tell.
struct Steadiness {
  double memory_growth_bytes = 0;  // of the process, from the first tenth to the last
  double rates_within_tenth = 0;   // the share of windows within 10 % of the median rate
  double p99_drift = 0;            // the p99 of the last third by that of the first
};
std::optional<Steadiness> steadiness_of(const PhaseResult& phase);

std::string bench_json(const BenchFacts& facts, const std::vector<PhaseResult>& phases);
std::string bench_table(const BenchFacts& facts, const std::vector<PhaseResult>& phases);

// "5.12 M"
std::string amount_text(double amount);

}  // namespace ringkernel::launcher
