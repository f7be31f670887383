#include "launcher/control_protocol.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace ringkernel;
using namespace ringkernel::launcher;

TEST_CASE("a frame comes out as it went in, however it is cut") {
  std::string bytes;
  append_frame(bytes, FrameKind::Data, "hello");
  append_frame(bytes, FrameKind::End, "");
  for (size_t cut = 0; cut < kFrameHeader + 5; ++cut) {
    const auto frame = next_frame(std::string_view(bytes).substr(0, cut), kMaxControl);
    REQUIRE(frame);
    CHECK_FALSE(frame->has_value());
  }
  const auto first = next_frame(bytes, kMaxControl);
  REQUIRE(first);
  REQUIRE(first->has_value());
  CHECK((*first)->kind == FrameKind::Data);
  CHECK((*first)->payload == "hello");
  const auto second = next_frame(std::string_view(bytes).substr((*first)->size), kMaxControl);
  REQUIRE(second);
  REQUIRE(second->has_value());
  CHECK((*second)->kind == FrameKind::End);
  CHECK((*second)->size == kFrameHeader);
}

TEST_CASE("a frame longer than its bound is refused before it is read") {
  std::string bytes;
  append_frame(bytes, FrameKind::Control, "x");
  bytes[2] = 0x11;  // 17 x 65536
  CHECK_FALSE(next_frame(bytes, kMaxControl));
  bytes[4] = static_cast<char>(FrameKind::Data);
  bytes[2] = 0x05;  // data frames have a lower bound, whatever the caller's
  CHECK_FALSE(next_frame(bytes, kMaxControl));
  CHECK_FALSE(next_frame(bytes, kMaxAnswer));
}

TEST_CASE("bytes of another protocol are refused") {
  const auto frame = next_frame("GET / HTTP/1.1\r\n", kMaxControl);
  REQUIRE_FALSE(frame);
  CHECK(frame.error().code == ErrorCode::ProtocolError);
}

TEST_CASE("an error keeps its code, sentence and place through an answer") {
  const Error error{ErrorCode::KernelNotFound, "no kernel 'x'", "fraud"};
  const auto answer = parse_control(error_answer(error));
  REQUIRE(answer);
  CHECK_FALSE(flag_of(*answer, "ok"));
  const Error back = answer_error(*answer);
  CHECK(back.code == error.code);
  CHECK(back.message == error.message);
  CHECK(back.where == error.where);
}

TEST_CASE("control messages that are no objects are refused") {
  for (const char* text : {"", "[]", "1", "{", "{} {}", "nonsense"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_control(text));
  }
}
