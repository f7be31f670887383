#include <ringkernel/handler.hpp>

RK_HANDLER void on_message(Context& ctx, const Token& token) {
  Token mine = token;
  ++mine.passed;
  if (mine.hops == 0) return ctx.emit(port::out, mine);
  --mine.hops;
  ctx.emit(port::next, mine);
}
