#include <charconv>
#include <memory>
#include <optional>
#include <ringkernel/bench.hpp>
#include <string>
#include <string_view>

#include "command.hpp"
#include "topology_options.hpp"
#include "values.hpp"

namespace ringk {
namespace {

using ringkernel::BenchReport;
using ringkernel::BenchRequest;
using ringkernel::Voice;

struct BenchArguments {
  std::string file;
  TopologyArguments topology;
  BenchRequest request;
  std::vector<std::string> in;
  std::string rate;
  std::string size;
  std::string duration;
  std::string backend;
  Format format;
};

// "250000", "250k", "1.5M": positive.
std::optional<double> parse_amount(std::string_view text) {
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  if (unit == "k") {
    number *= 1e3;
  } else if (unit == "M") {
    number *= 1e6;
  } else if (!unit.empty()) {
    return std::nullopt;
  }
  // Past a message a nanosecond no clock could tell when one is due.
  if (!(number > 0 && number <= 1e9)) return std::nullopt;
  return number;
}

std::string check_amount(const std::string& text) {
  if (parse_amount(text)) return {};
  return "'" + text + "' is no amount: write 50000, 50k or 1.5M";
}

std::string check_rate(const std::string& text) {
  return text == "max" ? std::string() : check_amount(text);
}

std::string check_whole(const std::string& text) {
  const auto amount = parse_amount(text);
  if (amount && *amount >= 1) return {};
  return "'" + text + "' is no number of messages: write 50000, 50k or 1.5M";
}

std::string check_some_time(const std::string& text) {
  const auto duration = parse_duration(text);
  if (duration && duration->count() > 0) return {};
  return check_duration(text).empty() ? "it has to take some time" : check_duration(text);
}

class Bench {
 public:
  Bench(BenchArguments& options, Console& console) : options_(options), console_(console) {}

  ExitCode run() {
    auto topology = load_valid(options_.file, options_.topology, console_);
    if (!topology) return topology.error();
    const BenchReport report = ringkernel::bench(*topology, request());
    if (report.json.empty()) return report.code;
    const ExitCode written =
        console_.data(options_.format.json() ? report.json + "\n" : report.table);
    return ringkernel::first_of(report.code, written);
  }

 private:
  BenchRequest& request() {
    BenchRequest& request = options_.request;
    for (const std::string& pair : options_.in) request.in.push_back(split_pair(pair));
    request.capacity_only = options_.rate == "max";
    if (!request.capacity_only) request.rate = parse_amount(options_.rate);
    if (const auto size = parse_amount(options_.size))
      request.messages = static_cast<uint64_t>(*size);
    if (const auto duration = parse_duration(options_.duration)) request.duration = *duration;
    if (options_.backend == "auto") request.backend = ringkernel::Backend::Auto;
    if (options_.backend == "cpu") request.backend = ringkernel::Backend::Cpu;
    if (options_.backend == "cuda") request.backend = ringkernel::Backend::Cuda;
    request.say = [this](Voice voice, std::string_view text) {
      if (voice == Voice::Progress)
        console_.progress(text);
      else if (voice == Voice::Error)
        (void)console_.failed(ExitCode::Failed, text);
      else
        console_.say(text);
    };
    return request;
  }

  BenchArguments& options_;
  Console& console_;
};

}  // namespace

Action declare_bench(CLI::App& app) {
  const auto options = std::make_shared<BenchArguments>();
  BenchRequest& request = options->request;
  app.add_option("FILE", options->file, "the topology ('-': standard input)")->required();
  app.add_option("--rate", options->rate,
                 "one phase: messages a second of all inputs, or max: as fast as they are taken")
      ->type_name("RATE")
      ->check(check_rate);
  auto* size = app.add_option("--size", options->size, "messages of each phase, in place of --for")
                   ->type_name("N")
                   ->check(check_whole);
  app.add_option("--for", options->duration, "how long each phase takes (default 2s)")
      ->type_name("DURATION")
      ->check(check_some_time)
      ->excludes(size);
  app.add_option("--in", options->in, "send an input the messages of FILE, again and again")
      ->type_name("NAME=FILE")
      ->check(check_pair)
      ->expected(1)
      ->take_all();
  app.add_option("--keys", request.keys,
                 "values of each field that kernels are keyed by (default 1000)")
      ->type_name("N")
      ->check(CLI::Range(1, 10'000'000));
  app.add_flag("--lines", request.lines, "read each message from a line, and write lines");
  app.add_option("--workers", request.workers, "worker threads (default: the cores allowed)")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  app.add_option("--backend", options->backend, "of kernels that leave it open: auto, cpu or cuda")
      ->type_name("BACKEND")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  declare_format(app, options->format);
  options->topology.declare(app);
  return [options](Console& console) { return Bench(*options, console).run(); };
}

}  // namespace ringk
