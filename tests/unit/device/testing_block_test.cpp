#include <doctest/doctest.h>

#include <stdexcept>

#include "ringkernel/device/counters.hpp"
#include "ringkernel/testing.hpp"

using namespace ringkernel;

namespace {

struct Order {
  uint64_t id;
  uint32_t account;
  double amount;
};
struct Alert {
  uint64_t id;
  uint32_t account;
  double spent;
};
struct Ask {
  uint32_t account;
};

}  // namespace

RK_MESSAGE(Order, id, account, amount)
RK_MESSAGE(Alert, id, account, spent)
RK_MESSAGE(Ask, account)

namespace {

namespace port {
inline constexpr Port<"alert", Alert> alert;
inline constexpr Port<"pass", Order> pass;
}  // namespace port

struct Score {
  struct State {
    double spent;
  };
  struct Params {
    double limit;
  };
  using Accepts = ringkernel::Accepts<Order, Ask>;
  using Ports = ringkernel::Ports<port::alert, port::pass>;
  using Keys = ringkernel::Keys<&Order::account, &Ask::account>;
  using Reply = Alert;
  using Context = ringkernel::Context<Score>;

  static void on_message(Context& ctx, State& state, const Order& order) {
    if (order.amount < 0) return ctx.fail("negative amount");
    if (order.amount > 1e9) throw std::runtime_error("too much");
    state.spent += order.amount;
    if (state.spent > ctx.params().limit)
      ctx.emit(port::alert, Alert{order.id, order.account, state.spent});
    else
      ctx.emit(port::pass, order);
  }
  static void on_message(Context& ctx, State& state, const Ask& ask) {
    ctx.reply(Alert{0, ask.account, state.spent});
  }
  static void on_stop(Context& ctx, State& state) {
    ctx.emit(port::alert, Alert{99, static_cast<uint32_t>(ctx.key()), state.spent});
  }
};

}  // namespace

TEST_CASE("a handler can be tested without a runtime") {
  testing::Block<Score> block{{.limit = 1000}};
  CHECK(block.send(Order{1, 7, 900.0}));
  CHECK(block.emitted(port::alert).empty());
  CHECK(block.send(Order{2, 7, 200.0}));
  REQUIRE(block.emitted(port::alert).size() == 1);
  CHECK(block.emitted(port::alert)[0].spent == 1100.0);
  CHECK(block.emitted(port::pass).size() == 1);
  CHECK(block.keys() == 1);
  CHECK(block.call<Alert>(Ask{7})->spent == 1100.0);
  block.stop();
  CHECK(block.emitted(port::alert).back().id == 99);
}

TEST_CASE("what a handler refuses is told with its words") {
  testing::Block<Score> block{{.limit = 1000}};
  auto negative = block.send(Order{1, 7, -1.0});
  CHECK_FALSE(negative);
  CHECK(negative.reason == "failed");
  CHECK(negative.detail == "negative amount");
  auto thrown = block.send(Order{1, 7, 2e9});
  CHECK(thrown.reason == "threw");
  CHECK(thrown.detail == "too much");
  auto late = block.send(Order{1, 7, 1.0}, {.deadline_us = 1});
  CHECK(late.reason == "deadline_passed");
  CHECK(block.failures().size() == 3);
  CHECK(block.emitted(port::pass).empty());
}

TEST_CASE("latency buckets are exact below eight and within an eighth above") {
  for (uint64_t us = 0; us < 100'000; us = us < 64 ? us + 1 : us + us / 7) {
    uint64_t upper = LatencyHistogram::upper_bound(LatencyHistogram::bucket_of(us));
    CHECK(upper >= us);
    CHECK(upper <= us + us / 8);
  }
  CHECK(LatencyHistogram::bucket_of(~uint64_t{0}) == LatencyHistogram::kBuckets - 1);
}
