// The control socket of a running topology: one thread, one epoll. A client that is slow, silent or
// gone holds up neither the topology nor another client: what it is owed waits in its session, and
// nothing is read from it that its input has no room for.
//
//   auto folder = runtime_folder();
//   auto name = ServiceName::take(*folder, topology.name);     // AlreadyRunning: exit 73
//   auto server = ControlServer::start(std::move(*name), running);
//   ... the topology runs and drains ...
//   (*server)->finish(exit_code);                              // answers who waits for the end
#pragma once

#include <memory>
#include <string>

#include "launcher/control_target.hpp"
#include "launcher/service_name.hpp"
#include "ringkernel/error.hpp"
#include "ringkernel/exit_code.hpp"

namespace ringkernel::launcher {

class ControlServer {
 public:
  // `target` outlives the server.
  static Result<std::unique_ptr<ControlServer>> start(ServiceName name, ControlTarget& target);

  ~ControlServer();  // finish(Crashed) where it was not called
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Tells every client that waits for the end how it ended, closes the socket, and frees the name.
  // REQUIRES: the topology has stopped (its phase says so).
  void finish(ExitCode code);

 private:
  struct Impl;
  explicit ControlServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringkernel::launcher
