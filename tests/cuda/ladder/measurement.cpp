#include "cuda/ladder/measurement.hpp"

#include <algorithm>
#include <cstdio>

namespace ladder {

void report(const std::string& job, const std::string& peer, const std::string& unit, double value,
            uint64_t samples) {
  std::printf("{\"job\":\"%s\",\"peer\":\"%s\",\"unit\":\"%s\",\"value\":%.6g,\"samples\":%llu}\n",
              job.c_str(), peer.c_str(), unit.c_str(), value,
              static_cast<unsigned long long>(samples));
  std::fflush(stdout);
}

void report_latencies(const std::string& job, const std::string& peer,
                      std::vector<uint64_t> nanoseconds) {
  demand(!nanoseconds.empty(), "nothing was measured");
  std::sort(nanoseconds.begin(), nanoseconds.end());
  const size_t n = nanoseconds.size();
  for (const auto& [name, per_mille] : {std::pair{"p50", 500U}, {"p99", 990U}, {"p99.9", 999U}})
    report(job + ", " + name, peer, "us",
           static_cast<double>(nanoseconds[std::min(n - 1, n * per_mille / 1000)]) / 1000, n);
}

}  // namespace ladder
