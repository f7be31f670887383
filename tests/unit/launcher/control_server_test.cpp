#include "launcher/control_server.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "launcher/control_protocol.hpp"
#include "ringkernel/client.hpp"
#include "unit/launcher/scratch_folder.hpp"

using namespace ringkernel;
using namespace ringkernel::launcher;
using namespace std::chrono_literals;

namespace {

// A topology whose input writes lines down. A line that starts with '!' is bad.
class FakeTopology : public ControlTarget {
 public:
  struct Input {
    std::mutex mutex;
    std::vector<std::string> lines;
    bool closed = false;
    bool blocked = false;
    bool handled = true;
    uint64_t truncated = 0;
    std::function<void()> on_change;
  };

  class FakeFeed : public Feed {
   public:
    FakeFeed(Input& input, std::function<void()> on_change)
        : input_(input), on_change_(std::move(on_change)) {
      const std::lock_guard lock(input_.mutex);
      input_.on_change = on_change_;
    }
    ~FakeFeed() override {
      if (!finished_) finish(false);
      const std::lock_guard lock(input_.mutex);
      input_.on_change = nullptr;
    }
    size_t offer(std::span<const std::byte> bytes) override {
      const std::lock_guard lock(input_.mutex);
      if (input_.blocked || input_.closed) return 0;
      // Odd pieces, so that frames are taken in parts.
      const size_t size = std::min<size_t>(bytes.size(), 1000);
      for (const std::byte byte : bytes.first(size)) {
        if (static_cast<char>(byte) == '\n') {
          done();
        } else {
          line_ += static_cast<char>(byte);
        }
      }
      if (on_change_) on_change_();
      return size;
    }
    void finish(bool complete) override {
      const std::lock_guard lock(input_.mutex);
      finished_ = true;
      if (line_.empty()) return;
      if (complete) {
        done();
      } else {
        ++input_.truncated;
      }
    }
    bool closed() const override {
      const std::lock_guard lock(input_.mutex);
      return input_.closed;
    }
    bool parsed() const override { return true; }
    bool handled() override {
      const std::lock_guard lock(input_.mutex);
      return input_.handled;
    }
    FeedCounts counts() const override { return counts_; }
    std::vector<BadLine> bad_lines() const override { return bad_lines_; }

   private:
    void done() {
      ++counts_.lines;
      if (line_[0] == '!') {
        ++counts_.bad;
        bad_lines_.push_back({counts_.lines, "not_json", "it starts with '!'"});
      } else {
        ++counts_.accepted;
      }
      input_.lines.push_back(line_);
      line_.clear();
    }
    Input& input_;
    std::function<void()> on_change_;
    std::string line_;
    FeedCounts counts_;
    std::vector<BadLine> bad_lines_;
    bool finished_ = false;
  };

  Phase phase() const override { return phase_; }
  std::string status_json() const override {
    ++asked;
    return document;
  }
  Result<std::unique_ptr<Feed>> open_feed(const std::string& name,
                                          std::function<void()> on_change) override {
    if (name != "orders") return fail(ErrorCode::NotFound, "no input '" + name + "'");
    return std::unique_ptr<Feed>(new FakeFeed(input, std::move(on_change)));
  }
  Result<void> request(const std::string&, const RequestLine& request, std::chrono::nanoseconds,
                       std::function<void(Reply)> done) override {
    const std::string_view line = request.text;
    if (line == "refuse") return fail(ErrorCode::InvalidConfig, "nobody replies");
    Reply reply{Reply::Outcome::Replied, "{\"to\":\"" + std::string(line) + "\"}", {}, {}};
    if (line == "silent") reply = {Reply::Outcome::TimedOut, {}, "timed_out", {}};
    if (line == "late") {
      // Answered after its successors.
      later_ = [done, reply] { done(reply); };
    } else {
      done(reply);
      if (later_ && line == "last") std::exchange(later_, nullptr)();
    }
    return {};
  }
  Idle idle() override {
    const std::lock_guard lock(never_mutex);
    return Idle{idle_.load(), never};
  }
  void set_never(const std::string& why) {
    const std::lock_guard lock(never_mutex);
    never = why;
  }
  Result<void> suspend(const std::string& kernel) override {
    if (kernel != "score") return fail(ErrorCode::KernelNotFound, "no kernel '" + kernel + "'");
    suspended = true;
    return {};
  }
  Result<void> resume(const std::string&) override {
    suspended = false;
    return {};
  }
  Result<void> terminate(const std::string& kernel,
                         std::optional<std::chrono::nanoseconds> limit) override {
    std::unique_lock lock(terminated_mutex);
    if (!terminated_changed.wait_for(lock, limit.value_or(1h), [&] { return may_terminate; })) {
      return fail(ErrorCode::Timeout, kernel + " is busy");
    }
    return {};
  }
  void stop() override { stopping = true; }

  std::atomic<Phase> phase_{Phase::Ready};
  std::string document = R"({"schema": "ringk.status/1", "n": 18446744073709551615})";
  mutable std::atomic<int> asked{0};
  Input input;
  std::atomic<bool> idle_{true};
  std::mutex never_mutex;
  std::string never;
  std::atomic<bool> suspended{false};
  std::atomic<bool> stopping{false};
  std::mutex terminated_mutex;
  std::condition_variable terminated_changed;
  bool may_terminate = true;

 private:
  std::function<void()> later_;
};

struct Fixture {
  ScratchFolder folder;
  ScopedVariable variable{"RINGK_RUNTIME_DIR", folder.path().c_str()};
  FakeTopology topology;
  std::unique_ptr<ControlServer> server =
      ControlServer::start(ServiceName::take(folder.path(), "fraud").value(), topology).value();

  Client client() { return Client::connect("fraud").value(); }

  // A connection without the client library's manners.
  int raw() { return connect_to(folder.path(), "fraud").value(); }
};

SendRequest lines(std::string text) {
  SendRequest request;
  request.input = "orders";
  request.messages = std::move(text);
  request.limit = 60s;
  return request;
}

void put(int socket, std::string_view bytes) {
  REQUIRE(send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(bytes.size()));
}

// Everything the server says until it closes.
std::string rest(int socket) {
  std::string all;
  char buffer[4096];
  for (ssize_t got; (got = recv(socket, buffer, sizeof(buffer), 0)) > 0;) {
    all.append(buffer, static_cast<size_t>(got));
  }
  return all;
}

std::string hello() {
  std::string out;
  append_frame(out, FrameKind::Control, R"({"op":"hello","protocol":1,"version":"0"})");
  return out;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a client reads the status as the topology wrote it") {
  Client one = client();
  CHECK(one.name() == "fraud");
  CHECK(one.pid() == getpid());
  CHECK(one.status(10s).value() == topology.document);
  CHECK(one.status(10s).value() == topology.document);
}

TEST_CASE_FIXTURE(Fixture, "sent lines arrive once, in order, and are counted per client") {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += "line " + std::to_string(i) + "\n";
  text += "!bad\nlast without its end";
  const auto report = client().send(lines(text));
  REQUIRE(report);
  CHECK(report->lines == 50'002);
  CHECK(report->accepted == 50'001);
  CHECK(report->bad == 1);
  REQUIRE(report->bad_lines.size() == 1);
  CHECK(report->bad_lines[0].line == 50'001);
  CHECK(report->bad_lines[0].detail == "it starts with '!'");
  REQUIRE(topology.input.lines.size() == 50'002);
  for (size_t i = 0; i < 50'000; ++i) {
    REQUIRE(topology.input.lines[i] == "line " + std::to_string(i));
  }
  CHECK(topology.input.lines.back() == "last without its end");
}

TEST_CASE_FIXTURE(Fixture, "a file descriptor is sent to its end") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::thread writer([&] {
    for (int i = 0; i < 20'000; ++i) {
      const std::string line = std::to_string(i) + "\n";
      [[maybe_unused]] const ssize_t written = write(ends[1], line.data(), line.size());
    }
    close(ends[1]);
  });
  SendRequest request = lines("");
  request.source = ends[0];
  const auto report = client().send(request);
  writer.join();
  close(ends[0]);
  REQUIRE(report);
  CHECK(report->accepted == 20'000);
}

TEST_CASE_FIXTURE(Fixture, "a full input holds up its sender and nobody else") {
  topology.input.blocked = true;
  std::thread sender([&] {
    const auto report = client().send(lines(std::string(4 << 20, 'x') + "\n"));
    CHECK(report);
  });
  for (int i = 0; i < 20; ++i) CHECK(client().status(10s));
  {
    const std::lock_guard lock(topology.input.mutex);
    topology.input.blocked = false;
  }
  // The input may not have been opened yet; ring until it was.
  for (;;) {
    const std::lock_guard lock(topology.input.mutex);
    if (topology.input.on_change) topology.input.on_change();
    if (!topology.input.lines.empty() || topology.input.on_change) break;
  }
  sender.join();
  REQUIRE(topology.input.lines.size() == 1);
  CHECK(topology.input.lines[0].size() == 4 << 20);
}

TEST_CASE_FIXTURE(Fixture, "a sender gives up when nothing is taken in time") {
  topology.input.blocked = true;
  SendRequest request = lines(std::string(8 << 20, 'x'));
  request.limit = 50ms;
  const auto report = client().send(request);
  REQUIRE_FALSE(report);
  CHECK(report.error().code == ErrorCode::Timeout);
}

TEST_CASE_FIXTURE(Fixture, "a client that goes away in a line loses that line alone") {
  {
    const int socket = raw();
    std::string bytes = hello();
    append_frame(bytes, FrameKind::Control, R"({"op":"send","input":"orders"})");
    append_frame(bytes, FrameKind::Data, "one\ntwo\nthr");
    put(socket, bytes);
    close(socket);
  }
  for (;;) {
    const std::lock_guard lock(topology.input.mutex);
    if (topology.input.truncated > 0) break;
  }
  CHECK(topology.input.lines == std::vector<std::string>{"one", "two"});
  CHECK(client().status(10s));
}

TEST_CASE_FIXTURE(Fixture, "errors of the topology reach the client with their code") {
  SendRequest request = lines("x");
  request.input = "nothing";
  CHECK(client().send(request).error().code == ErrorCode::NotFound);
  CHECK(client().suspend("nothing").error().code == ErrorCode::KernelNotFound);
  CHECK(client().suspend("score"));
  CHECK(topology.suspended);
  CHECK(client().resume("score"));
  CHECK_FALSE(topology.suspended);
}

TEST_CASE_FIXTURE(Fixture, "waiting ends when what is waited for is there") {
  topology.phase_ = ControlTarget::Phase::Starting;
  std::atomic<bool> ready{false};
  std::thread waiter([&] {
    CHECK(client().wait_ready(60s));
    ready = true;
  });
  CHECK(client().wait_ready(30ms).error().code == ErrorCode::Timeout);
  CHECK_FALSE(ready);
  topology.phase_ = ControlTarget::Phase::Ready;
  waiter.join();

  topology.idle_ = false;
  CHECK(client().wait_idle(30ms).error().code == ErrorCode::Timeout);
  const std::string why = "score is suspended and 3 messages wait for it";
  topology.set_never(why);
  const auto never = client().wait_idle(60s);
  REQUIRE_FALSE(never);
  CHECK(never.error().code == ErrorCode::Cancelled);
  CHECK(never.error().message == why);
  topology.set_never("");
  topology.idle_ = true;
  CHECK(client().wait_idle(60s));
}

TEST_CASE_FIXTURE(Fixture, "a kernel that takes long to terminate holds up nobody") {
  topology.may_terminate = false;
  std::atomic<bool> terminated{false};
  std::thread stopper([&] {
    CHECK(client().terminate("score"));
    terminated = true;
  });
  CHECK(client().terminate("other", 20ms).error().code == ErrorCode::Timeout);
  CHECK(client().status(10s));
  CHECK_FALSE(terminated);
  {
    const std::lock_guard lock(topology.terminated_mutex);
    topology.may_terminate = true;
  }
  topology.terminated_changed.notify_all();
  stopper.join();
}

TEST_CASE_FIXTURE(Fixture, "who stops a topology hears of its exit code when the name is free") {
  std::thread ending([&] {
    while (!topology.stopping) std::this_thread::yield();
    topology.phase_ = ControlTarget::Phase::Stopped;
    server->finish(ExitCode::Failed);
  });
  const int waiting = raw();
  std::string bytes = hello();
  append_frame(bytes, FrameKind::Control, R"({"op":"wait","until":"stopped"})");
  put(waiting, bytes);
  Client stopping = client();
  CHECK(stopping.status(60s));  // so that the other operation has begun
  CHECK(stopping.stop(60s).value() == 1);
  CHECK(ServiceName::take(folder.path(), "fraud"));
  CHECK(rest(waiting).ends_with(R"({"ok":true,"exit_code":1})"));
  close(waiting);
  ending.join();
  CHECK(Client::connect("fraud").error().code == ErrorCode::NotFound);
}

TEST_CASE_FIXTURE(Fixture, "a sender learns that the topology stopped, and how far it came") {
  const int socket = raw();
  std::string bytes = hello();
  append_frame(bytes, FrameKind::Control, R"({"op":"send","input":"orders"})");
  append_frame(bytes, FrameKind::Data, "one\n");
  put(socket, bytes);
  for (;;) {
    const std::lock_guard lock(topology.input.mutex);
    if (topology.input.lines.size() == 1) break;
  }
  server->finish(ExitCode::Ok);
  const std::string answers = rest(socket);
  CHECK(answers.find(R"("accepted":1)") != std::string::npos);
  CHECK(answers.find("has stopped") != std::string::npos);
  close(socket);
}

TEST_CASE_FIXTURE(Fixture, "replies come in the order of their requests") {
  std::vector<std::string> replies, unanswered;
  SendRequest request = lines("a\nlate\n\nsilent\nb\nlast");
  request.on_reply = [&](std::string_view reply) {
    replies.emplace_back(reply);
    return true;
  };
  request.on_unanswered = [&](std::string_view what) { unanswered.emplace_back(what); };
  const auto report = client().send(request);
  REQUIRE(report);
  CHECK(replies == std::vector<std::string>{R"({"to":"a"})", R"({"to":"late"})", R"({"to":"b"})",
                                            R"({"to":"last"})"});
  CHECK(unanswered == std::vector<std::string>{"line 4: timed_out"});
  CHECK(report->lines == 5);
  CHECK(report->replied == 4);
  CHECK(report->unanswered == 1);

  // More than are under way at once.
  std::string many;
  for (int i = 0; i < 5000; ++i) many += std::to_string(i) + "\n";
  replies.clear();
  request.messages = many;
  CHECK(client().send(request).value().replied == 5000);
  REQUIRE(replies.size() == 5000);
  for (size_t i = 0; i < 5000; ++i) {
    REQUIRE(replies[i] == R"({"to":")" + std::to_string(i) + "\"}");
  }

  request.messages = "refuse\n";
  CHECK(client().send(request).error().code == ErrorCode::InvalidConfig);
}

TEST_CASE_FIXTURE(Fixture, "another version of the protocol is told which ringk to use") {
  const int socket = raw();
  std::string bytes;
  append_frame(bytes, FrameKind::Control, R"({"op":"hello","protocol":99,"version":"9.9"})");
  put(socket, bytes);
  const std::string answer = rest(socket);
  CHECK(answer.find("protocol 99") != std::string::npos);
  CHECK(answer.find("ProtocolError") != std::string::npos);
  close(socket);
}

TEST_CASE_FIXTURE(Fixture, "clients without manners are turned away, and others served") {
  std::string no_hello, second, too_long;
  append_frame(no_hello, FrameKind::Control, R"({"op":"status"})");
  append_frame(too_long, FrameKind::Control, "x");
  too_long[3] = 0x7f;
  topology.idle_ = false;
  second = hello();
  append_frame(second, FrameKind::Control, R"({"op":"wait","until":"idle"})");
  append_frame(second, FrameKind::Control, R"({"op":"status"})");
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.0\r\n\r\n"), no_hello, too_long, second}) {
    const int socket = raw();
    put(socket, bytes);
    CHECK(rest(socket).find("ProtocolError") != std::string::npos);
    close(socket);
  }
  const int silent = raw();
  CHECK(client().status(10s));
  close(silent);
}

TEST_CASE_FIXTURE(Fixture, "a client that never reads its answers does not grow the server") {
  topology.document = std::string(1 << 20, 'x');
  const int socket = raw();
  std::string bytes = hello();
  for (int i = 0; i < 1000; ++i) append_frame(bytes, FrameKind::Control, R"({"op":"status"})");
  put(socket, bytes);
  CHECK(client().status(10s).value().size() == 1 << 20);
  CHECK(topology.asked < 20);
  close(socket);
}
