#include "handlers/nvjitlink.hpp"

#include <cstdlib>
#include <memory>

#include "handlers/dynamic_library.hpp"
#include "handlers/file_identity.hpp"

namespace ringkernel::handlers {
namespace {

constexpr int kCubin = 1;  // nvJitLinkInputType

std::string value_of(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

void* open_linker(const Nvrtc& nvrtc) {
  if (const std::string told = value_of("RINGK_NVJITLINK_LIBRARY"); !told.empty())
    return dlopen(told.c_str(), RTLD_NOW | RTLD_LOCAL);
  const std::string name = "libnvJitLink.so." + std::to_string(nvrtc.major());
  const std::string folder = nvrtc.path().substr(0, nvrtc.path().rfind('/') + 1);
  if (void* library = dlopen((folder + name).c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  // An NVRTC that was named by its path may be of another release than what the system has.
  if (!value_of("RINGK_NVRTC_LIBRARY").empty()) return nullptr;
  return dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
}

}  // namespace

const NvJitLink* NvJitLink::of(const Nvrtc& nvrtc) {
  static const std::unique_ptr<const NvJitLink> kLinker = [&]() {
    auto linker = std::unique_ptr<NvJitLink>(new NvJitLink());
    if (!linker->load(nvrtc)) linker.reset();
    return linker;
  }();
  return kLinker.get();
}

bool NvJitLink::load(const Nvrtc& nvrtc) {
  void* library = open_linker(nvrtc);
  int (*get_version)(uint32_t*, uint32_t*) = nullptr;
  uint32_t major = 0, minor = 0;
  if (library == nullptr || !find_symbol(library, "nvJitLinkVersion", get_version) ||
      !find_symbol(library, "nvJitLinkCreate", create_) ||
      !find_symbol(library, "nvJitLinkAddData", add_) ||
      !find_symbol(library, "nvJitLinkComplete", complete_) ||
      !find_symbol(library, "nvJitLinkDestroy", destroy_) ||
      !find_symbol(library, "nvJitLinkGetLinkedCubinSize", cubin_size_) ||
      !find_symbol(library, "nvJitLinkGetLinkedCubin", cubin_) ||
      !find_symbol(library, "nvJitLinkGetErrorLogSize", error_size_) ||
      !find_symbol(library, "nvJitLinkGetErrorLog", error_) ||
      !find_symbol(library, "nvJitLinkGetInfoLogSize", info_size_) ||
      !find_symbol(library, "nvJitLinkGetInfoLog", info_) || get_version(&major, &minor) != 0)
    return false;
  // It reads what compilers up to its own release have made.
  if (static_cast<int>(major) != nvrtc.major() || static_cast<int>(minor) < nvrtc.minor())
    return false;
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(get_version), &info) != 0 && info.dli_fname != nullptr)
    path_ = info.dli_fname;
  identity_ = std::to_string(major) + "." + std::to_string(minor) + ":" + file_identity(path_);
  return true;
}

Result<NvJitLink::Linked> NvJitLink::link(const std::string& architecture,
                                          const std::vector<std::string>& cubins) const {
  const std::string target = "-arch=" + architecture;
  const char* options[] = {target.c_str(), "-verbose"};
  Handle handle = nullptr;
  int result = create_(&handle, 2, options);
  if (result != 0)
    return fail(ErrorCode::CompilationError, "nvJitLink does not link for " + architecture);
  for (const std::string& cubin : cubins)
    if (result == 0) result = add_(handle, kCubin, cubin.data(), cubin.size(), "kernel");
  if (result == 0) result = complete_(handle);
  Linked linked;
  linked.log = read(handle, info_size_, info_);
  size_t bytes = 0;
  if (result == 0 && cubin_size_(handle, &bytes) == 0) {
    linked.cubin.resize(bytes);
    result = cubin_(handle, linked.cubin.data());
  }
  const std::string error = read(handle, error_size_, error_);
  destroy_(&handle);
  if (result != 0 || linked.cubin.empty())
    return fail(ErrorCode::CompilationError, "the linker for device code: " + error);
  return linked;
}

std::string NvJitLink::read(Handle handle, Size size, Read read) {
  size_t bytes = 0;
  if (size(handle, &bytes) != 0 || bytes == 0) return "";
  std::string text(bytes, '\0');
  if (read(handle, text.data()) != 0) return "";
  while (!text.empty() && text.back() == '\0') text.pop_back();
  return text;
}

}  // namespace ringkernel::handlers
