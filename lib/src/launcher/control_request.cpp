// Requests: each line of the client becomes a request, each reply a frame, in the order of the
// lines.
#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "launcher/control_operation.hpp"

namespace ringkernel::launcher {
namespace {

// Requests under way at once, per client.
constexpr size_t kMostPending = 1024;
constexpr size_t kLongestLine = size_t{16} << 20;
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
    while (taken < bytes.size() && (error_ || has_room())) {
      const std::string_view rest = bytes.substr(taken);
      const size_t end = rest.find('\n');
      add_to_line(rest.substr(0, end));
      taken += end == std::string_view::npos ? rest.size() : end + 1;
      if (end != std::string_view::npos) line_done();
    }
    return taken;
  }
  void data_end() override {
    if (!line_.empty() || too_long_) line_done();
    ended_ = true;
  }
  void client_gone() override { ended_ = true; }

  bool advance(std::string& out) override {
    collect();
    unread_ = out.size();
    while (!pending_.empty() && pending_.front().reply) {
      write(out, pending_.front().line, *pending_.front().reply);
      pending_.pop_front();
    }
    if (error_) {
      answer(out, &*error_);
      return true;
    }
    if (!ended_ || !pending_.empty()) return false;
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
    answer(out, ended_ ? nullptr : &error);
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

  void add_to_line(std::string_view bytes) {
    if (too_long_) return;
    if (line_.size() + bytes.size() > kLongestLine) {
      too_long_ = true;
      line_.clear();
      return;
    }
    line_.append(bytes);
  }

  void line_done() {
    ++position_;
    if (too_long_) {
      ++lines_;
      pending_.push_back(
          {position_, Reply{Reply::Outcome::BadLine, {}, "line_too_long", "longer than 16 MiB"}});
    } else if (!error_ && line_.find_first_not_of(" \t\r") != std::string::npos) {
      send_request();
    }
    line_.clear();
    too_long_ = false;
  }

  void send_request() {
    ++lines_;
    pending_.push_back({position_, std::nullopt});
    auto sent = context_.target.request(
        input_, line_, limit_,
        [mailbox = mailbox_, waker = context_.waker, line = position_](Reply reply) {
          {
            const std::lock_guard lock(mailbox->mutex);
            mailbox->arrived.emplace_back(line, std::move(reply));
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
  std::string line_;                  // begun, without its end
  bool too_long_ = false;
  bool ended_ = false;
  std::optional<Error> error_;
  size_t unread_ = 0;
  uint64_t position_ = 0;  // of the line in hand, from 1; empty lines count here alone
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
