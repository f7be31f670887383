// Compiles what runs on a GPU for several GPUs, with none at hand: every device header by itself,
// and the handlers of every topology in configs/.
// usage: ringkernel_nvrtc_test SOURCE_FOLDER       77: NVRTC is not on this machine
#include "device/nvrtc.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "handlers/generate.hpp"
#include "launcher/handler_specs.hpp"
#include "topology/load.hpp"

using namespace ringkernel;
using ringkernel::testing::Nvrtc;
namespace fs = std::filesystem;

namespace {

constexpr std::array kArchitectures = {"sm_75", "sm_90", "sm_100"};

class Run {
 public:
  Run(const Nvrtc& nvrtc, fs::path source) : nvrtc_(nvrtc), source_(std::move(source)) {}

  void headers() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(source_ / "lib/include/ringkernel/device"))
      names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    for (const std::string& name : names)
      compile(name, "#include \"ringkernel/device/" + name + "\"\n", {}, false);
  }

  void handlers() {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(source_ / "configs"))
      if (entry.path().extension() == ".yaml") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) topology(file);
  }

  int finish() const {
    std::cout << compiled_ << " compiled, " << failed_ << " failed\n";
    return failed_ == 0 && compiled_ > 0 ? 0 : 1;
  }

 private:
  void topology(const fs::path& file) {
    auto loaded = topology::load(file.string());
    if (!loaded || !loaded->topology) {
      std::cout << file << ": does not load\n";
      ++failed_;
      return;
    }
    for (const topology::Kernel& kernel : loaded->topology->kernels) {
      const auto spec = launcher::handler_spec(*loaded->topology, kernel);
      if (spec.kind == handlers::HandlerSpec::Kind::Builtin) continue;
      if (kernel.backend == Backend::Cpu) continue;  // may use all of C++
      std::vector<std::string> include = spec.include;
      if (!spec.source.empty()) include.push_back(fs::path(spec.source).parent_path().string());
      compile(file.stem().string() + "/" + spec.kernel, generate(spec, spec.source), include, true);
    }
  }

  void compile(const std::string& name, const std::string& text, std::vector<std::string> include,
               bool has_kernel) {
    include.push_back((source_ / "lib/include").string());
    for (const char* arch : kArchitectures) {
      const Nvrtc::Compiled result = nvrtc_.compile(text, name, arch, include);
      const bool whole =
          result.ok && (!has_kernel || result.ptx.find("rk_resident") != std::string::npos);
      ++compiled_;
      if (whole) continue;
      ++failed_;
      std::cout << "== " << name << " for " << arch << "\n" << result.log << "\n";
      break;  // the others say the same
    }
  }

  const Nvrtc& nvrtc_;
  const fs::path source_;
  int compiled_ = 0;
  int failed_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: ringkernel_nvrtc_test SOURCE_FOLDER\n";
    return 2;
  }
  const auto nvrtc = Nvrtc::open();
  if (!nvrtc) {
    std::cout << "skipped: NVRTC is not on this machine\n";
    return 77;
  }
  Run run(*nvrtc, argv[1]);
  run.headers();
  run.handlers();
  return run.finish();
}
