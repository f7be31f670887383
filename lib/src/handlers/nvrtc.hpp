// NVRTC, NVIDIA's run-time compiler, opened at run time and once per process: CUDA C++ to code for
// a GPU, which need not be here, nor its driver.
#pragma once

#include <string>
#include <vector>

#include "ringkernel/error.hpp"

namespace ringkernel::handlers {

class Nvrtc {
 public:
  // The same answer at every call, from any thread. The library is the one that
  // RINGK_NVRTC_LIBRARY names, else libnvrtc.so.13 or .12 where the linker or CUDA's installer
  // looks. CompilerNotFound: there is none.
  static Result<const Nvrtc*> open();

  int major() const { return major_; }
  int minor() const { return minor_; }
  std::string version() const;                               // "13.0"
  const std::string& path() const { return path_; }          // of the library
  const std::string& identity() const { return identity_; }  // for artefacts made with it
  // What it compiles for, ascending: 75 stands for compute capability 7.5.
  const std::vector<int>& architectures() const { return architectures_; }
  bool supports(const std::string& architecture) const;  // "sm_90", "compute_90"

  struct Unit {
    std::string text;
    std::string name;                  // in place of a file's
    std::string architecture;          // "sm_90": a cubin and its PTX; "compute_90": PTX alone
    std::vector<std::string> include;  // folders
    std::vector<std::string> options;
  };
  struct Compiled {
    std::string cubin;
    std::string ptx;
    std::string log;
  };
  // Any number of threads at a time. CompilationError with what the compiler said.
  Result<Compiled> compile(const Unit& unit) const;

 private:
  using Program = struct ProgramOfNvrtc*;
  using Size = int (*)(Program, size_t*);
  using Read = int (*)(Program, char*);

  Nvrtc() = default;
  Result<void> load();
  static std::string read(Program program, Size size, Read read);

  int (*get_version_)(int*, int*) = nullptr;
  int (*get_architecture_count_)(int*) = nullptr;
  int (*get_architectures_)(int*) = nullptr;
  const char* (*get_error_)(int) = nullptr;
  int (*create_)(Program*, const char*, const char*, int, const char* const*,
                 const char* const*) = nullptr;
  int (*compile_)(Program, int, const char* const*) = nullptr;
  int (*destroy_)(Program*) = nullptr;
  Size log_size_ = nullptr, cubin_size_ = nullptr, ptx_size_ = nullptr;
  Read log_ = nullptr, cubin_ = nullptr, ptx_ = nullptr;

  int major_ = 0, minor_ = 0;
  std::string path_;
  std::string identity_;
  std::vector<int> architectures_;
};

}  // namespace ringkernel::handlers
