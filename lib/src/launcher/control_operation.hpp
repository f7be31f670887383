// One operation of one client, between the frame that asks for it and its answer.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "launcher/control_protocol.hpp"
#include "launcher/control_target.hpp"
#include "launcher/control_waker.hpp"
#include "ringkernel/exit_code.hpp"

namespace ringkernel::launcher {

// What the sessions share.
struct ControlContext {
  ControlTarget& target;
  std::string name;
  std::shared_ptr<ControlWaker> waker;
  // Whether a session holds bytes that its input has not taken; then the topology is not idle.
  std::function<bool()> bytes_held;
};

class ControlOperation {
 public:
  virtual ~ControlOperation() = default;

  // Takes what there is room for and says how much that was; the rest stays with the session, and
  // what the client sends meanwhile in its socket.
  virtual size_t take_data(std::string_view /*bytes*/) { return 0; }
  virtual void data_end() {}
  // The client went away; all that it sent has been taken.
  virtual void client_gone() {}

  // Goes on and appends frames to `out`; true once the last one, its answer, is there.
  virtual bool advance(std::string& out) = 0;
  // The topology stopped with `code` and advance() did not finish: appends the answer.
  virtual void end(ExitCode code, std::string& out) = 0;

  // Has to be asked every few milliseconds.
  virtual bool polls() const { return false; }
  // A thread is at work on it: not to be dropped, though the client is gone.
  virtual bool working() const { return false; }
};

void append_control(std::string& out, std::string_view answer);
Error stopped_error(const ControlContext& context);

// The operation that `message` asks for, begun. Null: it was answered at once, into `out`.
std::unique_ptr<ControlOperation> begin_operation(const Json& message, ControlContext& context,
                                                  std::string& out);

// Of begin_operation, each in a file of its own.
std::unique_ptr<ControlOperation> begin_wait(const Json& message, ControlContext& context,
                                             std::string& out);
std::unique_ptr<ControlOperation> begin_terminate(const Json& message, ControlContext& context);
std::unique_ptr<ControlOperation> begin_send(const Json& message, ControlContext& context,
                                             std::string& out);
std::unique_ptr<ControlOperation> begin_request(const Json& message, ControlContext& context,
                                                std::string& out);

}  // namespace ringkernel::launcher
