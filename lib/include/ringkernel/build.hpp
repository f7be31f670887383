// Compiling a topology's handlers ahead of time, for every processor that they may run on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ringkernel/error.hpp"
#include "ringkernel/export.hpp"
#include "ringkernel/topology.hpp"

namespace ringkernel {

struct BuildRequest {
  std::vector<std::string> architectures;  // of GPUs: "sm_90"
};

// One kernel's handler for one processor.
struct BuiltHandler {
  std::string kernel;
  std::string target;     // "cpu", "sm_90"
  bool compiled = false;  // false: it was in the cache, or is built in
  bool required = true;   // false: the kernel runs on the CPU where this fails
  std::optional<Error> error;
  // What it takes of a GPU: registers and bytes a thread, shared memory in bytes a block.
  uint32_t registers = 0, shared_memory = 0, stack = 0, spilled = 0;
};

struct BuildReport {
  std::vector<BuiltHandler> handlers;  // for the CPU, then for GPUs, in the topology's order
  std::string skipped;                 // why nothing was compiled for GPUs; empty: it was
};
// A document of schema "ringk.build/1".
RK_API std::string to_json(const BuildReport& report);

// Compiles into the cache: for the CPU the kernels that do not say `backend: cuda`, for GPUs those
// that do not say `backend: cpu`.
// What fails stands in the report. InvalidConfig: the compiler knows no such architecture.
// REQUIRES: topology.valid().
RK_API Result<BuildReport> build_handlers(const Topology& topology, const BuildRequest& request);

// One of each generation that kernels run on, as far as the compiler knows them: sm_75, sm_80,
// sm_90, sm_100, sm_120.
RK_API std::vector<std::string> usual_architectures();
// Those of the GPUs in this machine.
RK_API std::vector<std::string> present_architectures();

// Writes what an editor needs to read the topology's handlers into `folder`, which is theirs or one
// above: NAME.ringk.hpp, with the messages, ports and params of all kernels together, and
// compile_flags.txt, which includes it. IoError: they cannot be written, or a
// compile_flags.txt is there that is not ours.
RK_API Result<void> write_editor_files(const Topology& topology, const std::string& folder);

}  // namespace ringkernel
