// What options take: durations, targets, formats.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <optional>
#include <ringkernel/client.hpp>
#include <string>
#include <string_view>

#include "console.hpp"

namespace ringk {

// "250ms", "5s", "2m", "1h", also with a fraction; the unit is required. None where it is not one.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

// A check for CLI11: empty, or what is wrong.
std::string check_duration(const std::string& text);

// Of an option that may be absent: none then.
ringkernel::TimeLimit limit_of(const std::string& text);

// What a topology can be called. A check for CLI11.
std::string check_name(const std::string& text);

// NAME, NAME/KERNEL or NAME/INPUT.
struct Target {
  std::string name;
  std::string part;  // empty where only the name is given

  static Target parse(const std::string& text);
  std::string text() const { return part.empty() ? name : name + "/" + part; }
};
std::string check_target(const std::string& text);

// -o table|json, --json.
struct Format {
  std::string name = "table";
  bool same_as_json = false;

  bool json() const { return same_as_json || name == "json"; }
};
void declare_format(CLI::App& app, Format& format);

// Connects to the target's topology; says which others run where there is none of that name.
Result<ringkernel::Client> connect(const std::string& name, ringkernel::TimeLimit limit = {});

}  // namespace ringk
