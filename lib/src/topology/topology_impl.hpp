// What is behind the public Topology: the model and the report that came with it.
#pragma once

#include <string>

#include "ringkernel/topology.hpp"
#include "topology/load.hpp"

namespace ringkernel {

struct Topology::Impl {
  std::string file;
  std::string name;
  topology::LoadResult loaded;
  size_t errors = 0;
  size_t warnings = 0;
};

// REQUIRES: topology.valid().
inline const topology::Topology& model_of(const Topology& topology) {
  return *topology.impl().loaded.topology;
}

}  // namespace ringkernel
