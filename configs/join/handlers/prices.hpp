#include <ringkernel/handler.hpp>

RK_HANDLER void on_message(Context& ctx, const Ask& ask) {
  uint64_t each = 100 + ask.product * 7 % 900;
  ctx.emit(port::price, Price{ask.id, each * ask.pieces});
}
