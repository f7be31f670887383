#include "launcher/latency_sampler.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using ringkernel::launcher::LatencySampler;

namespace {

constexpr uint64_t kWindow = 1000;

uint64_t next(LatencySampler& sampler, uint64_t begun_ns) {
  while (!sampler.wanted()) {
  }
  return sampler.begin(begun_ns);
}

}  // namespace

TEST_CASE("what counts is the last of a message's descendants, whatever the order") {
  LatencySampler sampler(1, kWindow);
  sampler.measure_from(100);
  const uint64_t message = next(sampler, 100);
  sampler.ended(message, 130);
  sampler.ended(message, 160);
  sampler.ended(message, 120);
  sampler.finish();
  CHECK(sampler.windows()[0].count() == 1);
  CHECK(sampler.windows()[0].max() == 60);
  CHECK(sampler.lost() == 0);
}

TEST_CASE("a message counts in the window that it began in, and not in the warm-up") {
  LatencySampler sampler(2, kWindow);
  sampler.measure_from(10'000);
  for (const uint64_t begun : {9'999U, 10'000U, 10'999U, 11'000U, 90'000U})
    sampler.ended(next(sampler, begun), begun + 5000);
  sampler.finish();
  CHECK(sampler.windows()[0].count() == 2);
  CHECK(sampler.windows()[1].count() == 1);
  CHECK(sampler.windows()[2].count() == 1);  // past the planned ones
}

TEST_CASE("a message without an end is lost, and one that is overtaken disturbs no other") {
  LatencySampler sampler(1, ~uint64_t{0});
  const uint64_t first = next(sampler, 1);
  uint64_t last = first;
  // Until its place is taken.
  for (uint64_t begun = 2; begun < 140'000; ++begun) {
    last = next(sampler, begun);
    sampler.ended(last, begun + 1);
  }
  sampler.ended(first, 1'000'000);
  sampler.finish();
  CHECK(sampler.lost() == 1);
  CHECK(sampler.windows()[0].count() == last - first);
  CHECK(sampler.windows()[0].max() == 1);
}

TEST_CASE("the faster messages come, the fewer of them are followed") {
  for (const uint64_t gap_ns : {10U, 1000U, 100'000U}) {
    CAPTURE(gap_ns);
    LatencySampler sampler(1, ~uint64_t{0});
    constexpr uint64_t kMessages = 200'000;
    uint64_t followed = 0;
    for (uint64_t i = 0; i < kMessages; ++i) {
      if (!sampler.wanted()) continue;
      sampler.begin(i * gap_ns);
      ++followed;
    }
    const double microseconds = static_cast<double>(kMessages * gap_ns) / 1000;
    CHECK(static_cast<double>(followed) < microseconds / 5);
    CHECK(followed >= std::min(kMessages, kMessages * gap_ns / 50'000));
    if (gap_ns == 100'000) CHECK(followed == kMessages);
  }
}
