#include <memory>
#include <ringkernel/build.hpp>
#include <string>
#include <vector>

#include "build_report.hpp"
#include "command.hpp"
#include "topology_options.hpp"

namespace ringk {
namespace {

struct BuildArguments {
  std::string file;
  TopologyArguments topology;
  std::vector<std::string> architectures;
  std::string headers;
  bool verbose = false;
  bool json = false;
};

std::string check_architecture(const std::string& text) {
  const bool number = text.size() > 3 && text.starts_with("sm_") &&
                      text.find_first_not_of("0123456789", 3) == std::string::npos;
  return number ? "" : "'" + text + "' is no architecture: sm_90 is one";
}

ExitCode build(const BuildArguments& options, const Console& console) {
  const auto topology = load_valid(options.file, options.topology, console);
  if (!topology) return topology.error();
  if (!options.headers.empty()) {
    if (auto written = ringkernel::write_editor_files(*topology, options.headers); !written)
      return console.failed(written.error());
  }
  const bool told = !options.architectures.empty();
  const auto report = ringkernel::build_handlers(
      *topology, {told ? options.architectures : ringkernel::present_architectures()});
  if (!report) return console.failed(report.error());
  const ExitCode written = console.data(options.json ? ringkernel::to_json(*report) + "\n"
                                                     : build_table(*report, options.verbose));
  const ExitCode code = say_failures(*report, console).code;
  if (written != ExitCode::Ok) return written;
  if (code != ExitCode::Ok) return code;
  return report->skipped.empty() ? ExitCode::Ok : ExitCode::Unavailable;
}

}  // namespace

Action declare_build(CLI::App& app) {
  const auto options = std::make_shared<BuildArguments>();
  app.add_option("FILE", options->file, "a topology ('-': standard input)")->required();
  app.add_option("--arch", options->architectures,
                 "GPUs to compile for (default: those of this machine)")
      ->type_name("SM,...")
      ->delimiter(',')
      ->expected(1)
      ->take_all()
      ->check(check_architecture);
  app.add_option("--headers", options->headers,
                 "write what an editor needs to read the handlers in this folder")
      ->type_name("FOLDER");
  app.add_flag("-v,--verbose", options->verbose, "show what the handlers take of a GPU");
  app.add_flag("--json", options->json, "a JSON document");
  options->topology.declare(app);
  return [options](Console& console) { return build(*options, console); };
}

}  // namespace ringk
