#include "topology_options.hpp"

#include "values.hpp"

namespace ringk {

using ringkernel::Topology;

void TopologyArguments::declare(CLI::App& app) {
  app.add_option("--with", overlays, "merge another file over the topology; may be repeated")
      ->type_name("OVERLAY")
      ->expected(1)
      ->take_all();
  app.add_option("--set", sets, "override one value; may be repeated")
      ->type_name("PATH=VALUE")
      ->check(check_pair)
      ->expected(1)
      ->take_all();
  app.add_option("--name", name, "run under another name")->type_name("NAME")->check(check_name);
}

ringkernel::TopologyOptions TopologyArguments::options() const {
  ringkernel::TopologyOptions options;
  options.overlays = overlays;
  for (const std::string& set : sets) options.sets.push_back(split_pair(set));
  options.name = name;
  return options;
}

std::pair<std::string, std::string> split_pair(const std::string& text) {
  const size_t equals = text.find('=');
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::string check_pair(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals != std::string::npos && equals > 0) return {};
  return "'" + text + "' has no '=' after a name";
}

ExitCode unreadable(const Console& console, const std::string& file, const Error& error) {
  using ringkernel::ErrorCode;
  Error said = error;
  if (said.where.empty()) said.where = file;
  const bool io = error.code == ErrorCode::NotFound || error.code == ErrorCode::IoError ||
                  error.code == ErrorCode::PermissionDenied;
  return io ? console.failed(ExitCode::NoInput, said.where + ": " + said.message)
            : console.failed(said);
}

tl::expected<Topology, ExitCode> load_valid(const std::string& file,
                                            const TopologyArguments& arguments,
                                            const Console& console) {
  auto topology = Topology::load(file, arguments.options());
  if (!topology) return tl::unexpected(unreadable(console, file, topology.error()));
  const std::string report = topology->report(console.colour_messages());
  if (!report.empty()) console.report(report);
  if (!topology->valid()) return tl::unexpected(ExitCode::Invalid);
  return std::move(*topology);
}

}  // namespace ringk
