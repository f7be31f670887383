// A topology: the YAML file that wires kernels into a graph, read and checked.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ringkernel/error.hpp"
#include "ringkernel/export.hpp"

namespace ringkernel {

struct TopologyOptions {
  std::vector<std::string> overlays;                      // --with FILE, in order
  std::vector<std::pair<std::string, std::string>> sets;  // --set path=value, in order
  std::string name;                                       // --name; empty: the topology's own
};

class RK_API Topology {
 public:
  // Reads `file` ("-": standard input) and its overlays. NotFound, IoError: one of them cannot be
  // read. Every mistake in what they say is in the report.
  static Result<Topology> load(const std::string& file, const TopologyOptions& options = {});
  ~Topology();
  Topology(Topology&& other) noexcept;
  Topology& operator=(Topology&& other) noexcept;

  bool valid() const;  // no errors; warnings do not count
  size_t errors() const;
  size_t warnings() const;
  const std::string& file() const;  // as it was given
  const std::string& name() const;  // empty where it is not valid

  // Every mistake with file:line:column, its line and a caret; empty where there is none.
  std::string report(bool colour) const;
  // {"file": ..., "valid": ..., "errors": n, "warnings": n, "diagnostics": [{"severity", "code",
  //  "file", "line", "column", "length", "message", "suggestion", "note"}, ...]}, on one line.
  std::string report_json() const;

  // Merged, interpolated, every default filled in; empty where it is not valid.
  const std::string& effective_yaml() const;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  explicit Topology(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The draft-07 JSON Schema of topologies, for editors.
RK_API std::string topology_schema();

}  // namespace ringkernel
