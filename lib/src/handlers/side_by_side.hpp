#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace ringkernel::handlers {

// Calls work(0) to work(count - 1), on at most one thread per core, and waits for all.
template <class Work>
void side_by_side(size_t count, Work&& work) {
  const size_t most = std::min<size_t>(std::max(1U, std::thread::hardware_concurrency()), count);
  std::atomic<size_t> next{0};
  auto some = [&] {
    for (size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) work(i);
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < most; ++i) threads.emplace_back(some);
  some();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace ringkernel::handlers
