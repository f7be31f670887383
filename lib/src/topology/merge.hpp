// Overlays and --set: later values over earlier ones.
#pragma once

#include <string>

#include "topology/value.hpp"

namespace ringkernel::topology {

// Maps merge, everything else replaces; a param keeps its declared type.
void merge(Value& base, const Value& overlay);

// Sets "kernels.score.params.limit" to a scalar. A param keeps its declared type, also one that
// the defaults declare. What the path leads through must exist, except below launch, build, run,
// dead_letters and defaults.
void set_path(Value& document, const std::string& path, const std::string& text,
              std::vector<Diagnostic>& diagnostics);

}  // namespace ringkernel::topology
