// The validated model of a topology: what a YAML file says, with every default filled in, every
// name resolved and every edge type-checked. Nothing in it refers to YAML.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/array_type.hpp"
#include "ringkernel/launch_options.hpp"
#include "schema/message_type.hpp"
#include "topology/diagnostic.hpp"

namespace ringkernel::topology {

using Duration = std::chrono::nanoseconds;

enum class Granularity : uint8_t { Serial, Thread, Block, Grid };
enum class Codec : uint8_t { Jsonl, Raw };

struct Port {
  std::string name;
  schema::MessageTypePtr message;
  uint32_t max = 1;  // most emits per handled message
  Position position;
};

struct Handler {
  enum class Kind : uint8_t { Source, Code, Builtin };
  Kind kind = Kind::Source;
  std::string source;      // Source: path, resolved against the file that says it
  std::string code;        // Code: the C++ text
  uint32_t code_line = 0;  // Code: the YAML line its first line stands on
  std::string builtin;     // Builtin: its name
  Position position;
};

// The key fields of one accepted message, outermost path by dots not supported: a top-level field
// each.
struct Key {
  schema::MessageTypePtr message;
  std::vector<std::string> fields;
};

struct Build {
  std::vector<std::string> include;  // folders, resolved
  std::vector<std::string> flags;
  bool fast_math = false;
};

struct Constant {
  std::string name;
  int64_t value = 0;
};

struct Buffer {
  std::string name;
  ArrayType type;
  std::string load;  // .npy files, resolved; empty: zeroed, and not saved
  std::string save;
  Position save_position;
};

struct Kernel {
  std::string name;
  Handler handler;
  std::vector<schema::MessageTypePtr> accepts;
  std::vector<Port> emits;
  schema::MessageTypePtr replies;  // null: none
  std::vector<Key> keys;           // empty: State per block
  uint32_t key_capacity = 65536;
  Granularity granularity = Granularity::Serial;
  Backend backend = Backend::Auto;
  std::string device;  // "", index, "any", UUID
  LaunchOptions launch;
  bool k2k_explicit = false;            // enable_k2k was written
  uint64_t input_capacity_written = 0;  // as written, before rounding up; 0: not written
  uint64_t output_capacity_written = 0;
  std::vector<schema::Field> params;  // default_value holds the value in force
  std::vector<Constant> constants;
  std::vector<Buffer> buffers;
  Build build;
  Position position;
};

struct Input {
  enum class Kind : uint8_t { Stdin, File, Every, Values };
  std::string name;
  Kind kind = Kind::Stdin;
  Codec codec = Codec::Jsonl;
  std::string path;                 // File
  bool follow = false;              // File: keep reading as it grows
  Duration every{};                 // Every
  std::optional<uint64_t> count;    // Every: how many ticks; none: without end
  std::vector<std::string> values;  // Values and Every (one): JSON objects as text
  schema::MessageTypePtr message;   // null: each line names it in "type"
  std::vector<schema::MessageTypePtr>
      messages;  // what may come in: {message}, or the wired kernels' types
  bool ignore_unknown_fields = false;
  Priority priority = Priority::Normal;
  std::optional<Duration> deadline;  // from arrival
  std::string deadline_field;        // or: a field of the message, microseconds since 1970
  Position position;
};

struct Output {
  enum class Kind : uint8_t { Stdout, File, Discard };
  std::string name;
  Kind kind = Kind::Stdout;
  Codec codec = Codec::Jsonl;
  std::string path;
  bool append = false;
  std::string tag;                               // member that names the message; empty: none
  std::vector<schema::MessageTypePtr> messages;  // what its wires bring
  Position position;
};

enum class OnFull : uint8_t { Wait, DropNewest, DropOldest, DeadLetter, Fail };
enum class Route : uint8_t { Default, Key, RoundRobin, All, BlockField };

// One edge. Its id in errors, metrics, tap and graph: "from[.port]:to".
struct Wire {
  std::string from;  // input or kernel
  std::string port;  // empty from an input; "reply" for the reply port
  std::string to;    // kernel or output
  OnFull on_full = OnFull::Wait;
  Route route = Route::Default;
  std::string block_field;  // Route::BlockField
  std::optional<uint32_t> credits;
  std::vector<schema::MessageTypePtr> messages;  // types that may travel on it
  Position position;                             // of the receiver
  Position route_position;                       // of the route's word, or its field
  Position credits_position;

  std::string id() const { return from + (port.empty() ? "" : "." + port) + ":" + to; }
};

struct Until {
  enum class Kind : uint8_t { InputsEnd, Forever, Output };
  Kind kind = Kind::InputsEnd;
  std::string output;
  uint64_t count = 0;
};

enum class OnKernelFailure : uint8_t { Stop, Continue, Restart };

struct Run {
  Until until;
  Duration on_signal_drain = std::chrono::seconds(30);
  bool stop_on_bad_input = false;  // on_bad_input: stop
  OnKernelFailure on_kernel_failure = OnKernelFailure::Stop;
  // Clients wait a little longer than this for a topology that is about to be there again.
  static constexpr Duration kLongestRestartDelay = std::chrono::seconds(2);
  uint32_t max_restarts = 5;
  Duration restart_window = std::chrono::minutes(10);
  Duration restart_delay = std::chrono::milliseconds(100);
  uint64_t max_failed = 0;
  std::optional<double> max_failed_percent;  // max_failed: 1%
};

// JSON values of tests are kept as JSON text, one object each; the test runner compares them.
struct Expectation {
  std::string target;                                // output or kernel
  std::optional<std::vector<std::string>> messages;  // exactly these, listed fields compared
  bool ordered = false;
  bool contains = false;  // these among others
  std::optional<uint64_t> count;
  std::optional<double> approx;  // relative tolerance for numbers
  Position position;
};

struct Test {
  std::string name;
  std::vector<std::pair<std::string, std::vector<std::string>>> send;  // input -> JSON texts
  std::vector<Expectation> expect;
  Duration within = std::chrono::seconds(5);
  std::optional<Backend> backend;
  Position position;
};

struct Topology {
  std::string name;
  std::string file;  // the first file; "-" for stdin
  std::string folder;
  std::vector<schema::MessageTypePtr> messages;  // in declared order
  std::vector<Kernel> kernels;
  std::vector<Input> inputs;
  std::vector<Output> outputs;
  std::vector<Wire> wires;
  Run run;
  std::string dead_letters_file;  // empty: the default, NAME.dead.jsonl
  std::vector<Test> tests;

  const Kernel* kernel(std::string_view kernel_name) const;
  const Input* input(std::string_view input_name) const;
  const Output* output(std::string_view output_name) const;
};

// Kernels in topological order, members of a cycle together (for draining and on_stop).
std::vector<std::vector<std::string>> drain_order(const Topology& topology);

// The kernels of each waiting cycle (strongly connected component with an edge), for credits.
std::vector<std::vector<std::string>> cycles(const Topology& topology);
// The same over the wires that `follow` says yes to.
std::vector<std::vector<std::string>> cycles(const Topology& topology,
                                             const std::function<bool(const Wire&)>& follow);

}  // namespace ringkernel::topology
