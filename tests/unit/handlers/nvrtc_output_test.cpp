#include "handlers/nvrtc_output.hpp"

#include <doctest/doctest.h>

using namespace ringkernel::handlers;

TEST_CASE("NVRTC's errors get the form that editors know, with the caret's column") {
  CHECK(in_host_form("/h/score.hpp(3): error: identifier \"oops\" is undefined\n"
                     "  \t   y = oops(3);\n"
                     "  \t       ^\n"
                     "\n"
                     "1 error detected in the compilation of \"<before the handler>\".\n") ==
        "/h/score.hpp:3:9: error: identifier \"oops\" is undefined\n"
        "  \t   y = oops(3);\n"
        "  \t       ^\n");
}

TEST_CASE("instantiations, counts and the assembler's report tell a handler's author nothing") {
  CHECK(in_host_form("a(1).hpp(2): error: expression must have class type\n"
                     "  t.foo();\n"
                     "  ^\n"
                     "          detected during instantiation of \"void tt(T)\" at line 3\n"
                     "\n"
                     "x.hpp(1): catastrophic error: cannot open source file \"cmath\"\n"
                     "  #include <cmath>\n"
                     "                  ^\n"
                     "\n"
                     "ptxas info    : 0 bytes gmem\n"
                     "Compilation terminated.\n") ==
        "a(1).hpp:2:1: error: expression must have class type\n"
        "  t.foo();\n"
        "  ^\n"
        "x.hpp:1:17: catastrophic error: cannot open source file \"cmath\"\n"
        "  #include <cmath>\n"
        "                  ^\n");
}

TEST_CASE("an error without a line shown has no column, and other lines stay") {
  CHECK(in_host_form("x.hpp(7): error: static assertion failed with \"no port\"\n\n"
                     "nvrtc: error: invalid value for --gpu-architecture\n") ==
        "x.hpp:7: error: static assertion failed with \"no port\"\n"
        "nvrtc: error: invalid value for --gpu-architecture\n");
  CHECK(in_host_form("").empty());
  CHECK(in_host_form("ptxas info    : 0 bytes gmem\n"
                     "ptxas fatal   : Unresolved extern function '_Z4lostd'\n") ==
        "ptxas fatal   : Unresolved extern function '_Z4lostd'\n");
}

TEST_CASE("where a kernel is linked, the linker says how many registers it takes") {
  const auto usage = usage_of(
      "ptxas info    : Compiling entry function 'k' for 'sm_90'\n"
      "ptxas         .     368 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
      "ptxas info    : Used 30 registers, used 1 barriers, 16 bytes smem\n"
      "info    : Function properties for 'k':\n"
      "info    : used 62 registers, used 1 barriers, 656 stack, 1040 bytes smem, 0 bytes lmem\n",
      "k");
  CHECK(usage.registers == 62);
  CHECK(usage.stack == 656);
  CHECK(usage.shared_memory == 16);
  CHECK(usage.spilled == 0);
}

TEST_CASE("the assembler's report gives what a kernel takes") {
  const auto usage = usage_of(
      "ptxas info    : 0 bytes gmem\n"
      "ptxas info    : Compiling entry function 'other' for 'sm_90'\n"
      "ptxas info    : Used 8 registers, used 0 barriers\n"
      "ptxas info    : Compiling entry function 'k' for 'sm_90'\n"
      "ptxas info    : Function properties for k\n"
      "ptxas         .     400 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads\n"
      "ptxas info    : Used 32 registers, used 1 barriers, 400 bytes cumulative stack size, "
      "96 bytes smem\n"
      "ptxas info    : Compile time = 18.611 ms\n",
      "k");
  CHECK(usage.registers == 32);
  CHECK(usage.shared_memory == 96);
  CHECK(usage.stack == 400);
  CHECK(usage.spilled == 20);
  CHECK(usage_of("", "k").registers == 0);
}
