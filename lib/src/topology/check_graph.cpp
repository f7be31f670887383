#include <algorithm>
#include <set>

#include "topology/reader.hpp"

namespace ringkernel::topology {
namespace {

using Types = std::vector<schema::MessageTypePtr>;

bool contains(const Types& types, const schema::MessageTypePtr& type) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

void add(Types& types, const Types& more) {
  for (const auto& type : more)
    if (!contains(types, type)) types.push_back(type);
}

std::string list(const Types& types) {
  std::string text;
  for (const auto& type : types) text += (text.empty() ? "" : ", ") + type->name;
  return text.empty() ? "nothing" : text;
}

bool is_kernel_wire(const Topology& topology, const Wire& wire) {
  return topology.kernel(wire.from) != nullptr && topology.kernel(wire.to) != nullptr;
}

// What an untyped input may bring: what its receivers take.
void find_input_messages(Reader& reader) {
  Topology& topology = reader.topology;
  for (Input& input : topology.inputs) {
    if (reader.is_broken(input.name)) continue;
    bool wired = false;
    if (input.message != nullptr) input.messages = {input.message};
    for (const Wire& wire : topology.wires) {
      if (wire.from != input.name) continue;
      wired = true;
      if (input.message != nullptr) continue;
      if (const Kernel* kernel = topology.kernel(wire.to))
        add(input.messages, kernel->accepts);
      else
        add(input.messages, topology.messages);
    }
    if (!wired && !reader.is_touched(input.name))
      reader.error(input.position, "input '" + input.name + "' has no wire", "unwired-input", "",
                   "write 'wires: {" + input.name + ": KERNEL}'");
  }
}

// What may travel on each wire, and whether its receiver takes it.
void check_types(Reader& reader) {
  Topology& topology = reader.topology;
  for (Wire& wire : topology.wires) {
    if (const Input* input = topology.input(wire.from)) {
      wire.messages = input->messages;
    } else {
      const Kernel& kernel = *topology.kernel(wire.from);
      if (wire.port == "reply") wire.messages = {kernel.replies};
      for (const Port& port : kernel.emits)
        if (port.name == wire.port) wire.messages = {port.message};
    }
    const Kernel* receiver = topology.kernel(wire.to);
    if (receiver == nullptr) continue;
    const Input* input = topology.input(wire.from);
    if (input != nullptr && input->message == nullptr) {
      // Of the types that lines may name, a wire brings those that its receiver takes.
      wire.messages = receiver->accepts;
      continue;
    }
    for (const auto& type : wire.messages)
      if (!contains(receiver->accepts, type))
        reader.error(wire.position,
                     "edge " + wire.id() + " carries " + type->name + ", but '" + wire.to +
                         "' accepts " + list(receiver->accepts),
                     "type-mismatch");
  }
}

void check_routes(Reader& reader) {
  Topology& topology = reader.topology;
  for (const Wire& wire : topology.wires) {
    const Kernel* receiver = topology.kernel(wire.to);
    if (receiver == nullptr || wire.route == Route::Default) continue;
    if (wire.route == Route::Key && receiver->keys.empty())
      reader.error(wire.route_position, "'" + wire.to + "' has no key to route by", "bad-route");
    if (wire.route != Route::Key && !receiver->keys.empty())
      reader.error(wire.route_position,
                   "'" + wire.to + "' is keyed: its messages go where their key is",
                   "route-with-key");
    if (wire.route != Route::BlockField) continue;
    for (const auto& type : wire.messages) {
      const schema::Field* field = type->field(wire.block_field);
      std::vector<std::string> names;
      for (const auto& f : type->fields) names.push_back(f.name);
      if (field == nullptr)
        reader.error(wire.route_position, "'" + wire.block_field + "' is no field of " + type->name,
                     "unknown-field", did_you_mean(wire.block_field, names));
      else if (field->type.kind != schema::Type::Kind::Scalar || field->type.optional ||
               field->type.scalar == schema::Scalar::F32 ||
               field->type.scalar == schema::Scalar::F64 ||
               field->type.scalar == schema::Scalar::Bool)
        reader.error(wire.route_position,
                     "field '" + wire.block_field + "' is a " + to_string(field->type) +
                         "; a block is picked by an integer",
                     "bad-route");
    }
  }
}

void find_output_messages(Reader& reader) {
  Topology& topology = reader.topology;
  for (Output& output : topology.outputs) {
    for (const Wire& wire : topology.wires)
      if (wire.to == output.name) add(output.messages, wire.messages);
    if (reader.is_broken(output.name)) continue;
    if (output.messages.empty() && !reader.has_errors())
      reader.warning(output.position, "nothing leads to output '" + output.name + "'",
                     "unused-output");
    if (output.codec == Codec::Raw && output.messages.size() > 1)
      reader.error(output.position,
                   "raw output '" + output.name + "' gets " + list(output.messages) +
                       ": structs back to back cannot be told apart",
                   "mixed-raw");
  }
}

void check_ports(Reader& reader) {
  const Topology& topology = reader.topology;
  for (const Kernel& kernel : topology.kernels) {
    if (reader.is_broken(kernel.name) || reader.is_touched(kernel.name)) continue;
    for (const Port& port : kernel.emits) {
      bool wired = std::any_of(topology.wires.begin(), topology.wires.end(), [&](const Wire& w) {
        return w.from == kernel.name && w.port == port.name;
      });
      if (!wired)
        reader.error(port.position, "port " + kernel.name + "." + port.name + " has no wire",
                     "port-without-wire", "",
                     "wire it to an output; one with 'discard: true' counts and forgets");
    }
  }
}

void check_reach(Reader& reader) {
  const Topology& topology = reader.topology;
  std::set<std::string> reached;
  for (const Input& input : topology.inputs) reached.insert(input.name);
  for (const Kernel& kernel : topology.kernels)
    if (kernel.accepts.empty()) reached.insert(kernel.name);  // a source: on_poll
  for (bool more = true; more;) {
    more = false;
    for (const Wire& wire : topology.wires)
      if (reached.contains(wire.from)) more = reached.insert(wire.to).second || more;
  }
  for (const Kernel& kernel : topology.kernels) {
    if (reader.is_broken(kernel.name)) continue;
    if (!reached.contains(kernel.name)) {
      reader.error(kernel.position, "no message can reach kernel '" + kernel.name + "'",
                   "unreachable-kernel", "", "wire an input or a port to it");
      continue;
    }
    for (const auto& type : kernel.accepts) {
      bool comes = std::any_of(topology.wires.begin(), topology.wires.end(), [&](const Wire& w) {
        return w.to == kernel.name && contains(w.messages, type);
      });
      if (!comes)
        reader.warning(kernel.position,
                       "no wire brings " + type->name + " to '" + kernel.name + "'", "never-sent");
    }
  }
}

// False: something there is no receiver, and who was meant is unknown.
bool add_receivers(const Value& value, std::set<std::string>& names) {
  if (value.is_scalar()) names.insert(value.text);
  if (value.is_map()) {
    const Value* to = value.find("to");
    return to != nullptr && add_receivers(*to, names);
  }
  bool all = !value.is_null() && !(value.is_scalar() && value.text.empty());
  for (const Value& item : value.items) all = add_receivers(item, names) && all;
  return all;
}

// Beside other mistakes: the kernels that no wire names, also none of those that are wrong.
void check_unnamed(Reader& reader) {
  for (const Diagnostic& d : reader.diagnostics)
    if (d.code == "unknown-receiver") return;  // it may have been meant
  const Value* wires = reader.document.find("wires");
  if (wires == nullptr || !wires->is_map()) return;
  std::set<std::string> named;
  for (const auto& [key, value] : wires->members)
    if (!add_receivers(value, named)) return;
  for (const Kernel& kernel : reader.topology.kernels)
    if (!kernel.accepts.empty() && !reader.is_broken(kernel.name) && !named.contains(kernel.name))
      reader.error(kernel.position, "no message can reach kernel '" + kernel.name + "'",
                   "unreachable-kernel", "", "wire an input or a port to it");
}

void check_k2k(Reader& reader) {
  const Topology& topology = reader.topology;
  for (const Wire& wire : topology.wires) {
    if (!is_kernel_wire(topology, wire)) continue;
    for (const std::string& end : {wire.from, wire.to}) {
      const Kernel& kernel = *topology.kernel(end);
      if (kernel.k2k_explicit && !kernel.launch.enable_k2k)
        reader.error(
            wire.position,
            "edge " + wire.id() + " joins two kernels, but '" + end + "' says enable_k2k: false",
            "k2k-disabled");
    }
  }
}

// One cycle among `group`, "score -> audit -> score", and one of its wires.
std::string spell_cycle(const Topology& topology, const std::vector<std::string>& group,
                        const std::function<bool(const Wire&)>& follow, Position& position) {
  std::vector<std::string> path = {group[0]};
  for (;;) {
    for (const Wire& wire : topology.wires) {
      if (wire.from != path.back() || !follow(wire)) continue;
      auto in_group = std::find(group.begin(), group.end(), wire.to);
      if (in_group == group.end()) continue;
      auto seen = std::find(path.begin(), path.end(), wire.to);
      position = wire.position;
      if (seen == path.end()) {
        path.push_back(wire.to);
        break;
      }
      std::string text;
      for (auto it = seen; it != path.end(); ++it) text += *it + " -> ";
      return text + wire.to;
    }
  }
}

void check_cycles(Reader& reader) {
  const Topology& topology = reader.topology;
  auto waits = [](const Wire& wire) { return wire.on_full == OnFull::Wait && !wire.credits; };
  for (const auto& group : cycles(topology, waits)) {
    Position position;
    std::string cycle = spell_cycle(topology, group, waits, position);
    reader.error(position, "every edge of the cycle " + cycle + " waits: it can deadlock",
                 "waiting-cycle", "",
                 "bound it with credits: N on one of its edges, or give one on_full: drop_newest, "
                 "dead_letter or fail");
  }
}

bool in_group(const std::vector<std::string>& group, const std::string& name) {
  return std::find(group.begin(), group.end(), name) != group.end();
}

// Credits bound what is in a cycle only if nothing multiplies there and its rings hold them all.
void check_credits(Reader& reader) {
  const Topology& topology = reader.topology;
  auto groups = cycles(topology);
  for (const Wire& wire : topology.wires) {
    if (!wire.credits) continue;
    auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& g) {
      return in_group(g, wire.from) && in_group(g, wire.to);
    });
    if (group == groups.end()) {
      reader.error(wire.credits_position,
                   "edge " + wire.id() + " closes no cycle that waits: credits have no effect",
                   "bad-credits");
      continue;
    }
    for (const std::string& name : *group) {
      const Kernel& kernel = *topology.kernel(name);
      if (kernel.launch.input_queue_capacity < *wire.credits)
        reader.error(wire.credits_position,
                     std::to_string(*wire.credits) + " credits need queues of at least as many; '" +
                         name + "' has " + std::to_string(kernel.launch.input_queue_capacity),
                     "credits-too-many", "",
                     "raise its launch.input_queue_capacity, or lower the credits");
      uint64_t back = 0;
      for (const Port& port : kernel.emits)
        for (const Wire& w : topology.wires)
          if (w.from == name && w.port == port.name && in_group(*group, w.to))
            back += w.route == Route::All
                        ? uint64_t{port.max} * topology.kernel(w.to)->launch.grid_size
                        : port.max;
      bool any_keyless = !kernel.keys.empty() && kernel.keys.size() < kernel.accepts.size();
      if (back > 1)
        reader.error(kernel.position,
                     "'" + name + "' may put " + std::to_string(back) +
                         " messages into its cycle for one that it takes: credits cannot bound it",
                     "credits-unbounded", "",
                     "leave it one port with max: 1 and one wire into the cycle");
      if (any_keyless)
        reader.error(kernel.position,
                     "'" + name +
                         "' handles a type without a key once per key: credits cannot "
                         "bound its cycle",
                     "credits-unbounded");
    }
  }
}

std::vector<std::string> key_of(const Kernel& kernel, const Types& types) {
  for (const Key& key : kernel.keys)
    if (contains(types, key.message)) return key.fields;
  return {};
}

// Per key, order holds where every kernel before is keyed by the same fields or has one block.
void check_order(Reader& reader) {
  const Topology& topology = reader.topology;
  for (const Wire& wire : topology.wires) {
    const Kernel* from = topology.kernel(wire.from);
    const Kernel* to = topology.kernel(wire.to);
    if (from == nullptr || to == nullptr || to->keys.empty()) continue;
    if (from->launch.grid_size == 1 || from->granularity == Granularity::Grid) continue;
    auto wanted = key_of(*to, wire.messages);
    if (wanted.empty()) continue;
    auto has = key_of(*from, from->accepts);
    if (has == wanted) continue;
    std::string fields;
    for (const std::string& field : wanted) fields += (fields.empty() ? "" : ", ") + field;
    reader.warning(wire.position,
                   "'" + wire.from + "' has " + std::to_string(from->launch.grid_size) +
                       " blocks and is not keyed by " + fields + ": '" + wire.to +
                       "' may see messages of one key out of order",
                   "order-lost", "key it by " + fields + ", or give it grid_size: 1");
  }
}

void check_unused(Reader& reader) {
  const Topology& topology = reader.topology;
  const Value* messages = reader.document.find("messages");
  std::set<const schema::MessageType*> used;
  std::function<void(const schema::Type&)> use_type;
  std::function<void(const schema::MessageTypePtr&)> use = [&](const schema::MessageTypePtr& m) {
    if (m == nullptr || !used.insert(m.get()).second) return;
    for (const auto& field : m->fields) use_type(field.type);
  };
  use_type = [&](const schema::Type& type) {
    if (type.message != nullptr) use(type.message);
    if (type.element != nullptr) use_type(*type.element);
  };
  for (const Kernel& kernel : topology.kernels) {
    for (const auto& type : kernel.accepts) use(type);
    for (const Port& port : kernel.emits) use(port.message);
    use(kernel.replies);
  }
  for (const Input& input : topology.inputs)
    for (const auto& type : input.messages) use(type);
  for (const auto& [key, value] : messages->members)
    for (const auto& type : topology.messages)
      if (type->name == key.text && !used.contains(type.get()))
        reader.warning(key.position, "nothing uses message '" + key.text + "'", "unused-message");
}

}  // namespace

void check_graph(Reader& reader) {
  Topology& topology = reader.topology;
  // A wire from or to something that is wrong itself says nothing more.
  std::erase_if(topology.wires, [&](const Wire& w) {
    if (!reader.is_broken(w.from) && !reader.is_broken(w.to)) return false;
    reader.touched.push_back(w.from);
    return true;
  });
  find_input_messages(reader);
  check_types(reader);
  check_routes(reader);
  find_output_messages(reader);
  check_cycles(reader);
  check_credits(reader);
  check_k2k(reader);
  check_ports(reader);
  // What nothing reaches shows wholly only where every wire could be read.
  if (reader.broken.empty() && reader.touched.empty())
    check_reach(reader);
  else
    check_unnamed(reader);
  if (reader.has_errors()) return;
  check_order(reader);
  if (reader.document.find("messages") != nullptr) check_unused(reader);
}

}  // namespace ringkernel::topology
