// What every command that reads a topology takes: FILE, --with, --set, --name.
#pragma once

#include <CLI/CLI.hpp>
#include <ringkernel/topology.hpp>
#include <string>
#include <utility>
#include <vector>

#include "console.hpp"

namespace ringk {

struct TopologyArguments {
  std::vector<std::string> overlays;
  std::vector<std::string> sets;  // PATH=VALUE
  std::string name;

  void declare(CLI::App& app);
  ringkernel::TopologyOptions options() const;
};

// "a=b" at its first '='.
std::pair<std::string, std::string> split_pair(const std::string& text);
// A check for CLI11: empty, or what is wrong.
std::string check_pair(const std::string& text);

// The code of a file that could not be read: NoInput, unless something else was wrong with it.
ExitCode unreadable(const Console& console, const std::string& file, const Error& error);

// A valid topology, or the code to leave with; what is wrong has been said on standard error.
tl::expected<ringkernel::Topology, ExitCode> load_valid(const std::string& file,
                                                        const TopologyArguments& arguments,
                                                        const Console& console);

}  // namespace ringk
