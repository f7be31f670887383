// nvJitLink, the linker for device code that comes with NVRTC, opened at run time: from parts to
// one cubin. Without it handlers are compiled whole, which takes longer.
#pragma once

#include <string>
#include <vector>

#include "handlers/nvrtc.hpp"
#include "ringkernel/error.hpp"

namespace ringkernel::handlers {

class NvJitLink {
 public:
  // The one that fits this NVRTC: RINGK_NVJITLINK_LIBRARY, else beside it, else where the linker
  // looks. Null: there is none. The same answer at every call, from any thread.
  static const NvJitLink* of(const Nvrtc& nvrtc);

  const std::string& path() const { return path_; }          // of the library
  const std::string& identity() const { return identity_; }  // for artefacts made with it

  struct Linked {
    std::string cubin;
    std::string log;
  };
  // Relocatable cubins of one architecture. Any number of threads at a time. CompilationError with
  // what the linker said.
  Result<Linked> link(const std::string& architecture,
                      const std::vector<std::string>& cubins) const;

 private:
  using Handle = struct HandleOfNvJitLink*;
  using Size = int (*)(Handle, size_t*);
  using Read = int (*)(Handle, char*);

  NvJitLink() = default;
  bool load(const Nvrtc& nvrtc);
  static std::string read(Handle handle, Size size, Read read);

  int (*create_)(Handle*, uint32_t, const char**) = nullptr;
  int (*add_)(Handle, int, const void*, size_t, const char*) = nullptr;
  int (*complete_)(Handle) = nullptr;
  int (*destroy_)(Handle*) = nullptr;
  Size cubin_size_ = nullptr, error_size_ = nullptr, info_size_ = nullptr;
  int (*cubin_)(Handle, void*) = nullptr;
  Read error_ = nullptr, info_ = nullptr;

  std::string path_;
  std::string identity_;
};

}  // namespace ringkernel::handlers
