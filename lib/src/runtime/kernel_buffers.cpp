#include "ringkernel/kernel_buffers.hpp"

#include <algorithm>

namespace ringkernel {

KernelBuffers& KernelBuffers::load(std::string_view buffer, std::string file) {
  of(buffer).load_file = std::move(file);
  return *this;
}

KernelBuffers& KernelBuffers::save(std::string_view buffer, std::string file) {
  of(buffer).save_file = std::move(file);
  return *this;
}

BufferBinding& KernelBuffers::of(std::string_view buffer) {
  const auto found =
      std::find_if(bindings_.begin(), bindings_.end(),
                   [&](const BufferBinding& binding) { return binding.name == buffer; });
  if (found != bindings_.end()) return *found;
  bindings_.emplace_back().name = buffer;
  return bindings_.back();
}

}  // namespace ringkernel
