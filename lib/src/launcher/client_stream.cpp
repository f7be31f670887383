#include "launcher/client_stream.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace ringkernel::launcher {
namespace {

using Clock = std::chrono::steady_clock;

Error died() {
  return Error{ErrorCode::Closed, "the topology's process ended before it answered", {}};
}

}  // namespace

ClientStream::ClientStream(int socket) : socket_(socket) {
  // Twice a data frame, so that one travels while the next is read. The system may grant less.
  const int bytes = static_cast<int>(2 * kMaxData);
  setsockopt(socket_, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

ClientStream::~ClientStream() { close(socket_); }

Result<std::optional<ClientStream::OwnedFrame>> ClientStream::take() {
  auto frame = next_frame(std::string_view(in_).substr(taken_), kMaxAnswer);
  if (!frame) return tl::unexpected(frame.error());
  if (!*frame) {
    in_.erase(0, taken_);
    taken_ = 0;
    if (closed_) return tl::unexpected(died());
    return std::nullopt;
  }
  OwnedFrame owned{(*frame)->kind, std::string((*frame)->payload)};
  taken_ += (*frame)->size;
  return owned;
}

Result<bool> ClientStream::move(int source, Limit limit) {
  std::array<pollfd, 2> watched{};
  watched[0] = {socket_, static_cast<short>(POLLIN | (queued() > 0 ? POLLOUT : 0)), 0};
  watched[1] = {source, POLLIN, 0};
  timespec wait{};
  if (limit) {
    const auto left = std::max(*limit, std::chrono::nanoseconds(0));
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    wait = {seconds.count(), (left - seconds).count()};
  }
  const int ready = ppoll(watched.data(), watched.size(), limit ? &wait : nullptr, nullptr);
  if (ready < 0 && errno != EINTR) {
    return fail(ErrorCode::IoError, std::string("cannot wait for it: ") + strerror(errno));
  }
  if (ready == 0) return fail(ErrorCode::Timeout, "no answer in time");
  if (ready < 0) return false;
  if (watched[0].revents & POLLOUT) {
    if (auto written = write_some(); !written) return tl::unexpected(written.error());
  }
  if (watched[0].revents & (POLLIN | POLLHUP | POLLERR)) {
    if (auto got = read_some(); !got) return tl::unexpected(got.error());
  }
  return source >= 0 && (watched[1].revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

Result<ClientStream::OwnedFrame> ClientStream::exchange(Limit limit) {
  const auto start = Clock::now();
  for (;;) {
    auto frame = take();
    if (!frame) return tl::unexpected(frame.error());
    if (*frame) return std::move(**frame);
    Limit left = limit;
    if (left) *left -= std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start);
    if (auto moved = move(-1, left); !moved) return tl::unexpected(moved.error());
  }
}

Result<void> ClientStream::write_some() {
  while (queued() > 0) {
    const ssize_t put = send(socket_, out_.data() + sent_, queued(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0) {
      if (errno == EINTR) continue;
      // What it said before it went may still be there to be read.
      if (errno == EPIPE || errno == ECONNRESET) sent_ = out_.size();
      break;
    }
    sent_ += static_cast<size_t>(put);
  }
  // Not each time: what is left would be moved again and again.
  if (queued() == 0 || sent_ > kMaxData) {
    out_.erase(0, sent_);
    sent_ = 0;
  }
  return {};
}

Result<void> ClientStream::read_some() {
  constexpr size_t kChunk = size_t{64} << 10;
  const size_t before = in_.size();
  in_.resize(before + kChunk);
  const ssize_t got = recv(socket_, in_.data() + before, kChunk, MSG_DONTWAIT);
  const int reason = errno;
  in_.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got == 0 || (got < 0 && reason == ECONNRESET)) closed_ = true;
  if (got < 0 && reason != EAGAIN && reason != EINTR && reason != ECONNRESET) {
    return fail(ErrorCode::IoError, std::string("cannot read its answer: ") + strerror(reason));
  }
  return {};
}

}  // namespace ringkernel::launcher
