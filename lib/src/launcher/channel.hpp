// One end of a file, pipe, socket or terminal, read or written without ever blocking.
//
// O_NONBLOCK belongs to the open file, which other processes share, so it is set only on an open
// file of our own: pipes and terminals are opened again by way of /proc. Where that fails, poll()
// is asked first and a pipe is written in pieces that are sure to fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ringkernel/error.hpp"

namespace ringkernel::launcher {

struct Transfer {
  enum class Status : uint8_t {
    Moved,       // `bytes`, at least one
    WouldBlock,  // wait until descriptor() is ready
    End,         // of what is read
    Failed,      // `error` is an errno
  };
  Status status = Status::Moved;
  size_t bytes = 0;
  int error = 0;
};

class Channel {
 public:
  enum class Direction : uint8_t { Read, Write };

  // Its own copy of `descriptor`, which stays the caller's. IoError: it is not open, or not open
  // in this direction.
  static Result<Channel> of(int descriptor, Direction direction);
  // NotFound, PermissionDenied, IoError.
  static Result<Channel> open_to_read(const std::string& path);
  static Result<Channel> open_to_write(const std::string& path, bool append);

  Channel() = default;
  ~Channel() { close(); }
  Channel(Channel&& other) noexcept;
  Channel& operator=(Channel&& other) noexcept;

  bool is_open() const { return descriptor_ >= 0; }
  bool is_terminal() const;
  bool is_regular() const { return kind_ == Kind::Direct; }
  int descriptor() const { return descriptor_; }

  // There was a writer already: no data and none left is the end.
  void had_writer() { awaits_writer_ = false; }

  Transfer read(std::span<char> into);
  Transfer write(std::string_view bytes);
  // The errno of closing, which is when some file systems tell of a full disk.
  int close();

 private:
  enum class Kind : uint8_t {
    Direct,       // never blocks for long
    NonBlocking,  // an open file of our own with O_NONBLOCK
    Socket,
    Polled,  // an open file that others share
  };
  static Result<Channel> made(int descriptor, Direction direction, const std::string& what);
  bool ready(short events) const;
  bool ended() const;

  int descriptor_ = -1;
  Kind kind_ = Kind::Direct;
  bool awaits_writer_ = false;  // a named pipe, opened by its path
};

}  // namespace ringkernel::launcher
