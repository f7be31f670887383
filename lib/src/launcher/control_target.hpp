// What the control server asks of a running topology. Every function may be called from the
// server's thread while the topology runs; none but terminate() blocks.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "launcher/record_splitter.hpp"
#include "ringkernel/error.hpp"

namespace ringkernel::launcher {

struct FeedCounts {
  uint64_t lines = 0;  // = accepted + bad, once parsed
  uint64_t accepted = 0;
  uint64_t bad = 0;
};

// Why a line is bad, as in its dead letter.
struct BadLine {
  uint64_t line = 0;  // of this feed, from 1
  std::string reason;
  std::string detail;
};

// One client's stream of bytes into an input: lines for jsonl, structs back to back for raw. Its
// lines do not mix with those of another feed. Used by one thread at a time.
class Feed {
 public:
  // Finishes with complete = false where finish() was not called. What has been taken still becomes
  // lines.
  virtual ~Feed() = default;

  // Takes as many bytes as there is room for and says how many; 0 when full. The input's on_change
  // is called when there is room again.
  virtual size_t offer(std::span<const std::byte> bytes) = 0;

  // No more bytes. `complete`: a last line without its newline is a line. Not complete (the client
  // went away): it is a bad line with the reason "truncated".
  virtual void finish(bool complete) = 0;

  // The input takes no more bytes: the topology is being stopped, or has failed.
  virtual bool closed() const = 0;

  // After finish(): every byte taken has become an accepted or a bad line. on_change is called when
  // it becomes true.
  virtual bool parsed() const = 0;

  // parsed(), and every accepted message and all its descendants are finished. Asked every few
  // milliseconds.
  virtual bool handled() = 0;

  virtual FeedCounts counts() const = 0;

  // The first few bad lines, for the sender to read.
  virtual std::vector<BadLine> bad_lines() const = 0;
};

// What became of one request line.
struct Reply {
  enum class Outcome : uint8_t { Replied, BadLine, Failed, NoReply, TimedOut } outcome;
  std::string json;    // Replied: the reply as one JSON object
  std::string reason;  // else: the stable reason, as in a dead letter
  std::string detail;
};

// One line that asks for a reply.
struct RequestLine {
  std::string_view text;
  uint64_t number = 0;  // of its client, from 1
  Record::Kind kind = Record::Kind::Whole;
};

class ControlTarget {
 public:
  virtual ~ControlTarget() = default;

  enum class Phase : uint8_t { Starting, Ready, Draining, Stopped };
  virtual Phase phase() const = 0;

  // The document of schema "ringk.status/1". Also while starting.
  virtual std::string status_json() const = 0;

  // `input` empty: the only one that takes bytes. `on_change` is called from any thread, briefly,
  // until the feed is destroyed. Errors: NotFound (no such input, more than one), InvalidConfig (an
  // input that takes no bytes, such as a timer), Closed (being stopped).
  virtual Result<std::unique_ptr<Feed>> open_feed(const std::string& input,
                                                  std::function<void()> on_change) = 0;

  // Sends one line as a request to the kernel that `input` is wired to. `done` is called exactly
  // once, from any thread, perhaps before this returns. An error says that no line of this input
  // can be a request (NotFound, InvalidConfig: no replies declared, Closed).
  virtual Result<void> request(const std::string& input, const RequestLine& line,
                               std::chrono::nanoseconds timeout,
                               std::function<void(Reply)> done) = 0;

  // Idle: nothing is under way, inputs hold no bytes, outputs and dead letters are written.
  // `never`: why it cannot become idle by itself (a deactivated kernel with a backlog, named).
  struct Idle {
    bool idle = false;
    std::string never;
  };
  virtual Idle idle() = 0;

  // `kernel` empty: all of them. KernelNotFound, InvalidStateTransition.
  virtual Result<void> suspend(const std::string& kernel) = 0;
  virtual Result<void> resume(const std::string& kernel) = 0;

  // Terminates one kernel and returns when it is, or when the whole topology has stopped; called on
  // a thread of its own. Timeout: what was left at `limit` became dead letters.
  virtual Result<void> terminate(const std::string& kernel,
                                 std::optional<std::chrono::nanoseconds> limit) = 0;

  // Begins to drain and stop the whole topology, as SIGTERM does. Again: no effect.
  virtual void stop() = 0;
};

}  // namespace ringkernel::launcher
