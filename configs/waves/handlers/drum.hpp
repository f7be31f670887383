#include <ringkernel/handler.hpp>

struct State {
  uint32_t steps;
};

// From the membrane now and before to the one after, in the place of the one before: of that, each
// point needs only itself.
template <class Membrane>
RK_HANDLER void step(Context& ctx, const Membrane& now, const Membrane& before) {
  constexpr uint32_t kRim = N - 1;
  const float c = ctx.params().courant * ctx.params().courant;
  for (uint32_t at = ctx.thread_rank(); at < now.size(); at += ctx.num_threads()) {
    const uint32_t i = at / N;
    const uint32_t j = at % N;
    if (i == 0 || j == 0 || i == kRim || j == kRim) continue;
    const float around = now(i - 1, j) + now(i + 1, j) + now(i, j - 1) + now(i, j + 1);
    before(i, j) = 2 * now(i, j) - before(i, j) + c * (around - 4 * now(i, j));
  }
  ctx.sync();
}

RK_HANDLER void on_message(Context& ctx, State& state, const Advance& advance) {
  const auto u = ctx.buffer(buf::u);
  const auto v = ctx.buffer(buf::v);
  for (uint32_t pair = 0; pair < advance.pairs; ++pair) {
    step(ctx, u, v);
    step(ctx, v, u);
  }
  ctx.once([&] { state.steps += 2 * advance.pairs; });
  ctx.emit(port::height, Height{state.steps, u(N / 2, N / 2)});
}
