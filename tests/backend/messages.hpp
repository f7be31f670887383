// What the behaviour suite knows of the backend that it is for.
#pragma once

#include "backend/device_handlers.hpp"
#include "ringkernel/runtime.hpp"

ringkernel::Backend backend_under_test();
const char* folder_of_the_compiler();  // __FILE__ is relative to it
