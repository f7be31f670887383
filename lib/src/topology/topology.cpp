#include "ringkernel/topology.hpp"

#include <nlohmann/json.hpp>

#include "topology/topology_impl.hpp"

namespace ringkernel {

Topology::Topology(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Topology::~Topology() = default;
Topology::Topology(Topology&& other) noexcept = default;
Topology& Topology::operator=(Topology&& other) noexcept = default;

Result<Topology> Topology::load(const std::string& file, const TopologyOptions& options) {
  topology::LoadOptions load_options;
  load_options.overlays = options.overlays;
  load_options.sets = options.sets;
  load_options.name = options.name;
  auto loaded = topology::load(file, load_options);
  if (!loaded) return tl::unexpected(loaded.error());
  auto impl = std::make_unique<Impl>();
  impl->file = file;
  impl->loaded = std::move(*loaded);
  if (impl->loaded.topology) impl->name = impl->loaded.topology->name;
  for (const topology::Diagnostic& diagnostic : impl->loaded.diagnostics)
    ++(diagnostic.severity == topology::Severity::Error ? impl->errors : impl->warnings);
  return Topology(std::move(impl));
}

bool Topology::valid() const { return impl_->loaded.topology.has_value(); }
size_t Topology::errors() const { return impl_->errors; }
size_t Topology::warnings() const { return impl_->warnings; }
const std::string& Topology::file() const { return impl_->file; }
const std::string& Topology::name() const { return impl_->name; }
const std::string& Topology::effective_yaml() const { return impl_->loaded.effective_yaml; }

std::string Topology::report(bool colour) const {
  return topology::render(impl_->loaded.diagnostics, impl_->loaded.sources, colour);
}

std::string Topology::report_json() const {
  using Json = nlohmann::ordered_json;
  Json diagnostics = Json::array();
  for (const topology::Diagnostic& d : impl_->loaded.diagnostics) {
    Json one = {{"severity", d.severity == topology::Severity::Error ? "error" : "warning"},
                {"code", d.code},
                {"file", d.position.file},
                {"line", d.position.line},
                {"column", d.position.column},
                {"length", d.position.length},
                {"message", d.message}};
    if (!d.suggestion.empty()) one["suggestion"] = d.suggestion;
    if (!d.note.empty()) one["note"] = d.note;
    diagnostics.push_back(std::move(one));
  }
  const Json report = {{"file", file()},
                       {"valid", valid()},
                       {"errors", errors()},
                       {"warnings", warnings()},
                       {"diagnostics", std::move(diagnostics)}};
  // What a topology says may be any bytes.
  return report.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string topology_schema() { return topology::json_schema(); }

}  // namespace ringkernel
