// Overlays and --set: later values over earlier ones.
#pragma once

#include <string>

#include "topology/value.hpp"

namespace ringkernel::topology {

// Maps merge, everything else replaces; a param keeps its declared type, a buffer's short form is
// its type, and another way in, way
// out or kind of handler takes the place of the base's, with the options that only that had.
void merge(Value& base, const Value& overlay);
// The same for one kernel over the defaults.
void merge_kernel(Value& defaults, const Value& kernel);

// Sets "kernels.score.params.limit" to a scalar. A param keeps its declared type, also one that
// the defaults declare, and ways replace each other as in merge(). What the path leads through must
// exist, except what a buffer has, and below launch, build, run, dead_letters and defaults.
void set_path(Value& document, const std::string& path, const std::string& text,
              std::vector<Diagnostic>& diagnostics);

}  // namespace ringkernel::topology
