#include "ringkernel/machine.hpp"

#include <sched.h>

#include <chrono>
#include <fstream>
#include <utility>

#include "launcher/control_protocol.hpp"
#include "launcher/cuda_devices.hpp"
#include "ringkernel/client.hpp"
#include "ringkernel/status_document.hpp"
#include "schema/builtins.hpp"

namespace ringkernel {
namespace {

using launcher::Json;

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t start = line.find_first_not_of(" \t", line.find(':') + 1);
    if (start != std::string::npos) return line.substr(start);
  }
  return {};
}

int usable_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  return sched_getaffinity(0, sizeof(cores), &cores) == 0 ? CPU_COUNT(&cores) : 1;
}

TopologyInfo look_at(Client& client) {
  TopologyInfo info{client.name(), "unresponsive", client.pid(), 0};
  auto text = client.status(std::chrono::seconds(2));
  if (!text) return info;
  if (const auto document = StatusDocument::parse(std::move(*text))) {
    info.state = document->state();
    info.uptime_s = document->uptime_s();
  }
  return info;
}

Json json_of(const GpuInfo& gpu) {
  return {{"index", gpu.index},
          {"uuid", gpu.uuid},
          {"pci", gpu.pci},
          {"compute_capability", gpu.compute_capability},
          {"driver", gpu.driver},
          {"memory", gpu.memory},
          {"multiprocessors", gpu.multiprocessors},
          {"cooperative_launch", gpu.cooperative_launch},
          {"cluster_launch", gpu.cluster_launch},
          {"watchdog", gpu.watchdog},
          {"mps", gpu.mps},
          {"mig", gpu.mig},
          {"peers", gpu.peers}};
}

}  // namespace

std::vector<DeviceInfo> devices() {
  const int cores = usable_cores();
  DeviceInfo cpu{"cpu", std::to_string(cores) + (cores == 1 ? " core" : " cores"), {}, {}};
  if (const std::string name = processor_name(); !name.empty()) cpu.description += ", " + name;
  std::vector<DeviceInfo> found{std::move(cpu)};
  for (DeviceInfo& gpu : launcher::cuda_devices()) found.push_back(std::move(gpu));
  return found;
}

std::vector<BuiltinInfo> builtins() {
  std::vector<BuiltinInfo> found;
  for (const schema::Builtin& builtin : schema::kBuiltins)
    found.push_back({std::string(builtin.name), std::string(builtin.description)});
  return found;
}

Result<std::vector<TopologyInfo>> topologies() {
  const auto names = running_topologies();
  if (!names) return tl::unexpected(names.error());
  std::vector<TopologyInfo> found;
  for (const std::string& name : *names) {
    auto client = Client::connect(name);
    if (client) {
      found.push_back(look_at(*client));
    } else if (client.error().code == ErrorCode::Timeout) {
      found.push_back({name, "unresponsive", 0, 0});
    }
    // Any other error: it stopped just now.
  }
  return found;
}

std::string to_json(const Listing& listing) {
  Json document{{"schema", "ringk.list/1"}};
  if (listing.builtins) {
    Json& list = document["builtins"] = Json::array();
    for (const BuiltinInfo& builtin : *listing.builtins)
      list.push_back({{"name", builtin.name}, {"description", builtin.description}});
  }
  if (listing.devices) {
    Json& list = document["devices"] = Json::array();
    for (const DeviceInfo& device : *listing.devices) {
      Json one{{"name", device.name}, {"available", device.unavailable.empty()}};
      if (!device.description.empty()) one["description"] = device.description;
      if (!device.unavailable.empty()) one["reason"] = device.unavailable;
      if (device.gpu) one["gpu"] = json_of(*device.gpu);
      list.push_back(std::move(one));
    }
  }
  if (listing.topologies) {
    Json& list = document["topologies"] = Json::array();
    for (const TopologyInfo& topology : *listing.topologies) {
      list.push_back({{"name", topology.name},
                      {"state", topology.state},
                      {"pid", topology.pid},
                      {"uptime_s", topology.uptime_s}});
    }
  }
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ringkernel
