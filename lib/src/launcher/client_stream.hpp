// The client's end of a control socket: frames out and in, with a limit on the time in which
// nothing moves.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "launcher/control_protocol.hpp"
#include "ringkernel/error.hpp"

namespace ringkernel::launcher {

class ClientStream {
 public:
  using Limit = std::optional<std::chrono::nanoseconds>;

  explicit ClientStream(int socket);  // closes it
  ~ClientStream();
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  void queue(FrameKind kind, std::string_view payload) { append_frame(out_, kind, payload); }
  size_t queued() const { return out_.size() - sent_; }

  struct OwnedFrame {
    FrameKind kind = FrameKind::Control;
    std::string payload;
  };
  // A frame that has arrived; none where it has not yet.
  Result<std::optional<OwnedFrame>> take();

  // Waits until something could be written or read, or `source` (where not -1) can be read, and
  // writes and reads what there is. True: `source` can be read.
  Result<bool> move(int source, Limit limit);

  // Writes everything and waits for a frame. Timeout: `limit` passed since the call.
  Result<OwnedFrame> exchange(Limit limit);

 private:
  Result<void> write_some();
  Result<void> read_some();

  const int socket_;
  bool closed_ = false;  // by the other end
  std::string in_;
  size_t taken_ = 0;
  std::string out_;
  size_t sent_ = 0;
};

}  // namespace ringkernel::launcher
