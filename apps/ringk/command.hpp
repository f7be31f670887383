// One command of ringk: how it is called, and what it does.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>

#include "console.hpp"

namespace ringk {

using Action = std::function<ExitCode(Console&)>;

struct Command {
  const char* group;
  const char* name;
  const char* summary;
  // Declares its options and gives what to do once they are parsed.
  Action (*declare)(CLI::App& app);
};

// All of them, in the order in which help lists them.
std::span<const Command> commands();

Action declare_bench(CLI::App& app);
Action declare_build(CLI::App& app);
Action declare_check(CLI::App& app);
Action declare_doctor(CLI::App& app);
Action declare_launch(CLI::App& app);
Action declare_list(CLI::App& app);
Action declare_resume(CLI::App& app);
Action declare_send(CLI::App& app);
Action declare_status(CLI::App& app);
Action declare_stop(CLI::App& app);
Action declare_suspend(CLI::App& app);
Action declare_test(CLI::App& app);

}  // namespace ringk
