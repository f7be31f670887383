// The threads of one block on the CPU: the worker is rank 0, the others wait for work. For
// `--threads`, where a handler is to be shown what several threads of a block do to it.
#pragma once

#include <atomic>
#include <barrier>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace ringkernel::backends {

class Team {
 public:
  explicit Team(uint32_t threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  // Runs body(argument, rank) on every thread; returns when all have returned. Called by rank 0.
  void run(void (*body)(void* argument, uint32_t rank), void* argument);
  // All threads that are still in the body meet here.
  void sync();

 private:
  void work(uint32_t rank);

  std::atomic<uint32_t> generation_{0};
  std::atomic<uint32_t> running_{0};
  std::atomic<bool> stop_{false};
  void (*body_)(void*, uint32_t) = nullptr;
  void* argument_ = nullptr;
  std::unique_ptr<std::barrier<>> barrier_;
  std::vector<std::thread> threads_;
};

}  // namespace ringkernel::backends
