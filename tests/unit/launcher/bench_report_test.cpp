#include "launcher/bench_report.hpp"

#include <doctest/doctest.h>

using namespace ringkernel::launcher;

namespace {

PhaseResult phase_of(size_t windows) {
  PhaseResult phase;
  phase.rate = 500;
  for (size_t i = 0; i < windows; ++i) {
    PhaseWindow window;
    window.rate = 1000;
    window.resident_bytes = 1'000'000;
    window.latency.p99_us = 10;
    phase.windows.push_back(window);
  }
  return phase;
}

}  // namespace

TEST_CASE("a run that goes on as it began is steady") {
  const auto steady = steadiness_of(phase_of(60));
  REQUIRE(steady.has_value());
  CHECK(steady->memory_growth_bytes == 0);
  CHECK(steady->rates_within_tenth == 1);
  CHECK(steady->p99_drift == 1);
  CHECK(!steadiness_of(phase_of(19)).has_value());
}

TEST_CASE("what grows, varies or drifts shows") {
  PhaseResult phase = phase_of(64);
  for (size_t i = 0; i < phase.windows.size(); ++i) {
    phase.windows[i].resident_bytes += i * 1000;
    if (i % 8 == 0) phase.windows[i].rate = 890;  // 11 % below
    if (i % 8 == 1) phase.windows[i].rate = 910;
    if (i >= 43) phase.windows[i].latency.p99_us = 30;
  }
  const auto steady = steadiness_of(phase);
  REQUIRE(steady.has_value());
  CHECK(steady->memory_growth_bytes == 58'000);
  CHECK(steady->rates_within_tenth == 0.875);
  CHECK(steady->p99_drift == 3);
}

TEST_CASE("a spread is of windows, where there are three of them") {
  PhaseResult phase = phase_of(3);
  phase.windows[0].rate = 800;
  phase.windows[1].rate = 1100;
  CHECK(spread_of(phase).median == 1000);
  CHECK(spread_of(phase).least == 800);
  CHECK(spread_of(phase).most == 1100);
  CHECK(spread_of(phase_of(2)).median == 500);
}

TEST_CASE("a rate is kept where all but one in a hundred were sent in time") {
  PhaseResult phase;
  phase.due = 1000;
  phase.in_time = 990;
  CHECK(phase.kept());
  phase.in_time = 989;
  CHECK(!phase.kept());
}
