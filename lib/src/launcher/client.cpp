#include "ringkernel/client.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "launcher/client_stream.hpp"
#include "launcher/service_name.hpp"
#include "ringkernel/service.hpp"
#include "ringkernel/version.hpp"

namespace ringkernel {

using launcher::ClientStream;
using launcher::FrameKind;
using launcher::Json;
using launcher::number_of;

namespace {

// A process that is stopped or hangs must not hang everybody who asks it.
constexpr std::chrono::nanoseconds kShortestGreeting = std::chrono::milliseconds(250);
constexpr std::chrono::nanoseconds kLongestGreeting = std::chrono::seconds(10);

Result<Json> control_of(const ClientStream::OwnedFrame& frame) {
  if (frame.kind != FrameKind::Control) {
    return fail(ErrorCode::ProtocolError, "an answer of another kind than expected");
  }
  auto answer = launcher::parse_control(frame.payload);
  if (!answer) return answer;
  if (!launcher::flag_of(*answer, "ok")) return tl::unexpected(launcher::answer_error(*answer));
  return answer;
}

uint64_t milliseconds(std::chrono::nanoseconds time) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(time).count();
  return static_cast<uint64_t>(std::max<int64_t>(ms, 0));
}

SendReport report_of(const Json& answer) {
  SendReport report;
  report.lines = number_of(answer, "lines");
  report.accepted = number_of(answer, "accepted");
  report.bad = number_of(answer, "bad");
  report.replied = number_of(answer, "replied");
  report.failed = number_of(answer, "failed");
  report.unanswered = number_of(answer, "unanswered");
  for (const Json& line : launcher::list_of(answer, "bad_lines")) {
    report.bad_lines.push_back({number_of(line, "line"), launcher::text_of(line, "reason"),
                                launcher::text_of(line, "detail")});
  }
  report.stopped = launcher::text_of(answer, "stopped");
  return report;
}

}  // namespace

Result<std::vector<std::string>> running_topologies() {
  auto folder = runtime_folder();
  if (!folder) return tl::unexpected(folder.error());
  return launcher::running_names(*folder);
}

struct Client::Impl {
  explicit Impl(int socket) : stream(socket) {}

  Result<Json> ask(const Json& message, TimeLimit limit) {
    stream.queue(FrameKind::Control, message.dump(-1, ' ', false, Json::error_handler_t::replace));
    auto frame = stream.exchange(limit);
    if (!frame) return tl::unexpected(frame.error());
    return control_of(*frame);
  }

  Result<void> ask_plain(const Json& message, TimeLimit limit = {}) {
    auto answer = ask(message, limit);
    if (!answer) return tl::unexpected(answer.error());
    return {};
  }

  Result<int> ask_exit_code(const Json& message, TimeLimit limit) {
    auto answer = ask(message, limit);
    if (!answer) return tl::unexpected(answer.error());
    return static_cast<int>(number_of(*answer, "exit_code"));
  }

  Result<void> greet(const std::string& wanted, TimeLimit limit);
  Result<void> pump_source(int source, bool& ended);
  Result<SendReport> run_send(const SendRequest& request);
  // The last frame of a send; none while there is none. Cancelled: on_reply wants no more.
  Result<std::optional<SendReport>> take_answers(const SendRequest& request);

  ClientStream stream;
  std::string name;
  int64_t pid = 0;
};

Result<void> Client::Impl::greet(const std::string& wanted, TimeLimit limit) {
  auto answer = ask(
      Json{{"op", "hello"}, {"protocol", launcher::kProtocol}, {"version", std::string(version())}},
      std::clamp(limit.value_or(kLongestGreeting), kShortestGreeting, kLongestGreeting));
  if (!answer) {
    Error error = answer.error();
    if (error.code == ErrorCode::Timeout) {
      error.message = "'" + wanted + "' is there but does not answer";
    }
    return tl::unexpected(std::move(error));
  }
  name = launcher::text_of(*answer, "name");
  pid = static_cast<int64_t>(number_of(*answer, "pid"));
  return {};
}

Result<void> Client::Impl::pump_source(int source, bool& ended) {
  std::string bytes(launcher::kMaxData, '\0');
  const ssize_t got = read(source, bytes.data(), bytes.size());
  if (got < 0) {
    if (errno == EINTR || errno == EAGAIN) return {};
    return fail(ErrorCode::IoError, std::string("cannot read what to send: ") + strerror(errno));
  }
  if (got == 0) {
    ended = true;
    stream.queue(FrameKind::End, {});
  } else {
    stream.queue(FrameKind::Data, std::string_view(bytes).substr(0, static_cast<size_t>(got)));
  }
  return {};
}

Result<std::optional<SendReport>> Client::Impl::take_answers(const SendRequest& request) {
  for (;;) {
    auto frame = stream.take();
    if (!frame) return tl::unexpected(frame.error());
    if (!*frame) return std::nullopt;
    const ClientStream::OwnedFrame& answer = **frame;
    if (answer.kind == FrameKind::Reply) {
      if (!request.on_reply(answer.payload)) return fail(ErrorCode::Cancelled, "not read any more");
    } else if (answer.kind == FrameKind::NoReply) {
      const auto parsed = launcher::parse_control(answer.payload);
      if (!parsed) return tl::unexpected(parsed.error());
      const std::string detail = launcher::text_of(*parsed, "detail");
      if (request.on_unanswered) {
        request.on_unanswered("line " + std::to_string(number_of(*parsed, "line")) + ": " +
                              launcher::text_of(*parsed, "reason") +
                              (detail.empty() ? "" : ": " + detail));
      }
    } else {
      auto last = control_of(answer);
      if (!last) return tl::unexpected(last.error());
      return report_of(*last);
    }
  }
}

Result<SendReport> Client::Impl::run_send(const SendRequest& request) {
  // One frame in the socket and one behind it; more would only be memory.
  constexpr size_t kMostQueued = launcher::kMaxData;
  bool ended = request.source < 0;
  size_t from_text = 0;
  for (;;) {
    auto report = take_answers(request);
    if (!report) return tl::unexpected(report.error());
    if (*report) return **report;
    if (request.source < 0 && from_text <= request.messages.size() && stream.queued() == 0) {
      const std::string_view part =
          std::string_view(request.messages).substr(from_text, launcher::kMaxData);
      stream.queue(part.empty() ? FrameKind::End : FrameKind::Data, part);
      from_text += std::max<size_t>(part.size(), 1);
      if (part.empty()) from_text = std::string::npos;
    }
    const bool room = !ended && stream.queued() < kMostQueued;
    // While the source has nothing to say, the topology owes us nothing.
    const bool owed = !room || stream.queued() > 0;
    auto readable = stream.move(room ? request.source : -1, owed ? request.limit : TimeLimit{});
    if (!readable) return tl::unexpected(readable.error());
    if (*readable) {
      if (auto pumped = pump_source(request.source, ended); !pumped) {
        return tl::unexpected(pumped.error());
      }
    }
  }
}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;
Client::Client(Client&& other) noexcept = default;
Client& Client::operator=(Client&& other) noexcept = default;

Result<Client> Client::connect(const std::string& name, TimeLimit limit) {
  auto folder = runtime_folder();
  if (!folder) return tl::unexpected(folder.error());
  // One that ended before it said hello is gone, and perhaps another has its name by now.
  constexpr int kTries = 10;
  for (int tries = 1;; ++tries) {
    auto socket = launcher::connect_to(*folder, name);
    if (!socket) return tl::unexpected(socket.error());
    auto impl = std::make_unique<Impl>(*socket);
    if (auto peer = launcher::check_peer(*socket); !peer) return tl::unexpected(peer.error());
    auto greeted = impl->greet(name, limit);
    if (greeted) return Client(std::move(impl));
    if (greeted.error().code != ErrorCode::Closed || tries == kTries)
      return tl::unexpected(greeted.error());
  }
}

const std::string& Client::name() const { return impl_->name; }
int64_t Client::pid() const { return impl_->pid; }

Result<std::string> Client::status(TimeLimit limit) {
  impl_->stream.queue(FrameKind::Control, R"({"op":"status"})");
  auto frame = impl_->stream.exchange(limit);
  if (!frame) return tl::unexpected(frame.error());
  if (frame->kind == FrameKind::Reply) return std::move(frame->payload);
  auto answer = control_of(*frame);
  if (!answer) return tl::unexpected(answer.error());
  return fail(ErrorCode::ProtocolError, "an answer without a status");
}

Result<void> Client::wait_ready(TimeLimit limit) {
  return impl_->ask_plain(Json{{"op", "wait"}, {"until", "ready"}}, limit);
}

Result<void> Client::wait_idle(TimeLimit limit) {
  return impl_->ask_plain(Json{{"op", "wait"}, {"until", "idle"}}, limit);
}

Result<int> Client::wait_stopped(TimeLimit limit) {
  return impl_->ask_exit_code(Json{{"op", "wait"}, {"until", "stopped"}}, limit);
}

Result<void> Client::suspend(const std::string& kernel) {
  return impl_->ask_plain(Json{{"op", "suspend"}, {"kernel", kernel}});
}

Result<void> Client::resume(const std::string& kernel) {
  return impl_->ask_plain(Json{{"op", "resume"}, {"kernel", kernel}});
}

Result<int> Client::stop(TimeLimit limit) {
  for (;;) {
    auto code = impl_->ask_exit_code(Json{{"op", "stop"}}, limit);
    if (code || code.error().code != ErrorCode::Closed) return code;
    auto next_run = connect(name(), limit);
    if (!next_run) return code;
    *this = std::move(*next_run);
  }
}

Result<void> Client::terminate(const std::string& kernel, TimeLimit limit) {
  Json message{{"op", "terminate"}, {"kernel", kernel}};
  if (limit) message["limit_ms"] = milliseconds(*limit);
  return impl_->ask_plain(message);
}

Result<SendReport> Client::send(const SendRequest& request) {
  Json message{{"op", request.on_reply ? "request" : "send"},
               {"input", request.input},
               {"handled", request.until_handled}};
  if (request.on_reply && request.limit) message["timeout_ms"] = milliseconds(*request.limit);
  SendRequest patient = request;
  // Each request has its own limit over there; the answer that it passed takes a moment to come.
  if (request.on_reply && request.limit) *patient.limit += std::chrono::seconds(5);
  if (auto ready = wait_ready(request.limit); !ready) {
    Error error = ready.error();
    if (error.code == ErrorCode::Timeout) error.message = "'" + name() + "' is still starting";
    return tl::unexpected(std::move(error));
  }
  if (auto begun = impl_->ask_plain(message, patient.limit); !begun) {
    return tl::unexpected(begun.error());
  }
  return impl_->run_send(patient);
}

}  // namespace ringkernel
