#include "backends/cpu/team.hpp"

namespace ringkernel::backends {

Team::Team(uint32_t threads) {
  for (uint32_t rank = 1; rank < threads; ++rank)
    threads_.emplace_back([this, rank] { work(rank); });
}

Team::~Team() {
  stop_.store(true);
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Team::work(uint32_t rank) {
  uint32_t seen = 0;
  for (;;) {
    generation_.wait(seen);
    seen = generation_.load();
    if (stop_.load()) return;
    body_(argument_, rank);
    barrier_->arrive_and_drop();
    if (running_.fetch_sub(1) == 1) running_.notify_one();
  }
}

void Team::run(void (*body)(void*, uint32_t), void* argument) {
  auto size = static_cast<uint32_t>(threads_.size());
  body_ = body;
  argument_ = argument;
  // A thread that leaves the body leaves the barrier too, so one that fails never holds the others.
  barrier_ = std::make_unique<std::barrier<>>(static_cast<std::ptrdiff_t>(size) + 1);
  running_.store(size);
  generation_.fetch_add(1);
  generation_.notify_all();
  body(argument, 0);
  barrier_->arrive_and_drop();
  for (uint32_t left = running_.load(); left != 0; left = running_.load()) running_.wait(left);
}

void Team::sync() { barrier_->arrive_and_wait(); }

}  // namespace ringkernel::backends
