#include "launcher/histogram.hpp"

#include <doctest/doctest.h>

using ringkernel::launcher::Histogram;

TEST_CASE("a quantile is within 1.6 % of what was recorded, and never above the largest") {
  Histogram histogram;
  for (uint64_t ns = 1; ns <= 100'000; ++ns) histogram.record(ns * 10);
  CHECK(histogram.count() == 100'000);
  CHECK(histogram.max() == 1'000'000);
  for (const double q : {0.001, 0.1, 0.5, 0.99, 0.999}) {
    CAPTURE(q);
    const double exact = q * 1'000'000;
    const auto found = static_cast<double>(histogram.quantile(q));
    CHECK(found >= exact);
    CHECK(found <= exact * 1.016);
  }
  CHECK(histogram.quantile(1) == 1'000'000);
}

TEST_CASE("the smallest durations are exact, the longest are kept as the maximum") {
  Histogram histogram;
  CHECK(histogram.quantile(0.5) == 0);
  for (const uint64_t ns : {0U, 1U, 63U, 64U, 65U, 127U}) {
    Histogram one;
    one.record(ns);
    one.record(~uint64_t{0});
    CHECK(one.quantile(0.5) == ns);
    CHECK(one.quantile(1) == ~uint64_t{0});
  }
}

TEST_CASE("histograms add up") {
  Histogram slow;
  Histogram fast;
  for (int i = 0; i < 99; ++i) fast.record(10);
  slow.record(5000);
  fast.add(slow);
  CHECK(fast.count() == 100);
  CHECK(fast.quantile(0.99) == 10);
  CHECK(fast.quantile(1) == 5000);
}
