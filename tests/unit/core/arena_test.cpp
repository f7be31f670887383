#include "core/arena.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

using namespace ringkernel;

TEST_CASE("memory is zeroed, aligned, and committed only where it is touched") {
  Arena arena;
  auto memory = arena.allocate(32 << 20);
  REQUIRE(memory.has_value());
  CHECK(reinterpret_cast<uintptr_t>(*memory) % Arena::kAlignment == 0);
  CHECK(arena.committed() < (1 << 20));
  auto* bytes = static_cast<unsigned char*>(*memory);
  CHECK(bytes[0] == 0);
  CHECK(bytes[(32 << 20) - 1] == 0);
  std::memset(bytes, 1, 8 << 20);
  CHECK(arena.committed() >= (8 << 20));
}

TEST_CASE("released memory comes back zeroed, and the system gets its pages") {
  Arena arena;
  constexpr size_t kSize = (4 << 20) + 384;
  void* first = arena.allocate(kSize).value();
  std::memset(first, 7, kSize);
  arena.release(first, kSize);
  CHECK(arena.committed() < (1 << 20));
  void* second = arena.allocate(kSize).value();
  CHECK(second == first);
  auto* bytes = static_cast<unsigned char*>(second);
  CHECK(std::all_of(bytes, bytes + kSize, [](unsigned char b) { return b == 0; }));
}

TEST_CASE("more than a chunk can be had at once") {
  Arena arena;
  auto memory = arena.allocate(size_t{200} << 20);
  REQUIRE(memory.has_value());
  static_cast<unsigned char*>(*memory)[(size_t{200} << 20) - 1] = 1;
}

TEST_CASE("what is small lies together, whatever was allocated in between") {
  Arena arena;
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(arena.allocate(size_t{64} << 10).has_value());
    static_cast<unsigned char*>(arena.allocate(128).value())[0] = 1;
  }
  CHECK(arena.committed() < (256 << 10));
}
