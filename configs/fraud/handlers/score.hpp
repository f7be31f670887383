#include <ringkernel/handler.hpp>  // Order, Alert, the ports and Params come from the topology

// Starts zeroed; one per account, because the kernel is keyed by account.
struct State {
  double spent;
};

RK_HANDLER void on_message(Context& ctx, State& state, const Order& order) {
  state.spent += order.amount;
  if (state.spent > ctx.params().limit)
    ctx.emit(port::alert, Alert{order.id, order.account, state.spent, Alert::Reason::amount});
  else
    ctx.emit(port::pass, order);
}
