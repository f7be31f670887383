// A test double of NVRTC: compiles the same text for the host, with the compiler that built the
// tests, into what the simulated driver loads.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "cuda/simulated_image.hpp"

namespace {

struct Program {
  std::string text, name, log, image, ptx;
};

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// The one line of PTX that somebody reads.
std::string layout_in_ptx(const std::string& object) {
  void* library = dlopen(object.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return "";
  const auto* layout = static_cast<const uint64_t*>(dlsym(library, "rk_layout"));
  std::string line;
  if (layout != nullptr)
    line = ".visible .global .align 8 .u64 rk_layout = " + std::to_string(*layout) + ";\n";
  dlclose(library);
  return line;
}

int copy_out(const std::string& from, char* to) {
  std::memcpy(to, from.data(), from.size());
  to[from.size()] = 0;
  return 0;
}

}  // namespace

extern "C" {
#define SIMULATED __attribute__((visibility("default")))

SIMULATED int nvrtcVersion(int* major, int* minor) {
  *major = 13;
  *minor = 0;
  return 0;
}
SIMULATED int nvrtcGetNumSupportedArchs(int* n) {
  *n = 5;
  return 0;
}
SIMULATED int nvrtcGetSupportedArchs(int* archs) {
  const int all[] = {75, 80, 90, 100, 120};
  std::memcpy(archs, all, sizeof all);
  return 0;
}
SIMULATED const char* nvrtcGetErrorString(int error) {
  return error == 0 ? "NVRTC_SUCCESS" : "NVRTC_ERROR_COMPILATION";
}
SIMULATED int nvrtcCreateProgram(Program** program, const char* text, const char* name, int,
                                 const char* const*, const char* const*) {
  *program = new Program{text, name == nullptr ? "unit" : name, "", "", ""};
  return 0;
}
SIMULATED int nvrtcDestroyProgram(Program** program) {
  delete *program;
  *program = nullptr;
  return 0;
}
SIMULATED int nvrtcCompileProgram(Program* program, int count, const char* const* options) {
  char folder[] = "/tmp/rk-simulated-nvrtc-XXXXXX";
  if (mkdtemp(folder) == nullptr) return 6;
  const std::string stem = std::string(folder) + "/unit";
  std::ofstream(stem + ".cpp") << program->text;
  std::string command =
      std::string(RK_COMPILER) +
      " -std=c++20 -Og -g1 -fPIC -shared -fno-gnu-unique -Wl,-Bsymbolic -ffp-contract=off "
      "-fvisibility=hidden -DRK_SIMULATED_DEVICE " RK_SANITIZE;
  for (int i = 0; i < count; ++i) {
    const std::string option = options[i];
    constexpr const char* kInclude = "--include-path=";
    if (option.starts_with(kInclude))
      command += " -I" + quoted(option.substr(std::strlen(kInclude)));
    if (option.starts_with("-D") || option.starts_with("-U") || option.starts_with("-I"))
      command += " " + quoted(option);
  }
  command += " -o " + stem + ".so " + stem + ".cpp > " + stem + ".log 2>&1";
  const int status = std::system(command.c_str());
  program->log = read_file(stem + ".log");
  const std::string object = read_file(stem + ".so");
  SimulatedImage head{};
  std::memcpy(head.magic, SimulatedImage::kMagic, sizeof head.magic);
  head.bytes = object.size();
  program->image.assign(reinterpret_cast<const char*>(&head), sizeof head);
  program->image += object;
  if (status == 0) program->ptx = layout_in_ptx(stem + ".so");
  for (const char* end : {".cpp", ".so", ".log"}) unlink((stem + end).c_str());
  rmdir(folder);
  return status == 0 ? 0 : 6;
}
SIMULATED int nvrtcGetProgramLogSize(Program* program, size_t* size) {
  *size = program->log.size() + 1;
  return 0;
}
SIMULATED int nvrtcGetProgramLog(Program* program, char* log) {
  return copy_out(program->log, log);
}
SIMULATED int nvrtcGetCUBINSize(Program* program, size_t* size) {
  *size = program->image.size();
  return 0;
}
SIMULATED int nvrtcGetCUBIN(Program* program, char* image) {
  std::memcpy(image, program->image.data(), program->image.size());
  return 0;
}
SIMULATED int nvrtcGetPTXSize(Program* program, size_t* size) {
  *size = program->ptx.size() + 1;
  return 0;
}
SIMULATED int nvrtcGetPTX(Program* program, char* text) { return copy_out(program->ptx, text); }
}
