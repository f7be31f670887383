#include <algorithm>
#include <cmath>
#include <memory>
#include <ringkernel/machine.hpp>
#include <string>
#include <vector>

#include "command.hpp"
#include "text_table.hpp"
#include "values.hpp"

namespace ringk {
namespace {

using ringkernel::Listing;

struct ListArguments {
  std::vector<std::string> kinds;
  Format format;

  bool wants(const char* kind) const {
    return kinds.empty() || std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
  }
};

using Row = std::vector<std::string>;
using Rows = std::vector<Row>;

std::string view(const Listing& listing) {
  std::vector<Rows> tables;
  if (listing.builtins) {
    Rows& rows = tables.emplace_back(Rows{{"BUILTIN", "DESCRIPTION"}});
    for (const auto& builtin : *listing.builtins)
      rows.push_back({builtin.name, builtin.description});
  }
  if (listing.devices) {
    Rows& rows = tables.emplace_back(Rows{{"DEVICE", "DESCRIPTION"}});
    for (const auto& device : *listing.devices) {
      std::string& text = rows.emplace_back(Row{device.name, device.description}).back();
      if (!device.unavailable.empty())
        text += (text.empty() ? "not available: " : "; not available: ") + device.unavailable;
    }
  }
  if (listing.topologies) {
    Rows& rows = tables.emplace_back(Rows{{"TOPOLOGY", "STATE", "PID", "UPTIME"}});
    for (const auto& topology : *listing.topologies)
      rows.push_back({topology.name, topology.state, std::to_string(topology.pid),
                      std::to_string(std::llround(topology.uptime_s)) + "s"});
  }
  std::string text;
  for (const Rows& rows : tables) text += (text.empty() ? "" : "\n") + text_table(rows);
  return text;
}

ExitCode list(const ListArguments& options, const Console& console) {
  Listing listing;
  if (options.wants("builtins")) listing.builtins = ringkernel::builtins();
  if (options.wants("devices")) listing.devices = ringkernel::devices();
  if (options.wants("topologies")) {
    auto found = ringkernel::topologies();
    if (!found) return console.failed(found.error());
    listing.topologies = std::move(*found);
  }
  return console.data(options.format.json() ? ringkernel::to_json(listing) + "\n" : view(listing));
}

}  // namespace

Action declare_list(CLI::App& app) {
  const auto options = std::make_shared<ListArguments>();
  app.add_option("KIND", options->kinds, "builtins, devices, topologies; without one, all of them")
      ->check(CLI::IsMember({"builtins", "devices", "topologies"}));
  declare_format(app, options->format);
  return [options](Console& console) { return list(*options, console); };
}

}  // namespace ringk
