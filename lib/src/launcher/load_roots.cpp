#include "launcher/load_roots.hpp"

#include "core/clock.hpp"
#include "launcher/load.hpp"

namespace ringkernel::launcher {

void LoadRoots::ended(uint64_t root) const {
  if ((root & kMade) == 0 || (root & kFollowed) == 0) return;
  const uint64_t input = (root & ~(kMade | kFollowed)) >> kInputShift;
  loads_[input]->latencies.ended(root & kNumber, monotonic_ns());
}

}  // namespace ringkernel::launcher
