// From YAML text to a validated Topology, or to every mistake in it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "topology/diagnostic.hpp"
#include "topology/topology.hpp"

namespace ringkernel::topology {

struct LoadOptions {
  std::vector<std::string> overlays;  // --with FILE, in order: maps merge, lists replace
  std::vector<std::pair<std::string, std::string>>
      sets;          // --set path=value, in order: ("kernels.score.params.limit", "500")
  std::string name;  // --name; empty: the topology's own
  // ${VAR} is looked up here; the default reads the environment.
  std::function<std::optional<std::string>(const std::string&)> variable;
};

struct LoadResult {
  std::optional<Topology> topology;     // absent when there is an error
  std::vector<Diagnostic> diagnostics;  // errors and warnings, sorted by place
  std::vector<SourceText> sources;      // of every file read, for render()
  std::string
      effective_yaml;  // check --print: merged, interpolated, defaults filled in; empty on errors
};

// Reads `file` ("-": stdin) and its overlays. Fails with NotFound or IoError only when a file
// cannot be read; everything else is a diagnostic.
Result<LoadResult> load(const std::string& file, const LoadOptions& options = {});

// The same from text, for tests and embedders; relative paths resolve against `folder`.
LoadResult load_text(std::string_view text, const std::string& file_name, const std::string& folder,
                     const LoadOptions& options = {});

// The draft-07 JSON Schema for editors, from the same table that the checker uses.
std::string json_schema();

}  // namespace ringkernel::topology
