// Becoming a service: `launch -d` in its own session, without a terminal, with its files in the
// state folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ringkernel/error.hpp"
#include "ringkernel/exit_code.hpp"
#include "ringkernel/export.hpp"

namespace ringkernel {

// The process that goes on in the background. Until it says how its start went, the one that was
// called waits for it, and its messages go to the caller's standard error.
class RK_API Detached {
 public:
  // Forks, twice, into a session of its own; the working folder stays. REQUIRES: no other thread
  // exists. In the caller: the exit code to leave with, when the child is ready or has failed
  // (Crashed where it died without a word). In the child: none, and `child` is set.
  static Result<std::optional<ExitCode>> detach(std::optional<Detached>& child);

  Detached(Detached&& other) noexcept;
  Detached& operator=(Detached&&) = delete;
  ~Detached();  // as failed(Crashed)

  // Standard output and error go to `log` from now on; the caller returns Ok.
  Result<void> ready(const std::string& log);
  // The caller returns `code`.
  void failed(ExitCode code);

 private:
  explicit Detached(int pipe) : pipe_(pipe) {}
  int pipe_;
};

// The files of a service, in a folder of its own in the state folder.
struct ServiceFiles {
  std::string log;
  std::string output;        // what its outputs write to stdout
  std::string dead_letters;  // NAME.dead.jsonl
};

// Makes the folder and moves the files of the run before aside, to FILE.1. REQUIRES: the name is
// held.
RK_API Result<ServiceFiles> make_service_files(const std::string& name);

// $RINGK_STATE_DIR, else $XDG_STATE_HOME/ringk, else ~/.local/state/ringk, which need not exist;
// without a home a folder of the user's own in the temporary folder.
RK_API Result<std::string> state_folder();

// $RINGK_RUNTIME_DIR, else $XDG_RUNTIME_DIR/ringk, else ringk-UID in the temporary folder: control
// sockets and locks. Made with mode 0700 where it is missing. PermissionDenied where it is not a
// folder of this user's own that nobody else can enter: whoever can write there could take the name
// of a topology.
RK_API Result<std::string> runtime_folder();

}  // namespace ringkernel
