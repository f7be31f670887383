// A topology as nodes and edges of an engine, with what feeds and empties it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "launcher/crash_handler.hpp"
#include "launcher/dead_letter_step.hpp"
#include "launcher/input_step.hpp"
#include "launcher/output_step.hpp"
#include "launcher/placement.hpp"
#include "launcher/running_topology.hpp"
#include "launcher/shared_progress.hpp"
#include "launcher/stream_input.hpp"
#include "runtime/engine.hpp"
#include "topology/topology.hpp"

namespace ringkernel::launcher {

class TimerInput;

struct RunGraph final : CrashCounts {
  struct Kernel {
    const topology::Kernel* kernel = nullptr;
    const HandlerModule* module = nullptr;
    runtime::Node* node = nullptr;
    SharedProgress::Kernel* progress = nullptr;  // null: the launch has this run alone
  };
  struct Input {
    const topology::Input* input = nullptr;
    runtime::Node* node = nullptr;
    InputStep* step = nullptr;
    bool reads = false;  // stdin or a file, or would if clients did not feed it
    TimerInput* timer = nullptr;
    bool finite = false;  // the run may wait for its end
  };
  struct Output {
    const topology::Output* output = nullptr;
    runtime::Node* node = nullptr;
    OutputStep* step = nullptr;
  };

  // Outlive the engine, whose steps use them.
  RunEvents events;
  std::unique_ptr<DeadLetterFile> dead_letters;
  std::unique_ptr<Poller> poller;
  InputServices input_services;
  OutputServices output_services;
  std::unique_ptr<runtime::Engine> engine;

  DeadLetterStep* dead_letter_step = nullptr;
  runtime::Node* dead_letter_node = nullptr;
  std::vector<Kernel> kernels;
  std::vector<Input> inputs;
  std::vector<Output> outputs;
  std::vector<uint16_t> type_ids;  // of the topology's messages, in their order
  SharedProgress* progress = nullptr;

  ~RunGraph();
  uint64_t lost() const noexcept override;
  void crashed() noexcept override;

  // Opens the files, adds the nodes, connects them. Nothing runs yet.
  tl::expected<void, StartError> build(const topology::Topology& topology,
                                       const RunSettings& settings,
                                       const std::vector<const HandlerModule*>& modules,
                                       std::vector<Placement> placements, const std::string& name,
                                       const std::string& dead_letter_file);

  const Kernel* kernel(std::string_view name) const;
  const Input* input(std::string_view name) const;
};

}  // namespace ringkernel::launcher
