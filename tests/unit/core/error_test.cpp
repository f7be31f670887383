#include "ringkernel/error.hpp"

#include <doctest/doctest.h>

using namespace ringkernel;

TEST_CASE("an error reads as where, code and message") {
  CHECK(to_string(Error{ErrorCode::QueueFull, "inbox of 'score' is full", ""}) ==
        "QueueFull: inbox of 'score' is full");
  CHECK(to_string(Error{ErrorCode::ValidationError, "unknown key", "a.yaml:3:5"}) ==
        "a.yaml:3:5: ValidationError: unknown key");
}
