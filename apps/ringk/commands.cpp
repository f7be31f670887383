#include <array>

#include "command.hpp"

namespace ringk {

std::span<const Command> commands() {
  static constexpr std::array kCommands = {
      Command{"Author", "check", "validate topologies; show the effective one, the editor schema",
              declare_check},
      Command{"Author", "test", "run the tests written in a topology", declare_test},
      Command{"Author", "build", "compile handlers ahead of time; headers for an editor",
              declare_build},
      Command{"Run", "launch", "run a topology: stdin and files in, stdout and files out",
              declare_launch},
      Command{"Run", "send", "pipe messages into a running topology", declare_send},
      Command{"Run", "suspend", "deactivate a kernel, or all of them", declare_suspend},
      Command{"Run", "resume", "activate a kernel, or all of them", declare_resume},
      Command{"Run", "stop", "drain and stop a topology, or terminate one kernel", declare_stop},
      Command{"Inspect", "status", "states and metrics of a running topology", declare_status},
      Command{"Machine", "list", "built-in handlers, devices, running topologies", declare_list},
      Command{"Machine", "doctor", "whether this machine can run ringk, and if not why",
              declare_doctor},
      Command{"Machine", "bench", "load a topology and report rate and latency", declare_bench},
  };
  return kCommands;
}

}  // namespace ringk
