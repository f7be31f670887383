#include <ringkernel/handler.hpp>
#include <stdexcept>

RK_HANDLER void on_message(Context& ctx, const Job& job) {
  ctx.emit(port::done, job);
  switch (job.kind) {
    case Job::Kind::fine:
      for (uint32_t i = 0; i < 2; ++i) ctx.emit(port::few, Part{job.id, i});
      break;
    case Job::Kind::refused:
      ctx.fail("refused by hand");
      break;
    case Job::Kind::thrown:
      throw std::runtime_error("thrown by the handler");
    case Job::Kind::flood:
      for (uint32_t i = 0; i < 5; ++i) ctx.emit(port::few, Part{job.id, i});
      break;
    case Job::Kind::burst:  // 20 parts for a queue of 8
      for (uint32_t i = 0; i < 20; ++i) ctx.emit(port::many, Part{job.id, i});
      break;
    case Job::Kind::whole:  // the same, but all of them or none
      for (uint32_t i = 0; i < 20; ++i) ctx.emit(port::strict, Part{job.id, i});
      break;
  }
}
