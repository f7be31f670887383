// What the behaviour suite knows of the backend that it is for.
#pragma once

#include <cstdlib>
#include <string>

#include "backend/device_handlers.hpp"
#include "ringkernel/runtime.hpp"

ringkernel::Backend backend_under_test();
// Zeroed memory that the host and handlers see at one address; kept until the process ends.
void* shared_memory(size_t bytes);

// This repository, on the machine that runs the tests; __FILE__ is relative to it.
inline std::string source_folder() {
  const char* told = std::getenv("RK_SOURCE");
  return told != nullptr && *told != '\0' ? told : RK_SOURCE_FOLDER;
}
