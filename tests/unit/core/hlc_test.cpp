#include "ringkernel/hlc.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "core/clock.hpp"
#include "ringkernel/device/clock.hpp"

using namespace ringkernel;

TEST_CASE(
    "four threads stamp ten million times: all stamps differ, and no thread sees time go back") {
  constexpr size_t kThreads = 4;
  constexpr size_t kEach = 2'500'000;
  Hlc clock;
  std::vector<std::vector<uint64_t>> stamps(kThreads);
  std::vector<std::thread> threads;
  for (auto& mine : stamps)
    threads.emplace_back([&clock, &mine] {
      mine.resize(kEach);
      for (uint64_t& stamp : mine) stamp = clock.now();
    });
  for (std::thread& thread : threads) thread.join();
  std::vector<uint64_t> all;
  all.reserve(kThreads * kEach);
  for (const auto& mine : stamps) {
    CHECK(std::adjacent_find(mine.begin(), mine.end(), std::greater_equal<>()) == mine.end());
    all.insert(all.end(), mine.begin(), mine.end());
  }
  std::sort(all.begin(), all.end());
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
}

TEST_CASE("a stamp is later than every remote stamp that was shown, and near the wall clock") {
  Hlc clock;
  uint64_t before = wall_us();
  uint64_t remote = hlc_from_microseconds(before + 5'000'000) + 77;
  REQUIRE(clock.observe(remote).has_value());
  CHECK(clock.now() > remote);
  CHECK(hlc_microseconds(Hlc{}.now()) >= before);
}

TEST_CASE("a remote clock more than a minute ahead is refused and changes nothing") {
  Hlc clock;
  auto refused = clock.observe(hlc_from_microseconds(wall_us() + 3'600'000'000));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::ClockSkew);
  CHECK(hlc_microseconds(clock.now()) < wall_us() + 60'000'000);
}

TEST_CASE("the logical counter carries into the microseconds") {
  uint64_t stamp = hlc_from_microseconds(1000);
  for (int i = 0; i < 5000; ++i) {
    uint64_t next = hlc_next(1000, stamp, 0);
    REQUIRE(next > stamp);
    stamp = next;
  }
  CHECK(hlc_microseconds(stamp) == 1001);
}
