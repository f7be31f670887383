#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <ringkernel/topology_tests.hpp>
#include <string>
#include <vector>

#include "command.hpp"
#include "topology_options.hpp"

namespace ringk {
namespace {

using ringkernel::TestOutcome;

struct TestArguments {
  std::vector<std::string> files;
  TopologyArguments topology;
  ringkernel::TestRequest request;
  std::string junit;
};

std::string line_of(const TestOutcome& outcome, bool colour) {
  const char* verdict = outcome.passed ? "ok    " : "FAILED";
  std::string text;
  if (colour) text += outcome.passed ? "\x1b[32m" : "\x1b[31m";
  text += verdict;
  if (colour) text += "\x1b[0m";
  text += " " + outcome.file + ":" + std::to_string(outcome.line) + ": " + outcome.name + "\n";
  for (size_t at = 0; at < outcome.failure.size();) {
    const size_t end = std::min(outcome.failure.find('\n', at), outcome.failure.size());
    text += "         " + outcome.failure.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return text;
}

class Tests {
 public:
  Tests(const TestArguments& options, const Console& console)
      : options_(options), console_(console) {}

  ExitCode run() {
    ExitCode code = ExitCode::Ok;
    for (const std::string& file : options_.files) {
      const ExitCode of_file = run_file(file);
      if (written_ != ExitCode::Ok) return written_;
      if (code == ExitCode::Ok) code = of_file;
    }
    return finish(code);
  }

 private:
  ExitCode run_file(const std::string& file) {
    auto topology = load_valid(file, options_.topology, console_);
    if (!topology) return topology.error();
    const size_t before = outcomes_.size();
    const auto outcomes =
        ringkernel::run_tests(*topology, options_.request, [this](const TestOutcome& outcome) {
          // Beside a report there, they are messages.
          if (options_.junit == "-") {
            console_.report(line_of(outcome, console_.colour_messages()));
          } else if (written_ == ExitCode::Ok) {
            written_ = console_.data(line_of(outcome, console_.colour_data()));
          }
        });
    if (!outcomes) {
      const ringkernel::Error& error = outcomes.error();
      // Of the files that it needs: one that a buffer is loaded from.
      if (error.code == ringkernel::ErrorCode::NotFound)
        return console_.failed(ExitCode::NoInput, error.where + ": " + error.message);
      return console_.failed(error);
    }
    outcomes_.insert(outcomes_.end(), outcomes->begin(), outcomes->end());
    if (outcomes_.size() == before) {
      console_.say(file + ": no test" + (options_.request.only.empty() ? "" : " of that name"));
    }
    return ExitCode::Ok;
  }

  ExitCode finish(ExitCode code) {
    size_t failed = 0;
    for (const TestOutcome& outcome : outcomes_) {
      failed += outcome.passed ? 0 : 1;
      if (outcome.crashed) code = ringkernel::first_of(code, ExitCode::Crashed);
    }
    console_.say(std::to_string(outcomes_.size() - failed) + " passed, " + std::to_string(failed) +
                 " failed");
    if (const ExitCode written = write_junit(); written != ExitCode::Ok) return written;
    if (code != ExitCode::Ok) return code;
    if (outcomes_.empty() && !options_.request.only.empty()) {
      return console_.misused("no test has '" + options_.request.only + "' in its name", "test");
    }
    return failed > 0 ? ExitCode::Failed : ExitCode::Ok;
  }

  ExitCode write_junit() const {
    if (options_.junit.empty()) return ExitCode::Ok;
    const std::string report = ringkernel::junit_report(outcomes_);
    if (options_.junit == "-") return console_.data(report);
    std::ofstream file(options_.junit, std::ios::binary);
    file << report;
    file.close();
    if (file) return ExitCode::Ok;
    return console_.failed(ExitCode::OutputError, options_.junit + ": cannot be written");
  }

  const TestArguments& options_;
  const Console& console_;
  std::vector<TestOutcome> outcomes_;
  ExitCode written_ = ExitCode::Ok;
};

}  // namespace

Action declare_test(CLI::App& app) {
  const auto options = std::make_shared<TestArguments>();
  app.add_option("FILE", options->files, "topologies ('-': standard input)")->required();
  app.add_option("--filter", options->request.only, "run the tests whose name contains TEXT")
      ->type_name("TEXT");
  app.add_option("--junit", options->junit, "also write a JUnit report ('-': standard output)")
      ->type_name("FILE");
  app.add_option("--threads", options->request.threads,
                 "threads of each block whose handler uses them (default 1)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  app.add_option("--workers", options->request.workers,
                 "worker threads (default: the cores allowed)")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  options->topology.declare(app);
  return [options](Console& console) { return Tests(*options, console).run(); };
}

}  // namespace ringk
