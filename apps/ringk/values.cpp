#include "values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ringkernel/nearest_name.hpp>
#include <utility>
#include <vector>

namespace ringk {
namespace {

constexpr size_t kLongestName = 64;
// A foreground run whose name is taken is called NAME-PID.
constexpr size_t kLongestRunning = 80;

// Empty, or why `name` can be no name of a topology.
std::string name_complaint(const std::string& name, size_t longest) {
  const bool begins = !name.empty() && name[0] >= 'a' && name[0] <= 'z';
  const bool goes_on = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  if (begins && goes_on && name.size() <= longest) return {};
  return "'" + name +
         "' is no name of a topology: a lower-case letter, then lower-case letters, digits, '_' "
         "and '-', at most " +
         std::to_string(longest) + " in all";
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    double ns;
  };
  constexpr std::array kUnits = {Unit{"ns", 1},  Unit{"us", 1e3}, Unit{"ms", 1e6},
                                 Unit{"s", 1e9}, Unit{"m", 60e9}, Unit{"h", 3600e9}};
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || number < 0) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  for (const Unit& known : kUnits) {
    if (unit != known.name) continue;
    const double ns = number * known.ns;
    // About a century; past it the arithmetic of clocks overflows.
    if (ns > 3e18) return std::nullopt;
    return std::chrono::nanoseconds(std::llround(ns));
  }
  return std::nullopt;
}

std::string check_duration(const std::string& text) {
  if (parse_duration(text)) return {};
  return "'" + text + "' is no duration: write 250ms, 5s or 2m";
}

ringkernel::TimeLimit limit_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return parse_duration(text);
}

Target Target::parse(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) return {text, {}};
  return {text.substr(0, slash), text.substr(slash + 1)};
}

std::string check_name(const std::string& text) { return name_complaint(text, kLongestName); }

std::string check_target(const std::string& text) {
  const Target target = Target::parse(text);
  const bool ends_in_slash = !text.empty() && text.back() == '/';
  if (target.name.empty() || ends_in_slash || target.part.find('/') != std::string::npos) {
    return "'" + text + "' is no target: write NAME, NAME/KERNEL or NAME/INPUT";
  }
  return name_complaint(target.name, kLongestRunning);
}

void declare_format(CLI::App& app, Format& format) {
  auto* output = app.add_option("-o,--output", format.name, "table or json")
                     ->check(CLI::IsMember({"table", "json"}))
                     ->type_name("FORMAT");
  app.add_flag("--json", format.same_as_json, "the same as -o json")->excludes(output);
}

Result<ringkernel::Client> connect(const std::string& name, ringkernel::TimeLimit limit) {
  auto client = ringkernel::Client::connect(name, limit);
  if (client || client.error().code != ringkernel::ErrorCode::NotFound) return client;
  Error error = client.error();
  if (const auto running = ringkernel::running_topologies(); running && !running->empty()) {
    const std::string meant = ringkernel::nearest_name(name, *running);
    if (!meant.empty()) {
      error.message += ": did you mean '" + meant + "'?";
    } else {
      error.message += "; running:";
      for (const std::string& one : *running) error.message += " " + one;
    }
  }
  return tl::unexpected(std::move(error));
}

}  // namespace ringk
