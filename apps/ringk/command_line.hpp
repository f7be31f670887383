// From argv to a command, its help, or one line about what is wrong with it.
#pragma once

namespace ringk {

// The exit code.
int run_command_line(int argc, char** argv);

}  // namespace ringk
