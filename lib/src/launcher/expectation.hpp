// What a test expects of a target, held against what arrived there.
#pragma once

#include <string>
#include <vector>

#include "topology/topology.hpp"

namespace ringkernel::launcher {

// Empty where `found`, JSON objects in the order of their arrival, is as expected; else some lines
// that say what is missing and what is there instead.
std::string mismatch(const topology::Expectation& expectation,
                     const std::vector<std::string>& found);

}  // namespace ringkernel::launcher
