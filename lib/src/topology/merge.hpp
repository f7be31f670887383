// Overlays and --set: later values over earlier ones.
#pragma once

#include <string>

#include "topology/value.hpp"

namespace ringkernel::topology {

// Maps merge, everything else replaces.
void merge(Value& base, const Value& overlay);

// Sets "kernels.score.params.limit" to a scalar; `[N]` picks an item of a list. A param keeps its
// declared type. What the path leads through must exist, except below launch, build, params, run
// and dead_letters.
void set_path(Value& document, const std::string& path, const std::string& text,
              std::vector<Diagnostic>& diagnostics);

}  // namespace ringkernel::topology
