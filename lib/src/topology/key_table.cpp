#include "topology/key_table.hpp"

namespace ringkernel::topology {

const std::vector<KeyInfo>& key_table() {
  using S = Section;
  using H = Shape;
  static const std::vector<KeyInfo> table = {
      {S::Top, "ringk", H::Integer, "", true, "version of this format: 1"},
      {S::Top, "name", H::Text, "", true, "name of the topology: [a-z][a-z0-9_-]*"},
      {S::Top, "messages", H::Map, "", false, "message types: name to fields"},
      {S::Top, "kernels", H::Map, "kernel", false, "kernels by name"},
      {S::Top, "defaults", H::Section, "kernel", false, "keys merged under every kernel"},
      {S::Top, "inputs", H::Map, "input", false, "where messages come from, by name"},
      {S::Top, "outputs", H::Map, "output", false, "where messages go, by name"},
      {S::Top, "wires", H::Map, "", false,
       "from[.port]: to, a list, or {to, on_full, route, credits}"},
      {S::Top, "run", H::Section, "run", false, "when it ends and what it tolerates"},
      {S::Top, "dead_letters", H::Section, "dead_letters", false,
       "where messages go that could not be handled"},
      {S::Top, "tests", H::List, "test", false, "what ringk test runs"},
      {S::Field, "type", H::Text, "", true, "type of the field"},
      {S::Field, "json", H::Text, "", false, "name of the field in JSON"},
      {S::Kernel, "source", H::Text, "", false, "file with the handler, C++"},
      {S::Kernel, "code", H::Text, "", false, "the handler itself, as a block: |"},
      {S::Kernel, "builtin", H::Text, "", false, "a built-in handler: echo, discard"},
      {S::Kernel, "accepts", H::List, "", false, "message types it handles"},
      {S::Kernel, "emits", H::Map, "port", false, "ports: name to message, or {message, max}"},
      {S::Kernel, "replies", H::Text, "", false, "message type of its replies"},
      {S::Kernel, "key", H::Any, "", false,
       "field, list of fields, or map of message to field: State per key"},
      {S::Kernel, "key_capacity", H::Integer, "", false, "most keys of the kernel (65536)"},
      {S::Kernel, "granularity", H::Enum, "serial|thread|block|grid", false,
       "how many threads handle a message"},
      {S::Kernel, "backend", H::Enum, "auto|cpu|cuda|metal|webgpu", false, "where it runs (auto)"},
      {S::Kernel, "device", H::Text, "", false, "GPU: index, any, or UUID"},
      {S::Kernel, "launch", H::Section, "launch", false, "launch options"},
      {S::Kernel, "params", H::Map, "", false, "name: type = value, read at run time"},
      {S::Kernel, "constants", H::Map, "", false, "name: integer, known when compiling"},
      {S::Kernel, "buffers", H::Map, "buffer", false,
       "arrays by name: type, or {type, load, save}"},
      {S::Kernel, "build", H::Section, "build", false, "how the handler is compiled"},
      {S::Port, "message", H::Text, "", true, "message type of the port"},
      {S::Port, "max", H::Integer, "", false, "most emits per handled message (1)"},
      {S::Buffer, "type", H::Text, "", true, "elements and extents: f32[1024,1024]"},
      {S::Buffer, "load", H::Text, "", false, "the .npy file that it holds at launch"},
      {S::Buffer, "save", H::Text, "", false, "the .npy file that it is written to at the end"},
      {S::Launch, "mode", H::Enum, "persistent|event_driven", false,
       "resident, or started per batch"},
      {S::Launch, "grid_size", H::Integer, "", false, "blocks (1)"},
      {S::Launch, "block_size", H::Integer, "", false, "threads per block (256)"},
      {S::Launch, "input_queue_capacity", H::Integer, "", false,
       "messages per ring into it (1024), rounded up to a power of two"},
      {S::Launch, "output_queue_capacity", H::Integer, "", false,
       "messages per ring to outputs and the host (1024)"},
      {S::Launch, "shared_memory_size", H::Size, "", false, "bytes of shared memory per block (0)"},
      {S::Launch, "cluster_size", H::Integer, "", false,
       "blocks side by side on a GPU, 1 to 8; divides grid_size (1)"},
      {S::Launch, "batch_size", H::Integer, "", false,
       "most messages per block of an event-driven launch on a GPU (1024)"},
      {S::Launch, "batch_delay", H::Time, "", false,
       "how long its first message may wait for others (0ms)"},
      {S::Launch, "lease", H::Time, "", false,
       "how long its blocks stay on a GPU whose host shows no life, 100ms to 24h (5s)"},
      {S::Launch, "auto_activate", H::Boolean, "", false,
       "active as soon as it is launched (true)"},
      {S::Launch, "cooperative", H::Boolean, "", false, "granularity grid (false)"},
      {S::Launch, "enable_k2k", H::Boolean, "", false, "kernel-to-kernel wires; implied by one"},
      {S::Launch, "priority", H::Enum, "low|normal|high|critical", false,
       "which runnable block goes first (normal)"},
      {S::Launch, "scheduler", H::Section, "scheduler", false,
       "how messages are spread over the blocks"},
      {S::Scheduler, "strategy", H::Enum, "static|work_stealing|round_robin|priority", false,
       "static"},
      {S::Scheduler, "steal_threshold", H::Integer, "", false,
       "with fewer messages than this a block looks at its siblings (4)"},
      {S::Scheduler, "share_threshold", H::Integer, "", false,
       "a sibling with more messages than this may be stolen from (64)"},
      {S::Scheduler, "max_steal_batch", H::Integer, "", false, "most messages stolen at once (16)"},
      {S::Scheduler, "steal_neighborhood", H::Integer, "", false, "siblings looked at (4)"},
      {S::Scheduler, "levels", H::Integer, "", false, "priority levels, 1 to 16 (4)"},
      {S::Build, "include", H::List, "", false, "folders searched for headers"},
      {S::Build, "flags", H::List, "", false, "further compiler flags"},
      {S::Build, "math", H::Enum, "precise|fast", false,
       "precise gives the same result on every processor"},
      {S::Input, "stdin", H::Enum, "jsonl|raw", false, "standard input"},
      {S::Input, "file", H::Text, "", false, "a file"},
      {S::Input, "codec", H::Enum, "jsonl|raw", false, "of a file (jsonl)"},
      {S::Input, "follow", H::Boolean, "", false, "go on as the file grows"},
      {S::Input, "every", H::Time, "", false, "a message at this interval"},
      {S::Input, "value", H::Map, "", false, "the message of a timer"},
      {S::Input, "count", H::Integer, "", false, "how many times a timer fires (without end)"},
      {S::Input, "values", H::List, "", false, "these messages"},
      {S::Input, "message", H::Text, "", false,
       "message type; else each line names it in \"type\""},
      {S::Input, "unknown_fields", H::Enum, "error|ignore", false,
       "fields that are not declared (error)"},
      {S::Input, "priority", H::Enum, "low|normal|high|critical", false,
       "of its messages (normal)"},
      {S::Input, "deadline", H::Any, "", false,
       "time from arrival, or {field: F} in microseconds since 1970"},
      {S::Output, "stdout", H::Enum, "jsonl|raw", false, "standard output"},
      {S::Output, "file", H::Text, "", false, "a file"},
      {S::Output, "codec", H::Enum, "jsonl|raw", false, "of a file (jsonl)"},
      {S::Output, "append", H::Boolean, "", false, "keep what the file holds (false)"},
      {S::Output, "discard", H::Boolean, "", false, "count and forget"},
      {S::Output, "tag", H::Text, "", false, "member that names each line's message"},
      {S::Wire, "to", H::Text, "", true, "kernel or output"},
      {S::Wire, "on_full", H::Enum, "wait|drop_newest|drop_oldest|dead_letter|fail", false,
       "when the receiver's ring is full (wait)"},
      {S::Wire, "route", H::Any, "", false, "key, round_robin, all, or {block: FIELD}"},
      {S::Wire, "credits", H::Integer, "", false,
       "most messages inside the cycle this wire closes"},
      {S::Run, "until", H::Any, "", false, "inputs_end, forever, or {output, count}"},
      {S::Run, "on_signal_drain", H::Time, "", false, "how long a signal lets it drain (30s)"},
      {S::Run, "on_bad_input", H::Enum, "dead_letter|stop", false,
       "a line that is no message (dead_letter)"},
      {S::Run, "on_kernel_failure", H::Enum, "stop|continue|restart", false,
       "a kernel that fails (stop)"},
      {S::Run, "max_restarts", H::Integer, "", false,
       "most restarts within the window; then it ends (5)"},
      {S::Run, "restart_window", H::Time, "", false,
       "how long a restart counts, at least 10s (10m)"},
      {S::Run, "restart_delay", H::Time, "", false,
       "before the first restart; doubles with each one within the window, up to 2s (100ms)"},
      {S::Run, "max_failed", H::Any, "", false, "messages that may fail: N or N% (0)"},
      {S::Until, "output", H::Text, "", true, "the output that counts"},
      {S::Until, "count", H::Integer, "", true, "messages written"},
      {S::DeadLetters, "file", H::Text, "", false, "the file (NAME.dead.jsonl)"},
      {S::Test, "name", H::Text, "", true, "what it shows"},
      {S::Test, "send", H::Map, "", false, "input to messages"},
      {S::Test, "expect", H::Map, "expectation", true,
       "output or kernel to messages, or an expectation"},
      {S::Test, "within", H::Time, "", false, "time limit (5s)"},
      {S::Test, "backend", H::Enum, "auto|cpu|cuda", false, "backend of the test"},
      {S::Expectation, "messages", H::List, "", false, "exactly these, listed fields compared"},
      {S::Expectation, "ordered", H::Boolean, "", false, "in this order (false)"},
      {S::Expectation, "contains", H::List, "", false, "these among others"},
      {S::Expectation, "count", H::Integer, "", false, "how many messages"},
      {S::Expectation, "approx", H::Number, "", false, "relative tolerance of numbers"},
  };
  return table;
}

std::vector<std::string> keys_of(Section section) {
  std::vector<std::string> keys;
  for (const KeyInfo& info : key_table())
    if (info.section == section) keys.emplace_back(info.key);
  return keys;
}

const KeyInfo* find_key(Section section, std::string_view key) {
  for (const KeyInfo& info : key_table())
    if (info.section == section && key == info.key) return &info;
  return nullptr;
}

bool is_later(Section section, std::string_view key) {
  if (section != Section::Top && section != Section::Kernel && section != Section::Input &&
      section != Section::Output && section != Section::Run)
    return false;
  for (std::string_view later : {"journal", "checkpoint", "restart", "observe", "cluster", "node"})
    if (key == later) return true;
  return false;
}

}  // namespace ringkernel::topology
