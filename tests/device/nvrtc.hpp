// NVRTC, opened at run time: compiles CUDA C++ without a GPU, a driver or a toolkit.
#pragma once

#include <dlfcn.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace ringkernel::testing {

class Nvrtc {
 public:
  struct Compiled {
    bool ok = false;
    std::string log;
    std::string cubin;
    std::string ptx;
  };

  // None: the library is not on this machine.
  static std::optional<Nvrtc> open() {
    constexpr std::array kNames = {"libnvrtc.so.13", "libnvrtc.so.12",
                                   "/usr/local/cuda/lib64/libnvrtc.so.13",
                                   "/usr/local/cuda/lib64/libnvrtc.so.12"};
    for (const char* name : kNames)
      if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return Nvrtc(library);
    return std::nullopt;
  }

  // `arch`: "sm_90". The headers are found in the folders of `include`.
  Compiled compile(const std::string& text, const std::string& name, const std::string& arch,
                   const std::vector<std::string>& include) const {
    // Full optimisation takes ten times as long and finds no more errors.
    std::vector<std::string> flags = {"--std=c++20", "--gpu-architecture=" + arch,
                                      "-default-device", "--Ofast-compile=max"};
    for (const std::string& folder : include) flags.push_back("--include-path=" + folder);
    std::vector<const char*> arguments;
    for (const std::string& flag : flags) arguments.push_back(flag.c_str());
    Compiled result;
    Program program = nullptr;
    if (create_(&program, text.c_str(), name.c_str(), 0, nullptr, nullptr) != 0) return result;
    result.ok = compile_(program, static_cast<int>(arguments.size()), arguments.data()) == 0;
    result.log = read(program, log_size_, log_);
    if (result.ok) {
      result.cubin = read(program, cubin_size_, cubin_);
      result.ptx = read(program, ptx_size_, ptx_);
    }
    destroy_(&program);
    return result;
  }

 private:
  using Program = struct _nvrtcProgram*;
  using Size = int (*)(Program, size_t*);
  using Read = int (*)(Program, char*);

  explicit Nvrtc(void* library) {
    find(library, "nvrtcCreateProgram", create_);
    find(library, "nvrtcCompileProgram", compile_);
    find(library, "nvrtcDestroyProgram", destroy_);
    find(library, "nvrtcGetProgramLogSize", log_size_);
    find(library, "nvrtcGetProgramLog", log_);
    find(library, "nvrtcGetCUBINSize", cubin_size_);
    find(library, "nvrtcGetCUBIN", cubin_);
    find(library, "nvrtcGetPTXSize", ptx_size_);
    find(library, "nvrtcGetPTX", ptx_);
  }
  template <class F>
  static void find(void* library, const char* symbol, F& function) {
    function = reinterpret_cast<F>(dlsym(library, symbol));
  }
  static std::string read(Program program, Size size, Read read) {
    size_t bytes = 0;
    if (size(program, &bytes) != 0 || bytes == 0) return "";
    std::string text(bytes, '\0');
    return read(program, text.data()) == 0 ? text : "";
  }

  int (*create_)(Program*, const char*, const char*, int, const char* const*,
                 const char* const*) = nullptr;
  int (*compile_)(Program, int, const char* const*) = nullptr;
  int (*destroy_)(Program*) = nullptr;
  Size log_size_ = nullptr, cubin_size_ = nullptr, ptx_size_ = nullptr;
  Read log_ = nullptr, cubin_ = nullptr, ptx_ = nullptr;
};

}  // namespace ringkernel::testing
