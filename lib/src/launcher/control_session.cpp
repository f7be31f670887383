#include "launcher/control_session.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ringkernel/version.hpp"

namespace ringkernel::launcher {
namespace {

// What is read and not taken, at most: one frame of any kind and the start of the next.
constexpr size_t kMostRead = kMaxControl + 2 * kFrameHeader;
// What is owed and not read by the client; its next operation waits until it has.
constexpr size_t kMostOwed = size_t{4} << 20;

}  // namespace

ControlSession::ControlSession(int socket, ControlContext& context)
    : socket_(socket), context_(context) {}

ControlSession::~ControlSession() { close(socket_); }

bool ControlSession::wants_read() const {
  return !gone_ && !closing_ && !holds_data_ && in_.size() < kMostRead && !owes_much();
}

bool ControlSession::owes_much() const { return out_.size() - sent_ >= kMostOwed; }

bool ControlSession::over() const {
  if (operation_ && operation_->working()) return false;
  if (broken_) return true;
  if (gone_) return !operation_ || !holds_data_;
  return closing_ && sent_ == out_.size();
}

void ControlSession::read_some() {
  constexpr size_t kChunk = size_t{256} << 10;
  if (!wants_read()) return;
  const size_t most = std::min(kChunk, kMostRead - in_.size());
  const ssize_t got = recv(socket_, in_.room(most).data(), most, MSG_DONTWAIT);
  const int reason = errno;
  if (got > 0) in_.filled(static_cast<size_t>(got));
  if (got == 0) gone_ = true;
  if (got < 0 && reason != EAGAIN && reason != EINTR) gone_ = broken_ = true;
}

void ControlSession::write_some() {
  while (wants_write()) {
    const ssize_t put =
        send(socket_, out_.data() + sent_, out_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) broken_ = true;
      break;
    }
    sent_ += static_cast<size_t>(put);
  }
  if (sent_ == out_.size() || sent_ > kMostOwed) {
    out_.erase(0, sent_);
    sent_ = 0;
  }
}

void ControlSession::advance() {
  for (bool more = true; more;) {
    more = false;
    while (!closing_ && take_frame()) {
    }
    if (gone_ && operation_ && !holds_data_) operation_->client_gone();
    if (operation_ && operation_->advance(out_)) {
      operation_.reset();
      more = true;  // the client's next operation may stand in in_
    } else if (holds_data_ && take_frame()) {
      more = true;
    }
  }
  write_some();
  // What was held back because the client was owed too much has nobody else to wake it.
  if (std::exchange(held_back_, false) && !owes_much()) advance();
}

void ControlSession::end(ExitCode code) {
  ended_ = code;
  advance();
  end_operation();
  // Who has connected and not asked yet did so while the topology ran, and is to hear how it ended.
  if (asked_) closing_ = true;
  write_some();
}

void ControlSession::end_operation() {
  if (!operation_) return;
  operation_->end(*ended_, out_);
  operation_.reset();
}

bool ControlSession::take_frame() {
  if (owes_much()) {
    held_back_ = true;
    return false;
  }
  auto frame = next_frame(in_.view(), kMaxControl);
  if (!frame) {
    refuse(frame.error());
    return false;
  }
  if (!*frame) return false;
  const FrameKind kind = (*frame)->kind;
  const bool streams = operation_ && (kind == FrameKind::Data || kind == FrameKind::End);
  if (operation_ && !streams) {
    refuse(
        Error{ErrorCode::ProtocolError, "a second operation before the answer to the first", {}});
    return false;
  }
  if (streams && kind == FrameKind::Data && !take_data((*frame)->payload)) return false;
  if (streams && kind == FrameKind::End) operation_->data_end();
  if (kind == FrameKind::Control) take_control((*frame)->payload);
  // Data after the answer: the client had not read yet that its operation was over.
  in_.use((*frame)->size);
  return true;
}

bool ControlSession::take_data(std::string_view payload) {
  part_ += operation_->take_data(payload.substr(part_));
  holds_data_ = part_ < payload.size();
  if (holds_data_) return false;
  part_ = 0;
  return true;
}

void ControlSession::take_control(std::string_view payload) {
  const auto message = parse_control(payload);
  if (!message) {
    refuse(message.error());
  } else if (!greeted_) {
    greet(*message);
  } else {
    begin(*message);
  }
}

void ControlSession::begin(const Json& message) {
  asked_ = true;
  if (!ended_) {
    operation_ = begin_operation(message, context_, out_);
    return;
  }
  const std::string op = text_of(message, "op");
  if (op == "wait" || op == "stop" || op == "status") {
    operation_ = begin_operation(message, context_, out_);
    end_operation();
  } else {
    append_control(out_, error_answer(stopped_error(context_)));
  }
  closing_ = true;
}

void ControlSession::greet(const Json& greeting) {
  const uint64_t theirs = number_of(greeting, "protocol");
  if (text_of(greeting, "op") != "hello") {
    refuse(Error{ErrorCode::ProtocolError, "a client that does not say hello", {}});
    return;
  }
  if (theirs != kProtocol) {
    refuse(Error{ErrorCode::ProtocolError,
                 "'" + context_.name + "' runs under ringk " + std::string(version()) +
                     " (control protocol " + std::to_string(kProtocol) + "), this is ringk " +
                     text_of(greeting, "version") + " (protocol " + std::to_string(theirs) +
                     "): use the ringk that launched it, or launch it again",
                 {}});
    return;
  }
  greeted_ = true;
  append_control(out_, ok_answer(Json{{"protocol", kProtocol},
                                      {"version", std::string(version())},
                                      {"name", context_.name},
                                      {"pid", static_cast<int64_t>(getpid())}}));
}

void ControlSession::refuse(const Error& error) {
  operation_.reset();
  holds_data_ = false;
  append_control(out_, error_answer(error));
  closing_ = true;
}

}  // namespace ringkernel::launcher
