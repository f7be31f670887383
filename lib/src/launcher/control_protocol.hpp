// What travels over a control socket, a Unix stream socket between one client and a running
// topology, both of one machine and one user.
//
//   frame    u32 length of the payload, little-endian | u8 kind | 3 zero bytes | payload
//   control  a JSON object: {"op": ...} to the server, {"ok": true, ...} or
//            {"ok": false, "error": {"code", "message", "where"}} back
//   data     bytes for an input, at most 256 KiB
//   end      no more data, empty
//   reply    a JSON document: a reply, a status
//   no reply {"line": N, "outcome": ..., "reason": ..., "detail": ...}
//
// The first frame each way is the greeting: {"op": "hello", "protocol": 1, "version": "0.1.0"} and
// {"ok": true, "protocol": 1, "version", "name", "pid"}. Then one operation at a time:
//
//   {"op": "status"}                                 -> a reply frame: the document
//   {"op": "wait", "until": "ready|idle|stopped"}    -> "exit_code" for stopped
//   {"op": "suspend" | "resume", "kernel": K}        K "": all of them
//   {"op": "stop"}                                   -> "exit_code", when it has stopped
//   {"op": "terminate", "kernel": K, "limit_ms": N}
//   {"op": "send", "input": I, "handled": bool}      -> go, data..., end -> "lines", "accepted",
//   "bad"
//   {"op": "request", "input": I, "timeout_ms": N}   -> go, data..., end, reply... in order of
//   lines
//                                                       -> "lines", "replied", "failed", "bad", ...
//
// "stopped" in the answer to send or request: the topology stopped before it had taken everything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "ringkernel/error.hpp"

namespace ringkernel::launcher {

// Members keep the order they were written in.
using Json = nlohmann::ordered_json;

constexpr int kProtocol = 1;
constexpr size_t kFrameHeader = 8;
constexpr size_t kMaxControl = size_t{1} << 20;
constexpr size_t kMaxData = size_t{256} << 10;
// A status document of a hundred thousand kernels; only a client takes frames as long as that.
constexpr size_t kMaxAnswer = size_t{256} << 20;

enum class FrameKind : uint8_t { Control = 1, Data = 2, End = 3, Reply = 4, NoReply = 5 };

struct Frame {
  FrameKind kind = FrameKind::Control;
  std::string_view payload;  // into the buffer it was read from
  size_t size = 0;           // with its header
};

void append_frame(std::string& out, FrameKind kind, std::string_view payload);

// The frame at the start of `bytes`; none while it is not complete. ProtocolError: an unknown kind,
// or longer than `longest`; such a connection cannot go on.
Result<std::optional<Frame>> next_frame(std::string_view bytes, size_t longest);

// A JSON object from the payload of a control frame. ProtocolError when it is none.
Result<Json> parse_control(std::string_view payload);

std::string ok_answer(Json members);
std::string error_answer(const Error& error);
// The error of an answer with "ok": false.
Error answer_error(const Json& answer);

// Absent or of another type: the default.
std::string text_of(const Json& object, const char* member);
uint64_t number_of(const Json& object, const char* member, uint64_t otherwise = 0);
bool flag_of(const Json& object, const char* member);
const Json& list_of(const Json& object, const char* member);  // absent: an empty one

}  // namespace ringkernel::launcher
