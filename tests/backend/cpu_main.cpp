#include <cstdlib>
#include <cstring>

#include "backend/messages.hpp"

ringkernel::Backend backend_under_test() { return ringkernel::Backend::Cpu; }
void* shared_memory(size_t bytes) {
  bytes = (bytes + RK_CACHE_LINE - 1) / RK_CACHE_LINE * RK_CACHE_LINE;  // aligned_alloc asks for it
  return std::memset(std::aligned_alloc(RK_CACHE_LINE, bytes), 0, bytes);
}
