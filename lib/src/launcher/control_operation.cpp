#include "launcher/control_operation.hpp"

namespace ringkernel::launcher {
namespace {

void append_result(std::string& out, const Result<void>& result) {
  append_control(out, result ? ok_answer(Json::object()) : error_answer(result.error()));
}

}  // namespace

void append_control(std::string& out, std::string_view answer) {
  append_frame(out, FrameKind::Control, answer);
}

Error stopped_error(const ControlContext& context) {
  return Error{ErrorCode::Closed, "'" + context.name + "' has stopped", {}};
}

std::unique_ptr<ControlOperation> begin_operation(const Json& message, ControlContext& context,
                                                  std::string& out) {
  const std::string op = text_of(message, "op");
  if (op == "wait" || op == "stop") return begin_wait(message, context, out);
  if (op == "terminate") return begin_terminate(message, context);
  if (op == "send") return begin_send(message, context, out);
  if (op == "request") return begin_request(message, context, out);
  if (op == "status") {
    append_frame(out, FrameKind::Reply, context.target.status_json());
  } else if (op == "suspend") {
    append_result(out, context.target.suspend(text_of(message, "kernel")));
  } else if (op == "resume") {
    append_result(out, context.target.resume(text_of(message, "kernel")));
  } else {
    append_control(out, error_answer(Error{ErrorCode::ProtocolError,
                                           "'" + context.name + "' knows no operation '" + op + "'",
                                           {}}));
  }
  return nullptr;
}

}  // namespace ringkernel::launcher
