#include <algorithm>

#include "topology/reader.hpp"

namespace ringkernel::topology {
namespace {

void read_route(Reader& reader, const Value& value, Wire& wire) {
  const Value* route = value.find("route");
  if (route == nullptr) return;
  wire.route_position = route->position;
  if (route->is_map()) {
    const Value* block = route->find("block");
    Position wrong = route->position;
    for (const auto& [key, member] : route->members)
      if (key.text != "block") wrong = key.position;
    if (block != nullptr && !block->is_scalar()) wrong = block->position;
    if (block == nullptr || route->members.size() != 1 || !block->is_scalar()) {
      reader.error(wrong, "a route is key, round_robin, all or {block: FIELD}", "bad-value");
      return;
    }
    wire.route = Route::BlockField;
    wire.route_position = block->position;
    wire.block_field = block->text;
    return;
  }
  const std::vector<std::string> names = {"key", "round_robin", "all"};
  auto found = std::find(names.begin(), names.end(), route->text);
  if (!route->is_scalar() || found == names.end()) {
    reader.error(route->position, "a route is key, round_robin, all or {block: FIELD}", "bad-value",
                 did_you_mean(route->text, names));
    return;
  }
  wire.route = static_cast<Route>(found - names.begin() + 1);
}

// "score.alert" into kernel and port; "orders" is an input.
bool read_from(Reader& reader, const Value::Key& key, Wire& wire) {
  const Topology& topology = reader.topology;
  size_t dot = key.text.find('.');
  wire.from = key.text.substr(0, dot);
  wire.port = dot == std::string::npos ? "" : key.text.substr(dot + 1);
  wire.position = key.position;
  if (reader.is_broken(wire.from)) return false;
  if (topology.input(wire.from) != nullptr) {
    if (wire.port.empty()) return true;
    reader.error(key.position, "input '" + wire.from + "' has no ports", "unknown-port",
                 "write '" + wire.from + "'");
    return false;
  }
  const Kernel* kernel = topology.kernel(wire.from);
  if (kernel == nullptr) {
    if (topology.output(wire.from) != nullptr) {
      reader.error(key.position, "'" + wire.from + "' is an output: nothing comes from it",
                   "unknown-sender");
      return false;
    }
    std::vector<std::string> names;
    for (const Kernel& k : topology.kernels) names.push_back(k.name);
    for (const Input& i : topology.inputs) names.push_back(i.name);
    // Any of them may have been meant.
    reader.touched.insert(reader.touched.end(), names.begin(), names.end());
    reader.error(key.position, "there is no kernel or input '" + wire.from + "'", "unknown-sender",
                 did_you_mean(wire.from, names));
    return false;
  }
  std::vector<std::string> ports;
  for (const Port& port : kernel->emits) ports.push_back(port.name);
  if (kernel->replies != nullptr) ports.emplace_back("reply");
  if (wire.port.empty()) {
    reader.error(key.position, "a wire from kernel '" + wire.from + "' names its port",
                 "missing-port", ports.empty() ? "" : "write '" + wire.from + "." + ports[0] + "'");
    return false;
  }
  if (std::find(ports.begin(), ports.end(), wire.port) == ports.end()) {
    if (wire.port == "reply")
      reader.error(key.position, "kernel '" + wire.from + "' declares no 'replies'",
                   "unknown-port");
    else
      reader.error(key.position, "kernel '" + wire.from + "' has no port '" + wire.port + "'",
                   "unknown-port", did_you_mean(wire.port, ports));
    return false;
  }
  return true;
}

void check_to(Reader& reader, const Value& to, Wire wire) {
  Topology& topology = reader.topology;
  if (!to.is_scalar()) {
    reader.error(to.position,
                 "a wire leads to a kernel or an output, not to " + std::string(name_of(to.kind)),
                 "wrong-type");
    return;
  }
  wire.to = to.text;
  if (reader.is_broken(wire.to)) return reader.touched.push_back(wire.from);
  const Kernel* kernel = topology.kernel(wire.to);
  if (kernel == nullptr && topology.output(wire.to) == nullptr) {
    std::vector<std::string> names;
    for (const Kernel& k : topology.kernels) names.push_back(k.name);
    for (const Output& o : topology.outputs) names.push_back(o.name);
    if (topology.input(wire.to) != nullptr)
      reader.error(to.position, "'" + wire.to + "' is an input: nothing leads to it",
                   "unknown-receiver");
    else
      reader.error(to.position, "there is no kernel or output '" + wire.to + "'",
                   "unknown-receiver", did_you_mean(wire.to, names));
    return;
  }
  for (const Wire& other : topology.wires)
    if (other.id() == wire.id()) {
      reader.error(to.position, "edge " + wire.id() + " stands twice", "duplicate-wire");
      return;
    }
  wire.position = to.position;
  if (wire.route != Route::Default && kernel == nullptr) {
    reader.error(wire.route_position, "an output has no blocks to route to", "bad-route");
    return;
  }
  if (wire.credits && kernel == nullptr) {
    reader.error(wire.credits_position,
                 "credits bound a cycle of kernels; '" + wire.to + "' is an output", "bad-credits");
    return;
  }
  topology.wires.push_back(std::move(wire));
}

void read_receiver(Reader& reader, const Value& value, Wire wire) {
  if (!value.is_map()) return check_to(reader, value, std::move(wire));
  if (!reader.check_keys(value, Section::Wire, "a wire of '" + wire.from + "'")) return;
  if (auto policy = reader.choice(value, Section::Wire, "on_full"))
    wire.on_full = static_cast<OnFull>(*policy);
  read_route(reader, value, wire);
  if (auto credits = reader.integer(value, "credits", 1, 1U << 24)) {
    wire.credits = static_cast<uint32_t>(*credits);
    wire.credits_position = value.find("credits")->position;
  }
  const Value* to = value.find("to");
  if (to == nullptr) return;
  // Several receivers, all on the same terms.
  if (to->is_sequence()) {
    for (const Value& item : to->items) check_to(reader, item, wire);
  } else {
    check_to(reader, *to, std::move(wire));
  }
}

}  // namespace

void read_wires(Reader& reader) {
  const Value* wires = reader.document.find("wires");
  if (wires == nullptr || wires->is_null()) return;
  if (!wires->is_map()) {
    reader.error(wires->position, "'wires' must be a map: from[.port]: to", "wrong-type");
    return;
  }
  for (const auto& [key, value] : wires->members) {
    Wire wire;
    size_t before = reader.diagnostics.size();
    if (read_from(reader, key, wire)) {
      if (value.is_sequence()) {
        for (const Value& item : value.items) read_receiver(reader, item, wire);
      } else {
        read_receiver(reader, value, wire);
      }
    }
    if (reader.diagnostics.size() != before) reader.touched.push_back(wire.from);
  }
}

}  // namespace ringkernel::topology
