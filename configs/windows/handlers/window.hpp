#include <ringkernel/handler.hpp>

struct State {
  double sum;
  uint32_t sensor;
  uint32_t window;
  uint32_t readings;
};

// A window without readings is not told, but counts.
RK_HANDLER void close_window(Context& ctx, State& state) {
  if (state.readings > 0)
    ctx.emit(port::sum, Sum{state.sensor, state.window, state.readings, state.sum});
  state.sum = 0;
  state.readings = 0;
  ++state.window;
}

RK_HANDLER void on_message(Context&, State& state, const Reading& reading) {
  state.sensor = reading.sensor;
  state.sum += reading.value;
  ++state.readings;
}

RK_HANDLER void on_message(Context& ctx, State& state, const Tick&) { close_window(ctx, state); }

RK_HANDLER void on_stop(Context& ctx, State& state) { close_window(ctx, state); }
