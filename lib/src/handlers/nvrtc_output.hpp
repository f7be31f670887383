// What NVRTC says, in the forms that the host's compilers use and editors know.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ringkernel::handlers {

// "file(3): error: what", with the line and a caret below it, becomes "file:3:8: error: what"; the
// chain of instantiations and the closing counts go.
std::string in_host_form(std::string_view log);

// What a kernel takes of a GPU, as the assembler's report has it (--ptxas-options=-v).
struct KernelUsage {
  uint32_t registers = 0;      // a thread
  uint32_t shared_memory = 0;  // bytes a block, without what the launch adds
  uint32_t stack = 0;          // bytes a thread
  uint32_t spilled = 0;        // bytes a thread, stores and loads together
};
// Of the entry function `name`; all 0 where the report has none.
KernelUsage usage_of(std::string_view log, std::string_view name);

}  // namespace ringkernel::handlers
