#include <ringkernel/handler.hpp>

// Products from 1000 on are not in this warehouse: no answer.
RK_HANDLER void on_message(Context& ctx, const Ask& ask) {
  if (ask.product < 1000) ctx.emit(port::stock, Stock{ask.id, ask.product * 31 % 50});
}
