// Talks to a topology that runs in another process of this machine and user, over its control
// socket. A Client is used by one thread at a time; every call blocks until its answer or its
// limit.
//
// Errors that all of them share: NotFound (no topology of that name runs), Closed (it stopped, or
// its process died, before the answer), Timeout, ProtocolError (another version of ringk),
// PermissionDenied (the runtime folder or the process is somebody else's).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringkernel/error.hpp"
#include "ringkernel/export.hpp"

namespace ringkernel {

using TimeLimit = std::optional<std::chrono::nanoseconds>;  // none: as long as it takes

// The names of the topologies that run now, sorted.
RK_API Result<std::vector<std::string>> running_topologies();

// What to send, and what to wait for.
struct SendRequest {
  std::string input;           // empty: the topology's only one
  int source = -1;             // a file descriptor, read to its end; or:
  std::string messages;        // the lines themselves
  bool until_handled = false;  // return when all of them and all their descendants are finished
  // Gives up when the topology takes and answers nothing for this long. For requests, it is also
  // the time that each one has (default: 30 s).
  TimeLimit limit;
  // Called for each request line whose reply, one JSON object, is here; in the order of the lines.
  // False ends the sending (the reader of the replies is gone).
  std::function<bool(std::string_view reply)> on_reply;  // set: each line is a request
  // For each line that got none: "line 3: timed_out: ...".
  std::function<void(std::string_view what)> on_unanswered;
};

struct BadLineReport {
  uint64_t line = 0;   // of what was sent, from 1
  std::string reason;  // stable, as in a dead letter
  std::string detail;
};

struct SendReport {
  uint64_t lines = 0;  // = accepted + bad
  uint64_t accepted = 0;
  uint64_t bad = 0;
  std::vector<BadLineReport> bad_lines;  // the first few of them
  uint64_t replied = 0;                  // of requests; = accepted with failed and unanswered
  uint64_t failed = 0;
  uint64_t unanswered = 0;  // timed out, or the handler did not reply
  std::string stopped;      // not empty: the topology stopped before it had taken everything
};

class RK_API Client {
 public:
  // Timeout: the process does not answer, because it is stopped or hangs. `limit` counts from 250
  // ms, in which one that is well answers even where the machine is busy, to 10 s.
  static Result<Client> connect(const std::string& name, TimeLimit limit = {});
  ~Client();
  Client(Client&& other) noexcept;
  Client& operator=(Client&& other) noexcept;

  const std::string& name() const;
  int64_t pid() const;

  // The document of schema "ringk.status/1".
  Result<std::string> status(TimeLimit limit = {});

  Result<void> wait_ready(TimeLimit limit = {});
  // Cancelled: it cannot become idle by itself, and why.
  Result<void> wait_idle(TimeLimit limit = {});
  // The exit code of the run.
  Result<int> wait_stopped(TimeLimit limit = {});

  // `kernel` empty: all of them. KernelNotFound, InvalidStateTransition.
  Result<void> suspend(const std::string& kernel);
  Result<void> resume(const std::string& kernel);
  // Drains and stops the topology, also one that crashes meanwhile and is started again; the exit
  // code of its last run.
  Result<int> stop(TimeLimit limit = {});
  // Terminates one kernel: what it had accepted is handled first. With a limit, what is left then
  // becomes dead letters and the answer is Timeout.
  Result<void> terminate(const std::string& kernel, TimeLimit limit = {});

  // Waits until the topology is ready, first. IoError: the source cannot be read.
  Result<SendReport> send(const SendRequest& request);

 private:
  struct Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringkernel
