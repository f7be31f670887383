#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "backend/messages.hpp"

ringkernel::Backend backend_under_test() { return ringkernel::Backend::Cpu; }
const char* folder_of_the_compiler() { return RK_BUILD_FOLDER; }
