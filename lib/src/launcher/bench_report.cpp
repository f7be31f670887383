#include "launcher/bench_report.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "ringkernel/version.hpp"

namespace ringkernel::launcher {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kLeastWindows = 3;    // for a spread
constexpr size_t kSteadyWindows = 20;  // for a comparison of the end with the beginning

double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

template <class Value>
std::vector<double> of_windows(const std::vector<PhaseWindow>& windows, size_t first, size_t last,
                               Value&& value) {
  std::vector<double> values;
  for (size_t i = first; i < last; ++i) values.push_back(value(windows[i]));
  return values;
}

std::string processor() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

double rounded(double value) { return std::round(value * 1000) / 1000; }

Json latency_json(const LatencyFigures& latency) {
  if (latency.count == 0) return nullptr;
  return {{"count", latency.count},
          {"p50", rounded(latency.p50_us)},
          {"p99", rounded(latency.p99_us)},
          {"p999", rounded(latency.p999_us)},
          {"max", rounded(latency.max_us)}};
}

Json named(const Json& list, const std::vector<double>& values) {
  Json json = Json::object();
  for (size_t i = 0; i < values.size(); ++i)
    json[list.at(i).at("name").get<std::string>()] = rounded(values[i]);
  return json;
}

Json window_json(const PhaseWindow& window, const Json& status) {
  return {{"begin_s", rounded(window.begin_s)},
          {"seconds", rounded(window.seconds)},
          {"rate", rounded(window.rate)},
          {"kernels", named(status.at("kernels"), window.kernels)},
          {"outputs", named(status.at("outputs"), window.outputs)},
          {"resident_bytes", window.resident_bytes},
          {"latency_us", latency_json(window.latency)}};
}

// Handled per second in each window, of kernel `i`.
std::vector<double> kernel_rates(const PhaseResult& phase, size_t i) {
  return of_windows(phase.windows, 0, phase.windows.size(),
                    [i](const PhaseWindow& window) { return window.kernels[i]; });
}

Json phase_json(const PhaseResult& phase) {
  const Json status = Json::parse(phase.status);
  const RateSpread rate = spread_of(phase);
  Json windows = Json::array();
  for (const PhaseWindow& window : phase.windows) windows.push_back(window_json(window, status));
  Json json = {{"name", phase.plan.name},
               {"loop", phase.plan.rate ? "open" : "closed"},
               {"asked_rate", phase.plan.rate ? Json(rounded(*phase.plan.rate)) : Json(nullptr)},
               {"seconds", rounded(phase.seconds)},
               {"sent", phase.sent},
               {"in_time", phase.in_time},
               {"rate",
                {{"mean", rounded(phase.rate)},
                 {"median", rounded(rate.median)},
                 {"least", rounded(rate.least)},
                 {"most", rounded(rate.most)}}},
               {"kept", phase.plan.rate ? Json(phase.kept()) : Json(nullptr)},
               {"latency_us", latency_json(phase.latency)},
               {"late_us", latency_json(phase.late)},
               {"lost", phase.lost},
               {"steadiness", nullptr},
               {"windows", std::move(windows)},
               {"status", status}};
  if (const auto steady = steadiness_of(phase))
    json["steadiness"] = {{"memory_growth_bytes", std::llround(steady->memory_growth_bytes)},
                          {"rates_within_tenth", rounded(steady->rates_within_tenth)},
                          {"p99_drift", rounded(steady->p99_drift)}};
  return json;
}

// --- for people

std::string time_text(double us) {
  if (us >= 1e6) return fmt::format("{:.3g} s", us / 1e6);
  if (us >= 1e3) return fmt::format("{:.3g} ms", us / 1e3);
  return fmt::format("{:.3g} us", us);
}

using Row = std::vector<std::string>;

// The first column to the left, the others to the right.
std::string aligned(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows.front().size());
  for (const Row& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i)
      line += i == 0 ? fmt::format("{:<{}}", row[i], widths[i])
                     : fmt::format("  {:>{}}", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

Row phase_row(const PhaseResult& phase) {
  const RateSpread rate = spread_of(phase);
  const LatencyFigures& latency = phase.latency;
  const bool any = latency.count > 0;
  return {phase.plan.name,
          amount_text(rate.median) + "/s",
          amount_text(rate.least),
          amount_text(rate.most),
          any ? time_text(latency.p50_us) : "-",
          any ? time_text(latency.p99_us) : "-",
          any ? time_text(latency.p999_us) : "-",
          any ? time_text(latency.max_us) : "-"};
}

// What has to be known of a phase before its figures are believed.
std::string remarks(const PhaseResult& phase) {
  const Json status = Json::parse(phase.status);
  const auto total = [&](const char* member) {
    return status.at("totals").at(member).get<uint64_t>();
  };
  std::string text;
  const std::string& name = phase.plan.name;
  if (!phase.kept())
    text += fmt::format(
        "{}: asked for {}/s, reached {}/s: messages wait ever longer to be sent, and the latencies "
        "grow with the time\n",
        name, amount_text(*phase.plan.rate), amount_text(phase.rate));
  if (total("failed") > 0) text += fmt::format("{}: {} messages failed\n", name, total("failed"));
  if (total("dropped") > 0)
    text +=
        fmt::format("{}: {} messages dropped: the rate is what was sent, not what was handled\n",
                    name, total("dropped"));
  if (phase.lost > 0)
    text += fmt::format("{}: {} of {} messages that were followed had no end to see\n", name,
                        phase.lost, phase.lost + phase.latency.count);
  if (!status.at("balanced").get<bool>())
    text += fmt::format("{}: the counts of messages do not add up\n", name);
  return text;
}

std::string verdict(const PhaseResult& phase) {
  const auto steady = steadiness_of(phase);
  if (!steady) return {};
  const double mib = steady->memory_growth_bytes / (1U << 20U);
  return fmt::format(
      "{}: over {:.0f} s, memory {}{:.1f} MiB; {:.1f} % of windows within 10 % of the median rate; "
      "p99 of the last third {:.2f} times that of the first\n",
      phase.plan.name, phase.seconds, mib < 0 ? "" : "+", mib, 100 * steady->rates_within_tenth,
      steady->p99_drift);
}

}  // namespace

std::string amount_text(double amount) {
  constexpr std::array<std::pair<double, const char*>, 3> kUnits = {
      {{1e9, " G"}, {1e6, " M"}, {1e3, " k"}}};
  for (const auto& [size, unit] : kUnits)
    if (amount >= size) return fmt::format("{:.3g}{}", amount / size, unit);
  return fmt::format("{:.3g}", amount);
}

RateSpread spread_of(const PhaseResult& phase) {
  if (phase.windows.size() < kLeastWindows) return {phase.rate, phase.rate, phase.rate};
  const auto rates = of_windows(phase.windows, 0, phase.windows.size(),
                                [](const PhaseWindow& window) { return window.rate; });
  return {median_of(rates), *std::min_element(rates.begin(), rates.end()),
          *std::max_element(rates.begin(), rates.end())};
}

std::optional<Steadiness> steadiness_of(const PhaseResult& phase) {
  const std::vector<PhaseWindow>& windows = phase.windows;
  const size_t n = windows.size();
  if (n < kSteadyWindows) return std::nullopt;
  const auto memory = [](const PhaseWindow& window) {
    return static_cast<double>(window.resident_bytes);
  };
  const auto p99 = [](const PhaseWindow& window) { return window.latency.p99_us; };
  Steadiness steady;
  steady.memory_growth_bytes = median_of(of_windows(windows, n - n / 10, n, memory)) -
                               median_of(of_windows(windows, 0, n / 10, memory));
  const double median = spread_of(phase).median;
  const auto near = std::count_if(windows.begin(), windows.end(), [&](const PhaseWindow& window) {
    return std::abs(window.rate - median) <= median / 10;
  });
  steady.rates_within_tenth = static_cast<double>(near) / static_cast<double>(n);
  const double first = median_of(of_windows(windows, 0, n / 3, p99));
  const double last = median_of(of_windows(windows, n - n / 3, n, p99));
  steady.p99_drift = first > 0 ? last / first : 0;
  return steady;
}

std::string bench_json(const BenchFacts& facts, const std::vector<PhaseResult>& phases) {
  Json all = Json::array();
  for (const PhaseResult& phase : phases) all.push_back(phase_json(phase));
  const Json json = {
      {"schema", "ringk.bench/1"},
      {"name", facts.topology},
      {"file", facts.file},
      {"version", std::string(version())},
      {"machine",
       {{"processor", processor()}, {"cores", std::max(1U, std::thread::hardware_concurrency())}}},
      {"lines", facts.lines},
      {"keys", facts.keys},
      {"phases", std::move(all)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string bench_table(const BenchFacts&, const std::vector<PhaseResult>& phases) {
  std::vector<Row> rows = {{"PHASE", "RATE", "LEAST", "MOST", "P50", "P99", "P99.9", "MAX"}};
  std::string notes;
  for (const PhaseResult& phase : phases) {
    rows.push_back(phase_row(phase));
    notes += remarks(phase);
    notes += verdict(phase);
  }
  const auto failing = std::find_if(phases.begin(), phases.end(), [](const PhaseResult& phase) {
    return !phase.dead_letters.empty();
  });
  if (failing != phases.end())
    for (const std::string& letter : failing->dead_letters)
      notes += fmt::format("{}: {}\n", failing->plan.name, letter);
  std::string text = aligned(rows);
  const PhaseResult& first = phases.front();
  if (!first.windows.empty()) {
    const Json kernels = Json::parse(first.status).at("kernels");
    std::vector<Row> of_kernels = {{"KERNEL", "HANDLED", "LEAST", "MOST"}};
    for (size_t i = 0; i < kernels.size(); ++i) {
      const auto rates = kernel_rates(first, i);
      of_kernels.push_back({kernels[i].at("name").get<std::string>(),
                            amount_text(median_of(rates)) + "/s",
                            amount_text(*std::min_element(rates.begin(), rates.end())),
                            amount_text(*std::max_element(rates.begin(), rates.end()))});
    }
    text += "\n" + aligned(of_kernels);
  }
  if (!notes.empty()) text += "\n" + notes;
  return text;
}

}  // namespace ringkernel::launcher
