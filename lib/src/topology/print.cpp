#include "topology/print.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "ringkernel/device/header.hpp"
#include "ringkernel/device/ring.hpp"
#include "schema/base64.hpp"
#include "topology/value.hpp"

namespace ringkernel::topology {
namespace {

// A dollar would be read as a variable.
std::string dollars(std::string_view text) {
  std::string out;
  for (char c : text) {
    out += c;
    if (c == '$') out += '$';
  }
  return out;
}

std::string scalar(std::string_view text) { return quote_yaml(dollars(text), false); }
std::string in_quotes(std::string_view text) { return quote_yaml(dollars(text), true); }
std::string yes_no(bool value) { return value ? "true" : "false"; }

std::string absolute(const std::string& path) {
  std::error_code code;
  auto whole = std::filesystem::absolute(path, code);
  return code ? path : whole.lexically_normal().string();
}
std::string path(const std::string& text) { return scalar(absolute(text)); }

std::string duration(Duration value) {
  const auto n = value.count();
  struct Unit {
    int64_t size;
    const char* name;
  };
  for (const auto& [size, name] :
       {Unit{1'000'000'000, "s"}, Unit{1'000'000, "ms"}, Unit{1000, "us"}})
    if (n % size == 0) return std::to_string(n / size) + name;
  return std::to_string(n) + "ns";
}

// JSON as a flow mapping: yaml-cpp wants a space after a colon and a comma.
std::string flow(const std::string& json) {
  std::string out;
  bool in_text = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    out += c;
    if (in_text) {
      if (c == '\\') out += json[++i];
      if (c == '$') out += '$';
      if (c == '"') in_text = false;
    } else if (c == '"') {
      in_text = true;
    } else if (c == ':' || c == ',') {
      out += ' ';
    }
  }
  return out;
}

template <class T>
std::string number(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  std::array<char, 64> text;
  auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

std::string print_scalar(schema::Scalar type, const std::byte* bytes) {
  using S = schema::Scalar;
  switch (type) {
    case S::Bool:
      return yes_no(bytes[0] != std::byte{0});
    case S::U8:
      return std::to_string(std::to_integer<unsigned>(bytes[0]));
    case S::U16:
      return number<uint16_t>(bytes);
    case S::U32:
      return number<uint32_t>(bytes);
    case S::U64:
      return number<uint64_t>(bytes);
    case S::I8:
      return std::to_string(static_cast<int8_t>(bytes[0]));
    case S::I16:
      return number<int16_t>(bytes);
    case S::I32:
      return number<int32_t>(bytes);
    case S::I64:
      return number<int64_t>(bytes);
    case S::F32:
      return number<float>(bytes);
    case S::F64:
      return number<double>(bytes);
  }
  return "";
}

// Writes "key: value" lines at a depth.
class Printer {
 public:
  std::string take() { return std::move(text_); }

  void line(int depth, const std::string& content) {
    text_.append(static_cast<size_t>(depth) * 2, ' ');
    text_ += content;
    text_ += '\n';
  }
  void key(int depth, const std::string& name, const std::string& value,
           const std::string& comment = {}) {
    line(depth, name + ": " + value + (comment.empty() ? "" : "  # " + comment));
  }

  void message(const schema::MessageType& type);
  void kernel(const Topology& topology, const Kernel& kernel);
  void launch(const Topology& topology, const Kernel& kernel);
  void input(const Input& input);
  void output(const Output& output);
  void wires(const Topology& topology);
  void run(const Topology& topology);
  void test(const Test& test);

 private:
  std::string text_;
};

std::string declaration(const schema::Field& field) {
  std::string text = to_string(field.type);
  if (!field.default_value.empty())
    text += " = " + print_value(field.type, field.default_value.data());
  return in_quotes(text);
}

void Printer::message(const schema::MessageType& type) {
  line(1, type.name + (type.fields.empty() ? ": {}" : ":") + "  # " + std::to_string(type.size) +
              (type.size == 1 ? " byte" : " bytes"));
  for (const schema::Field& field : type.fields) {
    if (field.json_name == field.name)
      key(2, field.name, declaration(field));
    else
      key(2, field.name,
          "{type: " + declaration(field) + ", json: " + in_quotes(field.json_name) + "}");
  }
}

uint32_t blocks_of(const Kernel* kernel) {
  // On the CPU a grid runs as one block.
  return kernel == nullptr || kernel->granularity == Granularity::Grid ? 1
                                                                       : kernel->launch.grid_size;
}

bool strategy_is(const Kernel* kernel, SchedulerStrategy strategy) {
  return kernel != nullptr && kernel->launch.scheduler &&
         kernel->launch.scheduler->strategy == strategy;
}

// The bytes of an edge's rings, as the engine makes them.
uint64_t ring_memory(const Topology& topology, const Wire& wire) {
  const Kernel* from = topology.kernel(wire.from);
  const Kernel* to = topology.kernel(wire.to);
  uint64_t capacity = to != nullptr     ? to->launch.input_queue_capacity
                      : from != nullptr ? from->launch.output_queue_capacity
                                        : LaunchOptions{}.input_queue_capacity;
  // A waiting sender makes room for all that a message may emit.
  if (from != nullptr && wire.on_full == OnFull::Wait)
    for (const Port& port : from->emits)
      if (port.name == wire.port) capacity = std::bit_ceil(std::max<uint64_t>(capacity, port.max));
  const uint64_t senders = blocks_of(from);
  const uint64_t receivers = blocks_of(to);
  const bool inbox = receivers > 1 && strategy_is(to, SchedulerStrategy::RoundRobin);
  const bool stealing = receivers > 1 && strategy_is(to, SchedulerStrategy::WorkStealing);
  const bool one_for_all = inbox || stealing || wire.on_full == OnFull::DropOldest;
  uint64_t rings = inbox ? 1 : one_for_all ? receivers : receivers * senders;
  if (strategy_is(to, SchedulerStrategy::Priority)) rings *= to->launch.scheduler->levels;
  uint32_t payload = 1;
  for (const auto& type : wire.messages) payload = std::max(payload, type->size);
  return rings * ring_bytes(static_cast<uint32_t>(capacity), slot_stride(payload));
}

std::string capacity_note(uint64_t written, uint64_t capacity, uint64_t bytes, const char* where) {
  std::string note;
  if (written != 0 && written != capacity)
    note = "rounded up from " + std::to_string(written) + "; ";
  return note + std::to_string(bytes) + " bytes in all rings " + where;
}

void Printer::launch(const Topology& topology, const Kernel& kernel) {
  const LaunchOptions& o = kernel.launch;
  line(2, "launch:");
  key(3, "mode", std::string(to_string(o.mode)));
  key(3, "grid_size", std::to_string(o.grid_size));
  key(3, "block_size", std::to_string(o.block_size), "on the CPU: acts with --threads only");
  uint64_t in = 0;
  uint64_t out = 0;
  for (const Wire& wire : topology.wires) {
    if (wire.to == kernel.name) in += ring_memory(topology, wire);
    if (wire.from == kernel.name && topology.output(wire.to) != nullptr)
      out += ring_memory(topology, wire);
  }
  key(3, "input_queue_capacity", std::to_string(o.input_queue_capacity),
      capacity_note(kernel.input_capacity_written, o.input_queue_capacity, in, "into it"));
  key(3, "output_queue_capacity", std::to_string(o.output_queue_capacity),
      capacity_note(kernel.output_capacity_written, o.output_queue_capacity, out, "to outputs"));
  key(3, "shared_memory_size", std::to_string(o.shared_memory_size));
  key(3, "cluster_size", std::to_string(o.cluster_size));
  if (o.mode == KernelMode::EventDriven) {
    key(3, "batch_size", std::to_string(o.batch_size));
    key(3, "batch_delay", duration(o.batch_delay));
  }
  key(3, "lease", duration(o.lease));
  key(3, "auto_activate", yes_no(o.auto_activate));
  key(3, "cooperative", yes_no(o.cooperative));
  if (kernel.k2k_explicit) key(3, "enable_k2k", yes_no(o.enable_k2k));
  key(3, "priority", std::string(to_string(o.priority)));
  if (!o.scheduler) return;
  const SchedulerConfig& s = *o.scheduler;
  line(3, "scheduler:");
  key(4, "strategy", std::string(to_string(s.strategy)));
  // The others have no effect.
  if (s.strategy == SchedulerStrategy::Priority) key(4, "levels", std::to_string(s.levels));
  if (s.strategy != SchedulerStrategy::WorkStealing) return;
  key(4, "steal_threshold", std::to_string(s.steal_threshold));
  key(4, "share_threshold", std::to_string(s.share_threshold));
  key(4, "max_steal_batch", std::to_string(s.max_steal_batch));
  key(4, "steal_neighborhood", std::to_string(s.steal_neighborhood));
}

template <class List, class Text>
std::string join(const List& list, Text&& text) {
  std::string out;
  for (const auto& item : list) out += (out.empty() ? "" : ", ") + text(item);
  return out;
}

void Printer::kernel(const Topology& topology, const Kernel& kernel) {
  line(1, kernel.name + ":");
  switch (kernel.handler.kind) {
    case Handler::Kind::Source:
      key(2, "source", path(kernel.handler.source));
      break;
    case Handler::Kind::Builtin:
      key(2, "builtin", kernel.handler.builtin);
      break;
    case Handler::Kind::Code: {
      // The indicator tells the indentation, for code that begins with spaces.
      line(2, "code: |2");
      std::string_view rest = kernel.handler.code;
      while (!rest.empty()) {
        size_t end = std::min(rest.find('\n'), rest.size());
        text_ += "      " + std::string(rest.substr(0, end)) + "\n";
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
      break;
    }
  }
  key(2, "accepts", "[" + join(kernel.accepts, [](auto& type) { return type->name; }) + "]");
  if (!kernel.emits.empty())
    key(2, "emits", "{" + join(kernel.emits, [](const Port& port) {
                      return port.name + ": {message: " + port.message->name +
                             ", max: " + std::to_string(port.max) + "}";
                    }) + "}");
  if (kernel.replies != nullptr) key(2, "replies", kernel.replies->name);
  if (!kernel.keys.empty()) {
    key(2, "key", "{" + join(kernel.keys, [](const Key& k) {
                    return k.message->name + ": [" + join(k.fields, [](auto& f) { return f; }) +
                           "]";
                  }) + "}");
    key(2, "key_capacity", std::to_string(kernel.key_capacity));
  }
  constexpr const char* kGranularities[] = {"serial", "thread", "block", "grid"};
  key(2, "granularity", kGranularities[static_cast<size_t>(kernel.granularity)]);
  key(2, "backend",
      kernel.backend == Backend::Auto  ? "auto"
      : kernel.backend == Backend::Cpu ? "cpu"
                                       : "cuda");
  if (!kernel.device.empty()) key(2, "device", in_quotes(kernel.device));
  if (!kernel.params.empty()) {
    line(2, "params:");
    for (const schema::Field& param : kernel.params) key(3, param.name, declaration(param));
  }
  if (!kernel.constants.empty()) {
    line(2, "constants:");
    for (const Constant& constant : kernel.constants)
      key(3, constant.name, std::to_string(constant.value));
  }
  if (!kernel.buffers.empty()) line(2, "buffers:");
  for (const Buffer& buffer : kernel.buffers) {
    std::string text = "{type: " + in_quotes(to_string(buffer.type));
    if (!buffer.load.empty()) text += ", load: " + in_quotes(absolute(buffer.load));
    if (!buffer.save.empty()) text += ", save: " + in_quotes(absolute(buffer.save));
    key(3, buffer.name, text + "}", std::to_string(*bytes_of(buffer.type)) + " bytes");
  }
  line(2, "build:");
  if (!kernel.build.include.empty())
    key(3, "include",
        "[" + join(kernel.build.include, [](auto& folder) { return path(folder); }) + "]");
  if (!kernel.build.flags.empty())
    key(3, "flags",
        "[" + join(kernel.build.flags, [](auto& flag) { return in_quotes(flag); }) + "]");
  key(3, "math", kernel.build.fast_math ? "fast" : "precise");
  launch(topology, kernel);
}

void Printer::input(const Input& input) {
  line(1, input.name + ":");
  const char* codec = input.codec == Codec::Raw ? "raw" : "jsonl";
  switch (input.kind) {
    case Input::Kind::Stdin:
      key(2, "stdin", codec);
      break;
    case Input::Kind::File:
      key(2, "file", path(input.path));
      key(2, "codec", codec);
      key(2, "follow", yes_no(input.follow));
      break;
    case Input::Kind::Every:
      key(2, "every", duration(input.every));
      key(2, "value", flow(input.values.at(0)));
      if (input.count) key(2, "count", std::to_string(*input.count));
      break;
    case Input::Kind::Values:
      key(2, "values", input.values.empty() ? "[]" : "");
      for (const std::string& value : input.values) line(3, "- " + flow(value));
      break;
  }
  if (input.message != nullptr) key(2, "message", input.message->name);
  key(2, "unknown_fields", input.ignore_unknown_fields ? "ignore" : "error");
  key(2, "priority", std::string(to_string(input.priority)));
  if (input.deadline) key(2, "deadline", duration(*input.deadline));
  if (!input.deadline_field.empty()) key(2, "deadline", "{field: " + input.deadline_field + "}");
}

void Printer::output(const Output& output) {
  line(1, output.name + ":");
  const char* codec = output.codec == Codec::Raw ? "raw" : "jsonl";
  switch (output.kind) {
    case Output::Kind::Stdout:
      key(2, "stdout", codec);
      break;
    case Output::Kind::File:
      key(2, "file", path(output.path));
      key(2, "codec", codec);
      key(2, "append", yes_no(output.append));
      break;
    case Output::Kind::Discard:
      key(2, "discard", "true");
      break;
  }
  if (!output.tag.empty()) key(2, "tag", in_quotes(output.tag));
}

void Printer::wires(const Topology& topology) {
  constexpr const char* kPolicies[] = {"wait", "drop_newest", "drop_oldest", "dead_letter", "fail"};
  constexpr const char* kRoutes[] = {"", "key", "round_robin", "all", ""};
  std::string sender;
  for (const Wire& wire : topology.wires) {
    std::string from = wire.from + (wire.port.empty() ? "" : "." + wire.port);
    if (from != sender) line(1, from + ":");
    sender = from;
    std::string text =
        "{to: " + wire.to + ", on_full: " + kPolicies[static_cast<size_t>(wire.on_full)];
    if (wire.route == Route::BlockField)
      text += ", route: {block: " + wire.block_field + "}";
    else if (wire.route != Route::Default)
      text += std::string(", route: ") + kRoutes[static_cast<size_t>(wire.route)];
    if (wire.credits) text += ", credits: " + std::to_string(*wire.credits);
    line(2, "- " + text + "}");
  }
}

void Printer::run(const Topology& topology) {
  const Run& run = topology.run;
  line(0, "run:");
  if (run.until.kind == Until::Kind::Output)
    key(1, "until",
        "{output: " + run.until.output + ", count: " + std::to_string(run.until.count) + "}");
  else
    key(1, "until", run.until.kind == Until::Kind::Forever ? "forever" : "inputs_end");
  key(1, "on_signal_drain", duration(run.on_signal_drain));
  key(1, "on_bad_input", run.stop_on_bad_input ? "stop" : "dead_letter");
  constexpr const char* kOnFailure[] = {"stop", "continue", "restart"};
  key(1, "on_kernel_failure", kOnFailure[static_cast<size_t>(run.on_kernel_failure)]);
  if (run.on_kernel_failure == OnKernelFailure::Restart) {
    key(1, "max_restarts", std::to_string(run.max_restarts));
    key(1, "restart_window", duration(run.restart_window));
    key(1, "restart_delay", duration(run.restart_delay));
  }
  if (run.max_failed_percent) {
    std::array<char, 64> text;
    auto end = std::to_chars(text.data(), text.data() + text.size(), *run.max_failed_percent).ptr;
    key(1, "max_failed", std::string(text.data(), end) + "%");
  } else {
    key(1, "max_failed", std::to_string(run.max_failed));
  }
  if (!topology.dead_letters_file.empty()) {
    line(0, "dead_letters:");
    key(1, "file", path(topology.dead_letters_file));
  }
}

void Printer::test(const Test& test) {
  line(1, "- name: " + in_quotes(test.name));
  if (!test.send.empty()) line(2, "send:");
  for (const auto& [input, messages] : test.send) {
    key(3, input, messages.empty() ? "[]" : "");
    for (const std::string& message : messages) line(4, "- " + in_quotes(message));
  }
  line(2, "expect:");
  for (const Expectation& e : test.expect) {
    line(3, e.target + ":");
    if (e.messages) {
      key(4, e.contains ? "contains" : "messages", e.messages->empty() ? "[]" : "");
      for (const std::string& message : *e.messages) line(5, "- " + flow(message));
    }
    key(4, "ordered", yes_no(e.ordered));
    if (e.count) key(4, "count", std::to_string(*e.count));
    if (e.approx) {
      std::array<char, 64> text;
      auto end = std::to_chars(text.data(), text.data() + text.size(), *e.approx).ptr;
      key(4, "approx", {text.data(), end});
    }
  }
  key(2, "within", duration(test.within));
  if (test.backend)
    key(2, "backend",
        *test.backend == Backend::Auto  ? "auto"
        : *test.backend == Backend::Cpu ? "cpu"
                                        : "cuda");
}

}  // namespace

std::string print_value(const schema::Type& type, const std::byte* value) {
  if (type.optional && value[type.value_size] == std::byte{0}) return "null";
  switch (type.kind) {
    case schema::Type::Kind::Scalar:
      return print_scalar(type.scalar, value);
    case schema::Type::Kind::Enum: {
      size_t index = 0;
      std::memcpy(&index, value, type.value_size);
      return index < type.names.size() ? type.names[index] : "";
    }
    case schema::Type::Kind::String:
    case schema::Type::Kind::Bytes: {
      uint16_t size = 0;
      std::memcpy(&size, value, sizeof size);
      const auto* bytes = reinterpret_cast<const char*>(value) + sizeof size;
      if (type.kind == schema::Type::Kind::String) return '"' + std::string(bytes, size) + '"';
      std::string text;
      schema::append_base64(reinterpret_cast<const uint8_t*>(bytes), size, text);
      return '"' + text + '"';
    }
    default:
      return "";
  }
}

std::string print(const Topology& topology) {
  Printer printer;
  printer.key(0, "ringk", "1");
  printer.key(0, "name", topology.name);
  if (!topology.messages.empty()) printer.line(0, "messages:");
  for (const auto& type : topology.messages) printer.message(*type);
  if (!topology.kernels.empty()) printer.line(0, "kernels:");
  for (const Kernel& kernel : topology.kernels) printer.kernel(topology, kernel);
  if (!topology.inputs.empty()) printer.line(0, "inputs:");
  for (const Input& input : topology.inputs) printer.input(input);
  if (!topology.outputs.empty()) printer.line(0, "outputs:");
  for (const Output& output : topology.outputs) printer.output(output);
  if (!topology.wires.empty()) printer.line(0, "wires:");
  printer.wires(topology);
  printer.run(topology);
  if (!topology.tests.empty()) printer.line(0, "tests:");
  for (const Test& test : topology.tests) printer.test(test);
  return printer.take();
}

}  // namespace ringkernel::topology
