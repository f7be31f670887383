#include "backend/messages.hpp"
#include "cuda/mapped_memory.hpp"

ringkernel::Backend backend_under_test() { return ringkernel::Backend::Cuda; }
void* shared_memory(size_t bytes) { return mapped_memory(bytes); }
