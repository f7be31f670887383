// The operations that wait for the topology: until it is ready, idle or stopped, and until one
// kernel is terminated.
#include <future>
#include <optional>
#include <utility>

#include "launcher/control_operation.hpp"

namespace ringkernel::launcher {
namespace {

using Phase = ControlTarget::Phase;

class WaitReady : public ControlOperation {
 public:
  explicit WaitReady(ControlContext& context) : context_(context) {}

  bool advance(std::string& out) override {
    switch (context_.target.phase()) {
      case Phase::Starting:
        return false;
      case Phase::Ready:
        append_control(out, ok_answer(Json::object()));
        return true;
      case Phase::Draining:
      case Phase::Stopped:
        append_control(
            out,
            error_answer(Error{ErrorCode::Closed, "'" + context_.name + "' is being stopped", {}}));
        return true;
    }
    return false;
  }
  void end(ExitCode, std::string& out) override {
    append_control(out, error_answer(stopped_error(context_)));
  }
  bool polls() const override { return true; }

 private:
  ControlContext& context_;
};

class WaitIdle : public ControlOperation {
 public:
  explicit WaitIdle(ControlContext& context) : context_(context) {}

  bool advance(std::string& out) override {
    if (context_.target.phase() == Phase::Starting || context_.bytes_held()) return false;
    const ControlTarget::Idle idle = context_.target.idle();
    if (idle.idle) {
      append_control(out, ok_answer(Json::object()));
      return true;
    }
    if (idle.never.empty()) return false;
    append_control(out, error_answer(Error{ErrorCode::Cancelled, idle.never, {}}));
    return true;
  }
  void end(ExitCode, std::string& out) override {
    append_control(out, error_answer(stopped_error(context_)));
  }
  bool polls() const override { return true; }

 private:
  ControlContext& context_;
};

class WaitStopped : public ControlOperation {
 public:
  bool advance(std::string&) override { return false; }
  void end(ExitCode code, std::string& out) override {
    append_control(out, ok_answer(Json{{"exit_code", static_cast<unsigned>(code)}}));
  }
};

class Terminate : public ControlOperation {
 public:
  Terminate(ControlContext& context, std::string kernel,
            std::optional<std::chrono::nanoseconds> limit)
      : work_(std::async(std::launch::async, [&target = context.target, waker = context.waker,
                                              kernel = std::move(kernel), limit] {
          auto result = target.terminate(kernel, limit);
          waker->wake();
          return result;
        })) {}

  // The waker rings just before the future is set, so it has to be asked again, too.
  bool polls() const override { return true; }
  bool working() const override {
    return work_.valid() && work_.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
  }
  bool advance(std::string& out) override {
    if (working()) return false;
    finish(out);
    return true;
  }
  void end(ExitCode, std::string& out) override { finish(out); }

 private:
  void finish(std::string& out) {
    const Result<void> result = work_.get();
    append_control(out, result ? ok_answer(Json::object()) : error_answer(result.error()));
  }

  std::future<Result<void>> work_;
};

}  // namespace

std::unique_ptr<ControlOperation> begin_wait(const Json& message, ControlContext& context,
                                             std::string& out) {
  if (text_of(message, "op") == "stop") {
    context.target.stop();
    return std::make_unique<WaitStopped>();
  }
  const std::string until = text_of(message, "until");
  if (until == "ready") return std::make_unique<WaitReady>(context);
  if (until == "idle") return std::make_unique<WaitIdle>(context);
  if (until == "stopped") return std::make_unique<WaitStopped>();
  append_control(
      out, error_answer(Error{ErrorCode::ProtocolError, "cannot wait until '" + until + "'", {}}));
  return nullptr;
}

std::unique_ptr<ControlOperation> begin_terminate(const Json& message, ControlContext& context) {
  std::optional<std::chrono::nanoseconds> limit;
  if (message.contains("limit_ms")) {
    limit = std::chrono::milliseconds(number_of(message, "limit_ms"));
  }
  return std::make_unique<Terminate>(context, text_of(message, "kernel"), limit);
}

}  // namespace ringkernel::launcher
