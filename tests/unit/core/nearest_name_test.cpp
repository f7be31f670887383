#include "ringkernel/nearest_name.hpp"

#include <doctest/doctest.h>

using ringkernel::nearest_name;

TEST_CASE("a name with a slip finds the one that was meant") {
  const std::vector<std::string> known{"source", "accepts", "emits", "status", "stop"};
  CHECK(nearest_name("sorce", known) == "source");
  CHECK(nearest_name("stauts", known) == "status");
  CHECK(nearest_name("stpo", known) == "stop");
  CHECK(nearest_name("accpets", known) == "accepts");
}

TEST_CASE("a name that is near none finds none") {
  CHECK(nearest_name("banana", {"source", "stop"}).empty());
  CHECK(nearest_name("x", {"y"}).empty());
  CHECK(nearest_name("", {"y"}).empty());
  CHECK(nearest_name("stop", {}).empty());
}
