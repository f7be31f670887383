// Brings the contents of a kernel's buffers from files and the program's memory, and takes them
// back there; where the buffers themselves lie is the backend's.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "backends/backend.hpp"
#include "core/npy.hpp"
#include "ringkernel/kernel_buffers.hpp"

namespace ringkernel::runtime {

class BufferTransfer {
 public:
  BufferTransfer() = default;
  // Opens what is loaded. NotFound, IoError: a file cannot be read; ValidationError: it holds
  // something else; InvalidConfig: no such buffer, or memory of another size.
  static Result<BufferTransfer> open(const HandlerModule& module, const KernelBuffers& buffers,
                                     const std::string& kernel);

  // Per buffer of the module: gives the next bytes of its contents; empty: it is zeroed. Valid as
  // long as this is not moved, until close_sources().
  std::vector<backends::FillPart> sources();
  void close_sources();  // the files that were loaded

  // How the backend gives a buffer's bytes, in parts.
  using Read = std::function<Result<void>(uint32_t buffer, const backends::TakePart& take)>;
  // Every buffer that is saved, even where an earlier one could not be; the first error.
  Result<void> save(const Read& read) const;
  bool saves() const;

 private:
  struct One {
    uint32_t index = 0;  // in the module
    ArrayType type;
    BufferBinding binding;
    std::optional<NpyReader> file;
    size_t given = 0;  // bytes of the program's memory
  };
  static Result<One> open_one(const HandlerModule& module, const BufferBinding& binding);
  static Result<void> save_one(const One& one, const Read& read);

  uint32_t count_ = 0;
  std::vector<One> bound_;
};

}  // namespace ringkernel::runtime
