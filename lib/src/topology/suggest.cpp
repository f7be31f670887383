#include "topology/suggest.hpp"

#include "ringkernel/nearest_name.hpp"

namespace ringkernel::topology {

std::string did_you_mean(std::string_view found, const std::vector<std::string>& possible) {
  const std::string best = nearest_name(found, possible);
  return best.empty() ? "" : "did you mean '" + best + "'?";
}

}  // namespace ringkernel::topology
