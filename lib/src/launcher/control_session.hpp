// One client of the control server: its frames in, its operation, its frames out. Used by the
// server's thread alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "launcher/byte_buffer.hpp"
#include "launcher/control_operation.hpp"
#include "launcher/control_protocol.hpp"
#include "ringkernel/exit_code.hpp"

namespace ringkernel::launcher {

class ControlSession {
 public:
  ControlSession(int socket, ControlContext& context);
  ~ControlSession();  // closes the socket
  ControlSession(const ControlSession&) = delete;
  ControlSession& operator=(const ControlSession&) = delete;

  int socket() const { return socket_; }
  void read_some();   // the socket is readable
  void write_some();  // the socket is writable

  // Goes on with whatever can go on now.
  void advance();

  // The topology has stopped with `code`: answers what is still open, or is asked by a client that
  // has not asked anything yet; over() once that is written.
  void end(ExitCode code);

  bool wants_read() const;
  bool wants_write() const { return !broken_ && sent_ < out_.size(); }
  bool polls() const { return operation_ && operation_->polls(); }
  bool holds_data() const { return holds_data_; }
  bool over() const;  // to be dropped

 private:
  bool owes_much() const;
  bool take_frame();  // false: there is none, or no room for it now
  void take_control(std::string_view payload);
  bool take_data(std::string_view payload);
  void greet(const Json& greeting);
  void begin(const Json& message);
  void end_operation();
  void refuse(const Error& error);

  const int socket_;
  ControlContext& context_;
  std::unique_ptr<ControlOperation> operation_;
  std::optional<ExitCode> ended_;
  bool greeted_ = false;
  bool asked_ = false;       // for its first operation
  bool gone_ = false;        // the client closed its end
  bool broken_ = false;      // nothing can be written any more
  bool closing_ = false;     // once everything is written
  bool holds_data_ = false;  // a data frame waits for room
  bool held_back_ = false;   // a frame waits until the client has read what it is owed
  ByteBuffer in_{0};         // read and not yet taken
  size_t part_ = 0;          // of the data frame at its start
  std::string out_;
  size_t sent_ = 0;  // of out_
};

}  // namespace ringkernel::launcher
