// What NVRTC says, in the forms that the host's compilers use and editors know.
#pragma once

#include <cstdint>
#include <optional>
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

// What of a handler only its compiler knows: traits::layout_of in device/make_resident.hpp.
struct HandlerLayout {
  uint32_t state_size = 0;
  uint32_t state_alignment = 1;
  bool has_start = false;
  bool has_stop = false;
  bool has_poll = false;
};
// The line of a PTX text that has it; empty: none has.
std::string layout_line(std::string_view ptx);
std::optional<HandlerLayout> layout_of(std::string_view line);

}  // namespace ringkernel::handlers
