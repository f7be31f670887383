// Requests: each line of the client becomes a request, each reply a frame, in the order of the
// lines.
#include <algorithm>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "launcher/control_operation.hpp"
#include "launcher/record_splitter.hpp"

namespace ringkernel::launcher {
namespace {

// Requests under way at once, per client.
constexpr size_t kMostPending = 1024;
// Bytes that become lines at once.
constexpr size_t kPart = size_t{64} << 10;
// Replies that the client has not read; more of its lines wait until it does.
constexpr size_t kMostUnread = size_t{1} << 20;

std::string_view outcome_name(Reply::Outcome outcome) {
  switch (outcome) {
    case Reply::Outcome::Replied:
      return "replied";
    case Reply::Outcome::BadLine:
      return "bad_line";
    case Reply::Outcome::Failed:
      return "failed";
    case Reply::Outcome::NoReply:
      return "no_reply";
    case Reply::Outcome::TimedOut:
      return "timed_out";
  }
  return "failed";
}

class Requests : public ControlOperation {
 public:
  Requests(ControlContext& context, std::string input, std::chrono::nanoseconds limit)
      : context_(context), input_(std::move(input)), limit_(limit) {}

  size_t take_data(std::string_view bytes) override {
    size_t taken = 0;
    for (send_lines(); taken < bytes.size() && !error_ && has_room(); send_lines()) {
      const size_t part = std::min(bytes.size() - taken, kPart);
      std::memcpy(lines_in_.buffer().room(part).data(), bytes.data() + taken, part);
      lines_in_.buffer().filled(part);
      taken += part;
    }
    return error_ ? bytes.size() : taken;
  }
  void data_end() override { complete_ = ended_ = true; }
  void client_gone() override { ended_ = true; }

  bool advance(std::string& out) override {
    collect();
    unread_ = out.size();
    while (!pending_.empty() && pending_.front().reply) {
      write(out, pending_.front().line, *pending_.front().reply);
      pending_.pop_front();
    }
    send_lines();
    if (error_) {
      answer(out, &*error_);
      return true;
    }
    if (!last_sent_ || !pending_.empty()) return false;
    answer(out, nullptr);
    return true;
  }

  void end(ExitCode, std::string& out) override {
    for (PendingReply& waiting : pending_) {
      if (!waiting.reply) {
        waiting.reply = Reply{Reply::Outcome::Failed, {}, "stopped", "the topology has stopped"};
      }
      write(out, waiting.line, *waiting.reply);
    }
    pending_.clear();
    const Error error = stopped_error(context_);
    answer(out, last_sent_ ? nullptr : &error);
  }

 private:
  // Replies come from any thread, also after this operation is gone.
  struct Mailbox {
    std::mutex mutex;
    std::vector<std::pair<uint64_t, Reply>> arrived;
  };
  struct PendingReply {
    uint64_t line = 0;
    std::optional<Reply> reply;
  };

  bool has_room() const { return pending_.size() < kMostPending && unread_ < kMostUnread; }

  // As far as there is room for replies.
  void send_lines() {
    Record record;
    while (!error_ && has_room() && lines_in_.next(record)) send_request(record);
    if (!ended_ || last_sent_ || error_ || !has_room()) return;
    last_sent_ = true;
    if (lines_in_.last(complete_, record)) send_request(record);
  }

  void send_request(const Record& record) {
    ++lines_;
    pending_.push_back({record.number, std::nullopt});
    const RequestLine line{record.bytes, record.number, record.kind};
    auto sent = context_.target.request(
        input_, line, limit_,
        [mailbox = mailbox_, waker = context_.waker, number = record.number](Reply reply) {
          {
            const std::lock_guard lock(mailbox->mutex);
            mailbox->arrived.emplace_back(number, std::move(reply));
          }
          waker->wake();
        });
    if (!sent) {
      --lines_;
      pending_.pop_back();
      error_ = sent.error();
    }
  }

  void collect() {
    std::vector<std::pair<uint64_t, Reply>> arrived;
    {
      const std::lock_guard lock(mailbox_->mutex);
      arrived.swap(mailbox_->arrived);
    }
    for (auto& [line, reply] : arrived) {
      const auto waiting = std::lower_bound(
          pending_.begin(), pending_.end(), line,
          [](const PendingReply& one, uint64_t number) { return one.line < number; });
      if (waiting != pending_.end() && waiting->line == line) waiting->reply = std::move(reply);
    }
  }

  void write(std::string& out, uint64_t line, const Reply& reply) {
    if (reply.outcome == Reply::Outcome::Replied) {
      ++replied_;
      append_frame(out, FrameKind::Reply, reply.json);
      return;
    }
    ++(reply.outcome == Reply::Outcome::BadLine  ? bad_
       : reply.outcome == Reply::Outcome::Failed ? failed_
                                                 : unanswered_);
    const Json members{{"line", line},
                       {"outcome", std::string(outcome_name(reply.outcome))},
                       {"reason", reply.reason},
                       {"detail", reply.detail}};
    append_frame(out, FrameKind::NoReply,
                 members.dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  void answer(std::string& out, const Error* error) {
    Json members{{"lines", lines_},     {"accepted", lines_ - bad_}, {"bad", bad_},
                 {"replied", replied_}, {"failed", failed_},         {"unanswered", unanswered_}};
    if (error && error->code != ErrorCode::Closed) {
      append_control(out, error_answer(*error));
      return;
    }
    if (error) members["stopped"] = error->message;
    append_control(out, ok_answer(std::move(members)));
  }

  ControlContext& context_;
  const std::string input_;
  const std::chrono::nanoseconds limit_;
  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  std::deque<PendingReply> pending_;  // in order of lines
  LineSplitter lines_in_{0};
  bool complete_ = false;   // the end of the bytes is the end of the last line, too
  bool ended_ = false;      // no more bytes come
  bool last_sent_ = false;  // and the last line is a request
  std::optional<Error> error_;
  size_t unread_ = 0;
  uint64_t lines_ = 0, replied_ = 0, bad_ = 0, failed_ = 0, unanswered_ = 0;
};

}  // namespace

std::unique_ptr<ControlOperation> begin_request(const Json& message, ControlContext& context,
                                                std::string& out) {
  constexpr uint64_t kDefaultLimitMs = 30'000;
  append_control(out, ok_answer(Json::object()));
  return std::make_unique<Requests>(
      context, text_of(message, "input"),
      std::chrono::milliseconds(number_of(message, "timeout_ms", kDefaultLimitMs)));
}

}  // namespace ringkernel::launcher
