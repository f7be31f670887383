#include <algorithm>
#include <bit>
#include <charconv>
#include <filesystem>

#include "schema/builtins.hpp"
#include "topology/merge.hpp"
#include "topology/reader.hpp"

namespace ringkernel::topology {
namespace {

const Value kEmptyMap = [] {
  Value value;
  value.kind = Value::Kind::Map;
  return value;
}();

uint64_t power_of_two(uint64_t n) { return std::bit_ceil(n); }

void read_handler(Reader& reader, const Value& value, Kernel& kernel) {
  // A misspelt key may well be the handler's.
  bool misspelt = std::any_of(value.members.begin(), value.members.end(), [](const auto& m) {
    return find_key(Section::Kernel, m.key.text) == nullptr;
  });
  bool any = value.find("source") || value.find("code") || value.find("builtin");
  if (misspelt && !any) return;
  if (!reader.only_one(value, {kernel.name, kernel.position}, {"source", "code", "builtin"},
                       "handler"))
    return;
  Handler& handler = kernel.handler;
  if (const Value* source = value.find("source")) {
    handler.kind = Handler::Kind::Source;
    handler.position = source->position;
    auto path = reader.text(value, "source");
    if (!path) return;
    handler.source = reader.resolve(*path, source->position);
    std::error_code code;
    if (!std::filesystem::is_regular_file(handler.source, code))
      reader.error(source->position, "handler file '" + handler.source + "' is not there",
                   "missing-source");
  } else if (const Value* code = value.find("code")) {
    handler.kind = Handler::Kind::Code;
    handler.position = code->position;
    if (code->style == Value::Style::Folded) {
      reader.error(code->position, "'>' folds the lines of the code into one", "folded-code",
                   "write 'code: |'");
      return;
    }
    handler.code = reader.text(value, "code").value_or("");
    handler.code_line = code->position.line + (code->style == Value::Style::Literal ? 1 : 0);
  } else if (const Value* builtin = value.find("builtin")) {
    handler.kind = Handler::Kind::Builtin;
    handler.position = builtin->position;
    handler.builtin = reader.text(value, "builtin").value_or("");
    std::vector<std::string> names;
    for (const schema::Builtin& known : schema::kBuiltins) names.emplace_back(known.name);
    if (std::find(names.begin(), names.end(), handler.builtin) == names.end())
      reader.error(builtin->position, "unknown builtin '" + handler.builtin + "'",
                   "unknown-builtin", did_you_mean(handler.builtin, names));
  }
}

void read_accepts(Reader& reader, const Value& value, Kernel& kernel) {
  const Value* accepts = value.find("accepts");
  if (accepts == nullptr) return;
  std::vector<const Value*> names;
  if (accepts->is_scalar()) names.push_back(accepts);
  for (const Value& item : accepts->items) names.push_back(&item);
  if (accepts->is_map())
    reader.error(accepts->position, "'accepts' is a list of messages", "wrong-type");
  for (const Value* name : names) {
    auto type = reader.message(*name);
    if (type == nullptr) {
      reader.broken.push_back(kernel.name);
      continue;
    }
    if (std::find(kernel.accepts.begin(), kernel.accepts.end(), type) != kernel.accepts.end())
      reader.error(name->position, "'" + type->name + "' stands twice", "duplicate-name");
    else
      kernel.accepts.push_back(type);
  }
}

void read_ports(Reader& reader, const Value& value, Kernel& kernel) {
  const Value* emits = value.find("emits");
  if (emits == nullptr) return;
  if (!emits->is_map()) {
    reader.error(emits->position, "'emits' is a map of ports: name to message", "wrong-type");
    return;
  }
  for (const auto& [key, port_value] : emits->members) {
    Port port;
    port.name = key.text;
    port.position = key.position;
    if (!schema::is_identifier(key.text) || schema::is_reserved_name(key.text)) {
      reader.error(key.position, "'" + key.text + "' cannot name a port: it becomes a C++ name",
                   schema::is_identifier(key.text) ? "name-reserved" : "bad-name");
      continue;
    }
    const Value* name = &port_value;
    if (port_value.is_map()) {
      if (!reader.check_keys(port_value, Section::Port, "port '" + key.text + "'")) continue;
      name = port_value.find("message");
      if (auto max = reader.integer(port_value, "max", 1, 65536))
        port.max = static_cast<uint32_t>(*max);
      if (name == nullptr) continue;
    }
    port.message = reader.message(*name);
    if (port.message != nullptr)
      kernel.emits.push_back(std::move(port));
    else
      reader.broken.push_back(kernel.name);
  }
}

bool may_be_key(const schema::Type& type) {
  using K = schema::Type::Kind;
  if (type.kind == K::Scalar)
    return type.scalar != schema::Scalar::F32 && type.scalar != schema::Scalar::F64;
  return type.kind == K::Enum || type.kind == K::String || type.kind == K::Bytes;
}

// The key fields of one message, checked; empty where something is wrong.
std::vector<std::string> key_fields(Reader& reader, const Value& value,
                                    const schema::MessageType& type) {
  std::vector<const Value*> names;
  if (value.is_scalar()) names.push_back(&value);
  for (const Value& item : value.items) names.push_back(&item);
  std::vector<std::string> fields;
  std::vector<std::string> possible;
  for (const auto& field : type.fields) possible.push_back(field.name);
  uint32_t size = 0;
  for (const Value* name : names) {
    const schema::Field* field = name->is_scalar() ? type.field(name->text) : nullptr;
    if (field == nullptr) {
      reader.error(name->position, "'" + name->text + "' is no field of " + type.name,
                   "unknown-key-field", did_you_mean(name->text, possible));
      return {};
    }
    if (!may_be_key(field->type)) {
      reader.error(name->position,
                   "field '" + name->text + "' is a " + to_string(field->type) +
                       " and cannot be a key: integers, enums, strings and bytes can",
                   "bad-key-type");
      return {};
    }
    size += field->type.value_size + (field->type.optional ? 1 : 0);
    fields.push_back(name->text);
  }
  if (fields.empty() || fields.size() > 8 || size > 256) {
    reader.error(value.position, "a key is 1 to 8 fields of together at most 256 bytes", "bad-key");
    return {};
  }
  return fields;
}

void check_key_types(Reader& reader, const Value& key, const Kernel& kernel) {
  auto shape = [](const Key& k) {
    std::string text;
    for (const std::string& name : k.fields)
      text += schema::to_string(k.message->field(name)->type) + ",";
    return text;
  };
  for (size_t i = 1; i < kernel.keys.size(); ++i)
    if (shape(kernel.keys[i]) != shape(kernel.keys[0]))
      reader.error(key.position,
                   "the keys of " + kernel.keys[0].message->name + " and " +
                       kernel.keys[i].message->name +
                       " are of different types, so they can never be equal",
                   "key-mismatch");
}

void read_key(Reader& reader, const Value& value, Kernel& kernel) {
  if (auto capacity = reader.integer(value, "key_capacity", 1, uint64_t{1} << 28))
    kernel.key_capacity = static_cast<uint32_t>(*capacity);
  const Value* key = value.find("key");
  if (key == nullptr) return;
  if (!key->is_map()) {
    // The messages that have the field; one at least.
    size_t found = 0;
    for (const auto& type : kernel.accepts) {
      bool has_all = true;
      std::vector<const Value*> names;
      if (key->is_scalar()) names.push_back(key);
      for (const Value& item : key->items) names.push_back(&item);
      for (const Value* name : names) has_all = has_all && type->field(name->text) != nullptr;
      if (!has_all && kernel.accepts.size() > 1) continue;
      ++found;
      auto fields = key_fields(reader, *key, *type);
      if (!fields.empty()) kernel.keys.push_back({type, std::move(fields)});
    }
    if (found == 0 && !reader.is_broken(kernel.name))
      reader.error(key->position, "no message that '" + kernel.name + "' accepts has this key",
                   "unknown-key-field");
    return check_key_types(reader, *key, kernel);
  }
  for (const auto& [name, fields_value] : key->members) {
    Value text;
    text.kind = Value::Kind::Scalar;
    text.text = name.text;
    text.position = name.position;
    auto type = reader.message(text);
    if (type == nullptr) continue;
    if (std::find(kernel.accepts.begin(), kernel.accepts.end(), type) == kernel.accepts.end()) {
      reader.error(name.position, "'" + kernel.name + "' does not accept " + type->name,
                   "unknown-key-field");
      continue;
    }
    auto fields = key_fields(reader, fields_value, *type);
    if (!fields.empty()) kernel.keys.push_back({type, std::move(fields)});
  }
  check_key_types(reader, *key, kernel);
}

void read_scheduler(Reader& reader, const Value& launch, Kernel& kernel) {
  const Value* value = launch.find("scheduler");
  if (value == nullptr ||
      !reader.check_keys(*value, Section::Scheduler, "scheduler of '" + kernel.name + "'"))
    return;
  SchedulerConfig config;
  if (auto strategy = reader.choice(*value, Section::Scheduler, "strategy"))
    config.strategy = static_cast<SchedulerStrategy>(*strategy);
  auto number = [&](const char* key, uint64_t least, uint64_t most, uint32_t& into) {
    if (auto n = reader.integer(*value, key, least, most)) into = static_cast<uint32_t>(*n);
  };
  number("steal_threshold", 1, 1 << 20, config.steal_threshold);
  number("share_threshold", 0, 1 << 20, config.share_threshold);
  number("max_steal_batch", 1, 1 << 20, config.max_steal_batch);
  number("steal_neighborhood", 1, 1 << 16, config.steal_neighborhood);
  number("levels", 1, 16, config.levels);
  kernel.launch.scheduler = config;
  bool spreads = config.strategy == SchedulerStrategy::WorkStealing ||
                 config.strategy == SchedulerStrategy::RoundRobin;
  if (spreads && !kernel.keys.empty())
    reader.error(value->position,
                 "'" + kernel.name + "' is keyed: its messages cannot be spread by " +
                     std::string(to_string(config.strategy)),
                 "stealing-with-key", "", "all messages of a key stay in one block, in order");
}

void read_launch(Reader& reader, const Value& value, Kernel& kernel) {
  const Value* launch = value.find("launch");
  if (launch == nullptr ||
      !reader.check_keys(*launch, Section::Launch, "launch of '" + kernel.name + "'"))
    return;
  LaunchOptions& o = kernel.launch;
  if (auto mode = reader.choice(*launch, Section::Launch, "mode"))
    o.mode = static_cast<KernelMode>(*mode);
  if (auto n = reader.integer(*launch, "grid_size", 1, 65535))
    o.grid_size = static_cast<uint32_t>(*n);
  if (auto n = reader.integer(*launch, "block_size", 1, 1024))
    o.block_size = static_cast<uint32_t>(*n);
  if (auto n = reader.integer(*launch, "input_queue_capacity", 1, 1 << 24)) {
    kernel.input_capacity_written = *n;
    o.input_queue_capacity = power_of_two(*n);
  }
  if (auto n = reader.integer(*launch, "output_queue_capacity", 1, 1 << 24)) {
    kernel.output_capacity_written = *n;
    o.output_queue_capacity = power_of_two(*n);
  }
  if (auto n = reader.size(*launch, "shared_memory_size")) o.shared_memory_size = *n;
  if (auto n = reader.integer(*launch, "cluster_size", 1, 8)) {
    o.cluster_size = static_cast<uint32_t>(*n);
    if (o.grid_size % o.cluster_size != 0)
      reader.error(launch->find("cluster_size")->position,
                   "grid_size is no multiple of cluster_size", "bad-value", "",
                   "clusters have " + std::to_string(o.cluster_size) +
                       " blocks each, and there are " + std::to_string(o.grid_size));
  }
  if (auto n = reader.integer(*launch, "batch_size", 1, kMostBatch))
    o.batch_size = static_cast<uint32_t>(*n);
  if (auto delay = reader.duration(*launch, "batch_delay"))
    o.batch_delay = std::chrono::duration_cast<std::chrono::microseconds>(*delay);
  if (auto lease = reader.duration(*launch, "lease")) {
    o.lease = std::chrono::duration_cast<std::chrono::microseconds>(*lease);
    if (o.lease < kLeastLease || o.lease > kMostLease)
      reader.error(launch->find("lease")->position, "'lease' is 100ms to 24h", "out-of-range");
  }
  if (auto b = reader.boolean(*launch, "auto_activate")) o.auto_activate = *b;
  if (auto b = reader.boolean(*launch, "cooperative")) o.cooperative = *b;
  if (auto b = reader.boolean(*launch, "enable_k2k")) {
    o.enable_k2k = *b;
    kernel.k2k_explicit = true;
  }
  if (auto priority = reader.choice(*launch, Section::Launch, "priority"))
    o.priority = static_cast<Priority>(*priority);
  read_scheduler(reader, *launch, kernel);
}

void read_params(Reader& reader, const Value& value, Kernel& kernel) {
  if (const Value* params = value.find("params")) {
    if (!params->is_map())
      reader.error(params->position, "'params' is a map: name to 'type = value'", "wrong-type");
    for (const auto& [key, declaration] : params->members) {
      auto field = schema::make_param(key.text, declaration.text);
      if (field) {
        kernel.params.push_back(std::move(*field));
        continue;
      }
      const size_t offset = field.error().offset;
      Position place =
          offset > 0 || field.error().code == "unknown-type" ? declaration.position : key.position;
      const bool quoted = declaration.style == Value::Style::Quoted && offset > 0;
      if (place.line > 0 && offset >= declaration.elsewhere)
        place.column += static_cast<uint32_t>(offset - declaration.elsewhere) + (quoted ? 1 : 0);
      place.length = 1;
      reader.error(place, field.error().message, field.error().code, field.error().suggestion);
    }
  }
  const Value* constants = value.find("constants");
  if (constants == nullptr) return;
  if (!constants->is_map())
    reader.error(constants->position, "'constants' is a map: name to integer", "wrong-type");
  for (const auto& [key, number] : constants->members) {
    Constant constant{key.text, 0};
    const char* end = number.text.data() + number.text.size();
    auto [at, code] = std::from_chars(number.text.data(), end, constant.value);
    if (!schema::is_identifier(key.text) || schema::is_reserved_name(key.text) ||
        key.text == "port" || key.text == "buf")
      reader.error(key.position, "'" + key.text + "' cannot name a constant: it becomes a C++ name",
                   schema::is_identifier(key.text) ? "name-reserved" : "bad-name");
    else if (reader.misspelt_number(number, number.text))
      continue;
    else if (code == std::errc::result_out_of_range && at == end)
      reader.error(number.position, "a constant is an integer of 64 bits", "out-of-range");
    else if (!number.is_scalar() || code != std::errc() || at != end)
      reader.error(number.position, "a constant is an integer", "wrong-type");
    else
      kernel.constants.push_back(constant);
  }
}

void read_build(Reader& reader, const Value& value, Kernel& kernel) {
  const Value* build = value.find("build");
  if (build == nullptr ||
      !reader.check_keys(*build, Section::Build, "build of '" + kernel.name + "'"))
    return;
  auto list = [&](const char* key, auto&& use) {
    const Value* items = build->find(key);
    if (items == nullptr) return;
    if (items->is_map())
      reader.error(items->position, "'" + std::string(key) + "' is a list", "wrong-type");
    if (items->is_scalar()) use(*items);
    for (const Value& item : items->items) use(item);
  };
  list("include",
       [&](const Value& v) { kernel.build.include.push_back(reader.resolve(v.text, v.position)); });
  list("flags", [&](const Value& v) { kernel.build.flags.push_back(v.text); });
  if (auto math = reader.choice(*build, Section::Build, "math"))
    kernel.build.fast_math = *math == 1;
}

// A number, any, or the name that the driver gives the device.
void read_device(Reader& reader, const Value& value, Kernel& kernel) {
  auto device = reader.text(value, "device");
  if (!device) return;
  auto only = [&](size_t from, std::string_view characters) {
    return device->size() > from && device->find_first_not_of(characters, from) == device->npos;
  };
  if (reader.misspelt_number(*value.find("device"), *device)) return;
  bool prefix = device->rfind("GPU-", 0) == 0 || device->rfind("MIG-", 0) == 0;
  constexpr std::string_view kHex = "0123456789abcdefABCDEF-";
  if (*device != "any" && !only(0, "0123456789") && !(prefix && only(4, kHex)) &&
      !(device->size() == 36 && only(0, kHex)))
    reader.error(value.find("device")->position,
                 "a device is an index, any, or a UUID such as GPU-8a6d...", "bad-value",
                 did_you_mean(*device, {"any"}));
  kernel.device = *device;
}

void read_backend(Reader& reader, const Value& value, Kernel& kernel) {
  auto backend = reader.choice(value, Section::Kernel, "backend");
  if (!backend) return;
  constexpr Backend kBackends[] = {Backend::Auto, Backend::Cpu, Backend::Cuda, Backend::Metal,
                                   Backend::Wgpu};
  kernel.backend = kBackends[*backend];
  const Value& written = *value.find("backend");
  if (*backend >= 3)
    reader.error(written.position,
                 "backend '" + written.text + "' is a reserved name and not available",
                 "not-available", "", "use auto, cpu or cuda");
}

// `granularity` and the LaunchOptions' `cooperative` are two ways to say grid.
void read_granularity(Reader& reader, const Value& value, Kernel& kernel) {
  auto granularity = reader.choice(value, Section::Kernel, "granularity");
  if (granularity) kernel.granularity = static_cast<Granularity>(*granularity);
  const Value* launch = value.find("launch");
  const Value* cooperative = launch == nullptr ? nullptr : launch->find("cooperative");
  if (cooperative == nullptr) return;
  if (granularity && kernel.launch.cooperative != (kernel.granularity == Granularity::Grid))
    reader.error(cooperative->position,
                 "'cooperative' means granularity grid, and granularity is " +
                     value.find("granularity")->text,
                 "two-granularities", "leave one of them out");
  if (kernel.launch.cooperative) kernel.granularity = Granularity::Grid;
}

void read_kernel(Reader& reader, const Value::Key& key, const Value& value, const Value& own) {
  Kernel kernel;
  kernel.name = key.text;
  kernel.position = key.position;
  size_t before = reader.diagnostics.size();
  if (!reader.check_keys(value.is_null() ? kEmptyMap : value, Section::Kernel,
                         "kernel '" + key.text + "'")) {
    reader.broken.push_back(key.text);
    return;
  }
  read_handler(reader, value, kernel);
  size_t before_ports = reader.diagnostics.size();
  read_accepts(reader, value, kernel);
  read_ports(reader, value, kernel);
  if (const Value* replies = value.find("replies")) kernel.replies = reader.message(*replies);
  if (reader.diagnostics.size() != before_ports) reader.broken.push_back(kernel.name);
  read_key(reader, value, kernel);
  read_backend(reader, value, kernel);
  read_device(reader, value, kernel);
  read_launch(reader, value, kernel);
  read_granularity(reader, value, kernel);
  read_params(reader, value, kernel);
  read_buffers(reader, value, kernel);
  read_build(reader, value, kernel);
  if (reader.diagnostics.size() == before && !reader.is_broken(kernel.name)) {
    // A single-block kernel is its own grid.
    if (kernel.granularity == Granularity::Grid) kernel.launch.cooperative = true;
    check_kernel(reader, value, own, kernel);
  }
  reader.topology.kernels.push_back(std::move(kernel));
}

}  // namespace

void read_kernels(Reader& reader) {
  const Value* defaults = reader.document.find("defaults");
  if (defaults != nullptr && !reader.check_keys(*defaults, Section::Kernel, "'defaults'"))
    defaults = nullptr;
  const Value* kernels = reader.document.find("kernels");
  if (kernels == nullptr) return;
  if (!kernels->is_map()) {
    reader.error(kernels->position, "'kernels' must be a map of kernels", "wrong-type");
    return;
  }
  for (const auto& [key, value] : kernels->members) {
    if (!reader.check_name(key, "a kernel")) continue;
    if (defaults == nullptr || !(value.is_map() || value.is_null())) {
      read_kernel(reader, key, value, value);
      continue;
    }
    Value merged = *defaults;
    if (value.is_map()) merge_kernel(merged, value);
    merged.position = value.position;
    // What is wrong in the defaults is said once, there.
    std::erase_if(merged.members,
                  [](const auto& m) { return find_key(Section::Kernel, m.key.text) == nullptr; });
    for (const auto& member : value.members)
      if (find_key(Section::Kernel, member.key.text) == nullptr) merged.members.push_back(member);
    read_kernel(reader, key, merged, value);
  }
}

}  // namespace ringkernel::topology
