#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cstdlib>

#include "backend/messages.hpp"

ringkernel::Backend backend_under_test() { return ringkernel::Backend::Cpu; }
void* shared_memory(size_t bytes) { return std::calloc(1, bytes); }
