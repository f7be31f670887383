#include "handlers/nvrtc.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "handlers/dynamic_library.hpp"
#include "handlers/file_identity.hpp"

namespace ringkernel::handlers {
namespace {

// A newer one compiles for every GPU that an older one knows.
constexpr std::array kNames = {"libnvrtc.so.13", "libnvrtc.so.12"};
constexpr std::array kFolders = {"", "/usr/local/cuda/lib64/", "/opt/cuda/lib64/"};

void* open_library(std::string& why) {
  const char* told = std::getenv("RINGK_NVRTC_LIBRARY");
  if (told != nullptr && *told != '\0') {
    void* library = dlopen(told, RTLD_NOW | RTLD_LOCAL);
    const char* error = library == nullptr ? dlerror() : nullptr;
    if (error != nullptr) why = std::string(" (RINGK_NVRTC_LIBRARY: ") + error + ")";
    return library;
  }
  for (const char* folder : kFolders)
    for (const char* name : kNames)
      if (void* library = dlopen((std::string(folder) + name).c_str(), RTLD_NOW | RTLD_LOCAL))
        return library;
  return nullptr;
}

}  // namespace

Result<const Nvrtc*> Nvrtc::open() {
  static const Result<std::unique_ptr<const Nvrtc>> kOpened =
      []() -> Result<std::unique_ptr<const Nvrtc>> {
    auto nvrtc = std::unique_ptr<Nvrtc>(new Nvrtc());
    if (auto loaded = nvrtc->load(); !loaded) return tl::unexpected(loaded.error());
    return nvrtc;
  }();
  if (!kOpened) return tl::unexpected(kOpened.error());
  return kOpened->get();
}

Result<void> Nvrtc::load() {
  std::string why;
  void* library = open_library(why);
  if (library == nullptr)
    return fail(ErrorCode::CompilerNotFound, "NVRTC is not on this machine" + why);
  int count = 0;
  if (!find_symbol(library, "nvrtcVersion", get_version_) ||
      !find_symbol(library, "nvrtcGetNumSupportedArchs", get_architecture_count_) ||
      !find_symbol(library, "nvrtcGetSupportedArchs", get_architectures_) ||
      !find_symbol(library, "nvrtcGetErrorString", get_error_) ||
      !find_symbol(library, "nvrtcCreateProgram", create_) ||
      !find_symbol(library, "nvrtcCompileProgram", compile_) ||
      !find_symbol(library, "nvrtcDestroyProgram", destroy_) ||
      !find_symbol(library, "nvrtcGetProgramLogSize", log_size_) ||
      !find_symbol(library, "nvrtcGetProgramLog", log_) ||
      !find_symbol(library, "nvrtcGetCUBINSize", cubin_size_) ||
      !find_symbol(library, "nvrtcGetCUBIN", cubin_) ||
      !find_symbol(library, "nvrtcGetPTXSize", ptx_size_) ||
      !find_symbol(library, "nvrtcGetPTX", ptx_) || get_version_(&major_, &minor_) != 0 ||
      get_architecture_count_(&count) != 0 || count <= 0)
    return fail(ErrorCode::CompilerNotFound,
                "the NVRTC of this machine is too old: 12.8 is the first that serves");
  architectures_.resize(static_cast<size_t>(count));
  get_architectures_(architectures_.data());
  std::sort(architectures_.begin(), architectures_.end());
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(get_version_), &info) != 0 && info.dli_fname != nullptr)
    path_ = info.dli_fname;
  identity_ = version() + ":" + file_identity(path_);
  return {};
}

std::string Nvrtc::version() const { return std::to_string(major_) + "." + std::to_string(minor_); }

bool Nvrtc::supports(const std::string& architecture) const {
  return std::any_of(architectures_.begin(), architectures_.end(), [&](int one) {
    const std::string number = std::to_string(one);
    return architecture == "sm_" + number || architecture == "compute_" + number;
  });
}

Result<Nvrtc::Compiled> Nvrtc::compile(const Unit& unit) const {
  std::vector<std::string> flags = {"--gpu-architecture=" + unit.architecture};
  flags.insert(flags.end(), unit.options.begin(), unit.options.end());
  for (const std::string& folder : unit.include) flags.push_back("--include-path=" + folder);
  std::vector<const char*> arguments;
  for (const std::string& flag : flags) arguments.push_back(flag.c_str());

  Program program = nullptr;
  int result = create_(&program, unit.text.c_str(), unit.name.c_str(), 0, nullptr, nullptr);
  if (result != 0) return fail(ErrorCode::CompilationError, get_error_(result));
  result = compile_(program, static_cast<int>(arguments.size()), arguments.data());
  Compiled compiled;
  compiled.log = read(program, log_size_, log_);
  if (result == 0) {
    compiled.ptx = read(program, ptx_size_, ptx_);
    // Its size counts a final NUL, and ptxas refuses one.
    while (!compiled.ptx.empty() && compiled.ptx.back() == '\0') compiled.ptx.pop_back();
    if (unit.architecture.starts_with("sm_")) compiled.cubin = read(program, cubin_size_, cubin_);
  }
  destroy_(&program);
  while (!compiled.log.empty() && compiled.log.back() == '\0') compiled.log.pop_back();
  if (result != 0)
    return fail(ErrorCode::CompilationError,
                compiled.log.empty() ? std::string(get_error_(result)) : compiled.log);
  return compiled;
}

std::string Nvrtc::read(Program program, Size size, Read read) {
  size_t bytes = 0;
  if (size(program, &bytes) != 0 || bytes == 0) return "";
  std::string text(bytes, '\0');
  return read(program, text.data()) == 0 ? text : "";
}

}  // namespace ringkernel::handlers
