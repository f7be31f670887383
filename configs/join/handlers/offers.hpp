#include <ringkernel/handler.hpp>

struct State {
  uint64_t id;
  uint64_t cents;
  uint32_t available;
  bool has_price;
  bool has_stock;
};

RK_HANDLER void offer_when_complete(Context& ctx, const State& state) {
  if (state.has_price && state.has_stock)
    ctx.emit(port::offer, Offer{state.id, state.cents, state.available});
}

RK_HANDLER void on_message(Context& ctx, State& state, const Price& price) {
  state.id = price.id;
  state.cents = price.cents;
  state.has_price = true;
  offer_when_complete(ctx, state);
}

RK_HANDLER void on_message(Context& ctx, State& state, const Stock& stock) {
  state.id = stock.id;
  state.available = stock.available;
  state.has_stock = true;
  offer_when_complete(ctx, state);
}

// Called once for each id: what never met its other half is told.
RK_HANDLER void on_stop(Context& ctx, State& state) {
  if (state.has_price && !state.has_stock)
    ctx.emit(port::half, Half{state.id, Half::Missing::stock});
  if (state.has_stock && !state.has_price)
    ctx.emit(port::half, Half{state.id, Half::Missing::price});
}
