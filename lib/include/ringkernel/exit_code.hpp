// The exit codes of ringk: what a shell, a CI script or a service manager learns from a run.
#pragma once

#include <cstdint>

namespace ringkernel {

enum class ExitCode : uint8_t {
  Ok = 0,              // done, and every accepted message was handled
  Failed = 1,          // it ran and the data said no
  Usage = 2,           // wrong usage
  BadInput = 65,       // bad input where the topology says `on_bad_input: stop`
  NoInput = 66,        // file not found or unreadable
  Unavailable = 69,    // no such running topology, no device, no compiler
  Crashed = 70,        // a kernel crashed; a device error
  NameTaken = 73,      // that name is already running
  OutputError = 74,    // output or journal write error
  TemporaryFail = 75,  // timed out or unanswered: worth a retry
  Invalid = 78,        // the topology or a handler in it is invalid
  Interrupted = 130,   // SIGINT, also after a full drain
  OutputClosed = 141,  // stdout closed by its reader
  Terminated = 143,    // forced end
};

// Of two that apply to one run, the one it exits with: the first of 70, 74, 65, 141, 143, 130, 1.
// The other codes end a command before there is a run, so the first one met stands.
constexpr ExitCode first_of(ExitCode a, ExitCode b) {
  constexpr ExitCode kOrder[] = {
      ExitCode::Crashed,    ExitCode::OutputError, ExitCode::BadInput, ExitCode::OutputClosed,
      ExitCode::Terminated, ExitCode::Interrupted, ExitCode::Failed};
  if (a == ExitCode::Ok) return b;
  for (const ExitCode code : kOrder) {
    if (a == code || b == code) return code;
  }
  return a;
}

}  // namespace ringkernel
