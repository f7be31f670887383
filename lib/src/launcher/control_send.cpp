// Sending: the client's bytes go into a feed of the input.
#include <utility>

#include "launcher/control_operation.hpp"

namespace ringkernel::launcher {
namespace {

class Send : public ControlOperation {
 public:
  Send(ControlContext& context, std::unique_ptr<Feed> feed, bool until_handled)
      : context_(context), feed_(std::move(feed)), until_handled_(until_handled) {}

  size_t take_data(std::string_view bytes) override {
    // The rest goes nowhere; advance() says so.
    if (ended_ || feed_->closed()) return bytes.size();
    return feed_->offer(std::as_bytes(std::span(bytes)));
  }
  void data_end() override {
    ended_ = true;
    feed_->finish(true);
  }
  void client_gone() override {
    if (!ended_) feed_->finish(false);
    ended_ = true;
  }

  bool advance(std::string& out) override {
    if (!ended_ && feed_->closed()) {
      feed_->finish(false);
      answer(out, false);
      return true;
    }
    if (!ended_ || !(until_handled_ ? feed_->handled() : feed_->parsed())) return false;
    answer(out, true);
    return true;
  }
  void end(ExitCode, std::string& out) override { answer(out, false); }
  bool polls() const override { return ended_; }

 private:
  void answer(std::string& out, bool ok) {
    const FeedCounts counts = feed_->counts();
    Json members{{"lines", counts.lines}, {"accepted", counts.accepted}, {"bad", counts.bad}};
    for (const BadLine& bad : feed_->bad_lines()) {
      members["bad_lines"].push_back(
          Json{{"line", bad.line}, {"reason", bad.reason}, {"detail", bad.detail}});
    }
    if (!ok) {
      const Error error = stopped_error(context_);
      members["stopped"] = error.message;
    }
    append_control(out, ok_answer(std::move(members)));
  }

  ControlContext& context_;
  std::unique_ptr<Feed> feed_;
  const bool until_handled_;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<ControlOperation> begin_send(const Json& message, ControlContext& context,
                                             std::string& out) {
  auto feed = context.target.open_feed(text_of(message, "input"),
                                       [waker = context.waker] { waker->wake(); });
  if (!feed) {
    append_control(out, error_answer(feed.error()));
    return nullptr;
  }
  append_control(out, ok_answer(Json::object()));
  return std::make_unique<Send>(context, std::move(*feed), flag_of(message, "handled"));
}

}  // namespace ringkernel::launcher
