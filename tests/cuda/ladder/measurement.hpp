// How long and how often a step of the ladder runs, and what it reports: one JSON line per figure,
// {"job", "peer", "unit", "value", "samples"}, for table.py.
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace ladder {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Scale {
  uint64_t round_trips = 100'000;          // of each latency
  uint64_t messages = 1'000'000;           // of each rate
  uint64_t volume = 100'000'000;           // of each check that nothing is lost
  uint32_t lives = 20;                     // of a kernel that is launched and ended
  uint32_t most_depth = 65'536;            // messages under way at a time
  uint32_t most_senders = 131;             // blocks
  std::chrono::duration<double> limit{4};  // of each measurement: what is done by then counts

  // So little that it shows only that everything works.
  static Scale tiny() { return {20, 200, 500, 1, 64, 2, std::chrono::seconds(30)}; }
};

// Until `most` or the limit of time, looked at every `every` calls.
class Budget {
 public:
  Budget(uint64_t most, std::chrono::duration<double> limit, uint64_t every = 64)
      : most_(most),
        every_(every),
        end_(Clock::now() + std::chrono::duration_cast<Clock::duration>(limit)) {}
  bool goes_on(uint64_t done) const {
    return done < most_ && (done == 0 || done % every_ != 0 || Clock::now() < end_);
  }

 private:
  uint64_t most_;
  uint64_t every_;
  Clock::time_point end_;
};

// A wrong result is no result: everything that measures throws this.
struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};
inline void demand(bool holds, const char* what) {
  if (!holds) throw Wrong(what);
}

void report(const std::string& job, const std::string& peer, const std::string& unit, double value,
            uint64_t samples);
// p50, p99 and p99.9 of `nanoseconds`, in microseconds.
void report_latencies(const std::string& job, const std::string& peer,
                      std::vector<uint64_t> nanoseconds);

}  // namespace ladder
