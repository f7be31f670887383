#include <ringkernel/handler.hpp>

struct State {
  decltype(Flight::origin) airport;
  int64_t sum;
  uint32_t flights;
  uint32_t late;
  int32_t min;
  int32_t max;
};

RK_HANDLER void on_message(Context& ctx, State& state, const Flight& flight) {
  if (state.flights == 0) {
    state.airport = flight.origin;
    state.min = state.max = flight.delay;
  }
  ++state.flights;
  state.sum += flight.delay;
  if (flight.delay < state.min) state.min = flight.delay;
  if (flight.delay > state.max) state.max = flight.delay;
  if (flight.delay >= ctx.params().late) ++state.late;
}

RK_HANDLER void on_stop(Context& ctx, State& state) {
  double n = state.flights;
  ctx.emit(port::delays, Delays{state.airport, state.flights, double(state.sum) / n, state.min,
                                state.max, state.late / n});
}
