#include <memory>
#include <ringkernel/build.hpp>
#include <ringkernel/topology.hpp>
#include <string>
#include <vector>

#include "build_report.hpp"
#include "command.hpp"
#include "topology_options.hpp"

namespace ringk {
namespace {

using ringkernel::Topology;

struct CheckArguments {
  std::vector<std::string> files;
  TopologyArguments topology;
  std::string format = "text";
  bool json = false;
  bool print = false;
  bool schema = false;
  bool compile = false;
  bool verbose = false;
};

std::string count_of(size_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

class Check {
 public:
  Check(const CheckArguments& options, const Console& console)
      : options_(options), console_(console) {}

  ExitCode run() {
    ExitCode code = ExitCode::Ok;
    for (const std::string& file : options_.files) {
      // The first file that is wrong decides; the others are still reported.
      const ExitCode of_file = check(file);
      if (code == ExitCode::Ok) code = of_file;
    }
    const ExitCode written = finish();
    return written == ExitCode::Ok ? code : written;
  }

 private:
  ExitCode check(const std::string& file) {
    auto topology = Topology::load(file, options_.topology.options());
    if (!topology) return unreadable(console_, file, topology.error());
    errors_ += topology->errors();
    warnings_ += topology->warnings();
    ++files_;
    const ExitCode code = !topology->valid() ? ExitCode::Invalid
                          : options_.compile ? compile(*topology)
                                             : ExitCode::Ok;
    if (options_.format == "json") {
      text_ += (text_.empty() ? "" : ",") + topology->report_json();
      if (options_.compile) {
        text_.pop_back();
        text_ += code == ExitCode::Ok ? ",\"compiled\":true}" : ",\"compiled\":false}";
      }
    } else if (options_.print) {
      console_.report(topology->report(console_.colour_messages()));
      if (!text_.empty()) text_ += "---\n";
      text_ += topology->effective_yaml();
    } else {
      text_ += topology->report(console_.colour_data());
    }
    return code;
  }

  ExitCode compile(const Topology& topology) {
    if (architectures_.empty()) architectures_ = ringkernel::usual_architectures();
    auto built = ringkernel::build_handlers(topology, {architectures_});
    if (!built) return console_.failed(built.error());
    // One sentence is enough for all files.
    if (skip_said_) built->skipped.clear();
    skip_said_ = skip_said_ || !built->skipped.empty();
    const Complaints complaints = say_failures(*built, console_);
    errors_ += complaints.errors;
    warnings_ += complaints.warnings;
    if (options_.format == "json")
      built_ += (built_.empty() ? "" : ",") + ringkernel::to_json(*built);
    else if (options_.verbose)
      tables_ += build_table(*built, true);
    return complaints.code;
  }

  ExitCode finish() {
    const std::string counts = count_of(errors_, "error") + ", " + count_of(warnings_, "warning") +
                               " in " + count_of(files_, "file");
    if (options_.format == "json") {
      return console_.data("{\"schema\":\"ringk.check/1\",\"errors\":" + std::to_string(errors_) +
                           ",\"warnings\":" + std::to_string(warnings_) + ",\"files\":[" + text_ +
                           "]" + (options_.compile ? ",\"built\":[" + built_ + "]" : "") + "}\n");
    }
    if (options_.print) {
      if (!tables_.empty()) console_.report(tables_);
      if (errors_ > 0) console_.say(counts);
      return console_.data(text_);
    }
    return console_.data(text_ + tables_ + counts + "\n");
  }

  const CheckArguments& options_;
  const Console& console_;
  std::string text_;
  std::string built_;   // JSON documents
  std::string tables_;  // of what handlers take
  std::vector<std::string> architectures_;
  bool skip_said_ = false;
  size_t errors_ = 0, warnings_ = 0, files_ = 0;
};

}  // namespace

Action declare_check(CLI::App& app) {
  const auto options = std::make_shared<CheckArguments>();
  app.add_option("FILE", options->files, "topologies ('-': standard input)");
  auto* print = app.add_flag("--print", options->print,
                             "print the effective topology: merged, defaults filled in");
  auto* schema =
      app.add_flag("--schema", options->schema, "print the JSON Schema of topologies, for editors");
  auto* compile = app.add_flag("--compile", options->compile,
                               "compile the handlers as well, for every processor");
  app.add_flag("-v,--verbose", options->verbose, "with --compile: what they take of a GPU")
      ->needs(compile);
  auto* format = app.add_option("-o,--output", options->format, "text or json")
                     ->check(CLI::IsMember({"text", "json"}))
                     ->type_name("FORMAT")
                     ->excludes(print);
  app.add_flag("--json", options->json, "the same as -o json")->excludes(format)->excludes(print);
  print->excludes(schema);
  options->topology.declare(app);
  return [options](Console& console) {
    if (options->json) options->format = "json";
    if (options->schema != options->files.empty()) {
      return console.misused(options->schema ? "--schema takes no file" : "no file is given",
                             "check");
    }
    if (options->schema) return console.data(ringkernel::topology_schema() + "\n");
    return Check(*options, console).run();
  };
}

}  // namespace ringk
