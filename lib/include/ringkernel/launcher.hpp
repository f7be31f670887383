// Running a topology to its end in this process: `ringk launch`.
//
//   auto topology = Topology::load("fraud.yaml");
//   if (!topology->valid()) { print(topology->report(false)); return ExitCode::Invalid; }
//   LaunchRequest request;
//   request.say = [](Voice, std::string_view text) { print(text); };
//   return launch(*topology, request);
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringkernel/error.hpp"
#include "ringkernel/exit_code.hpp"
#include "ringkernel/export.hpp"
#include "ringkernel/topology.hpp"

namespace ringkernel {

enum class Voice : uint8_t {
  Notice,    // how it goes: the ready line, the summary
  Progress,  // how far it is; replaces the progress before it; only where `progress` is set
  Warning,
  Error,
};

// What there is once a topology is ready.
struct LaunchedAs {
  std::string name;          // what it is called while it runs
  std::string log;           // of a service: where its messages go from now on
  std::string output;        // of a service: what its outputs write to stdout; empty: it has none
  std::string dead_letters;  // where messages go that cannot be handled
};

struct LaunchRequest {
  // --in NAME=FILE, --out NAME=FILE: where an input reads and an output writes; "-" is this
  // process's own stdin or stdout.
  std::vector<std::pair<std::string, std::string>> in;
  std::vector<std::pair<std::string, std::string>> out;
  uint32_t workers = 0;  // 0: the cores that the process may use
  std::string summary;   // FILE that gets the last status document; empty: none; "-": stdout
  // -d: its stdin inputs are fed by `ringk send`, its stdout is a file in the state folder, it runs
  // until it is stopped, and it must have the name it asks for.
  bool service = false;
  // A name that is taken is nothing to say: the exit code does.
  bool if_absent = false;
  bool progress = false;  // say how far it is, about once a second
  // Called on any thread, one call at a time, with a sentence without its newline.
  std::function<void(Voice, std::string_view)> say;
  // Called once, when the topology is ready. A failure ends the run.
  std::function<Result<void>(const LaunchedAs&)> on_ready;
};

// What of a request is known to be wrong before anything is opened, stopped or compiled.
// InvalidConfig: an input or output that the topology does not have. IoError: the summary's file
// cannot be made or written.
// REQUIRES: topology.valid().
RK_API Result<void> check_launch(const Topology& topology, const LaunchRequest& request);

// Compiles the handlers, runs the topology until its inputs end, it is stopped, or it fails, drains
// it and says how it went. Meanwhile SIGINT and SIGTERM are its own (the first drains, a second one
// ends the process at once), SIGPIPE is ignored, standard output carries nothing but data, and a
// handler that crashes ends the process with ExitCode::Crashed.
// REQUIRES: topology.valid(); one call at a time.
RK_API ExitCode launch(const Topology& topology, const LaunchRequest& request);

// Compiles the handlers of every kernel for every processor it may run on, into the cache. The
// sentences of a failure have the user's file and line.
// CompilationError, CompilerNotFound, ValidationError. REQUIRES: no other thread exists.
RK_API Result<void> compile_handlers(const Topology& topology);

}  // namespace ringkernel
