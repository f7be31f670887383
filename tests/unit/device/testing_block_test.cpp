#include <doctest/doctest.h>

#include <algorithm>
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

namespace buf {
inline constexpr Buffer<"grid", float, 2, 3> grid;
inline constexpr Buffer<"cube", int16_t, 2, 3, 4> cube;
inline constexpr Buffer<"line", uint8_t, 5> line;
}  // namespace buf

struct Paint {
  using Buffers = ringkernel::Buffers<buf::grid, buf::cube>;
  using Context = ringkernel::Context<Paint>;
  static void on_message(Context& ctx, const Order& order) {
    ctx.buffer(buf::grid)(1, order.account) += static_cast<float>(order.amount);
    ctx.buffer(buf::cube)(order.account, 2, 3) = static_cast<int16_t>(order.id);
  }
};

}  // namespace

TEST_CASE("a handler's buffers can be filled and looked at, in C order") {
  testing::Block<Paint> block;
  const auto grid = block.buffer(buf::grid);
  grid(1, 0) = 2.5F;
  CHECK(block.send(Order{7, 0, 1.5}));
  CHECK(block.send(Order{9, 1, 8}));
  CHECK(grid(1, 0) == 4.0F);
  CHECK(grid.data()[3] == 4.0F);
  CHECK(grid[4] == 8.0F);
  CHECK(std::count(grid.begin(), grid.end(), 0.0F) == 4);
  CHECK(reinterpret_cast<uintptr_t>(grid.data()) % 64 == 0);
  const auto cube = block.buffer(buf::cube);
  CHECK(cube(0, 2, 3) == 7);
  CHECK(cube[23] == 9);
  static_assert(cube.size() == 24 && cube.rank() == 3 && cube.extent(0) == 2 &&
                cube.extent(2) == 4);
}

TEST_CASE("what a buffer is made of is known at compile time") {
  constexpr BufferInfo cube = decltype(buf::cube)::info();
  static_assert(cube.element == Scalar::I16 && cube.rank == 3 && cube.extents[1] == 3 &&
                cube.bytes == 48);
  static_assert(decltype(buf::line)::info().element == Scalar::U8);
  static_assert(scalar_of<bool>() == Scalar::Bool && scalar_of<long long>() == Scalar::I64 &&
                scalar_of<double>() == Scalar::F64);
  const HandlerModule& module = module_of<Paint>();
  REQUIRE(module.buffer_count == 2);
  CHECK(std::string(module.buffers[1].name) == "cube");
  CHECK(module_of<Score>().buffer_count == 0);
}

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
