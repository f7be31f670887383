#include "ringkernel/nearest_name.hpp"

#include <algorithm>
#include <cstddef>

namespace ringkernel {
namespace {

// Damerau-Levenshtein distance with adjacent transpositions (optimal string alignment).
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = last[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U);
      now[j] = std::min({changed, last[j] + 1, now[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        now[j] = std::min(now[j], before_last[j - 2] + 1);
      }
    }
    before_last.swap(last);
    last.swap(now);
  }
  return last[b.size()];
}

}  // namespace

std::string nearest_name(std::string_view name, const std::vector<std::string>& known) {
  const std::string* nearest = nullptr;
  size_t best = 2 + name.size() / 4;
  for (const std::string& candidate : known) {
    const size_t mistakes = distance(name, candidate);
    // A word of two letters is one mistake away from too many others.
    if (mistakes < best && mistakes < std::max<size_t>(name.size(), 1)) {
      best = mistakes;
      nearest = &candidate;
    }
  }
  return nearest ? *nearest : std::string();
}

}  // namespace ringkernel
