// Compiles what runs on a GPU for several GPUs, with none at hand: every device header by itself,
// a whole resident kernel, what all kernels share, the handlers of every topology in configs/,
// those of the tests, and the kernels that resident ones are measured beside. usage:
// ringkernel_nvrtc_test SOURCE_FOLDER 77: NVRTC is not on this machine
#include "handlers/nvrtc.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <mutex>
#include <regex>

#include "handlers/device_compiler.hpp"
#include "handlers/side_by_side.hpp"
#include "launcher/handler_specs.hpp"
#include "topology/load.hpp"

using namespace ringkernel;
using namespace ringkernel::handlers;
namespace fs = std::filesystem;

namespace {

constexpr std::array kArchitectures = {"sm_75", "sm_80", "sm_90", "sm_100", "sm_120"};

// One block of a cluster that sends to another's shared memory.
constexpr const char* kCluster = R"(
#include "ringkernel/device/device_thread.hpp"
#include "ringkernel/device/spsc_ring.hpp"
using namespace ringkernel;
extern "C" __global__ void beside(SpscReceiver from, SpscSender to, uint32_t rank) {
  DeviceThread thread;
  thread.sync_cluster();
  to.ring = ring_at(thread.shared_of(rank), to.ring.capacity, to.ring.stride);
  from.ring = ring_at(thread.shared(), to.ring.capacity, to.ring.stride);
  if (from.available<Scope::Cluster>() > 0 && to.room<Scope::Cluster>(1) > 0) {
    to.append()->message_id = from.front()->message_id;
    to.publish<Scope::Cluster>();
    from.pop();
    from.release<Scope::Cluster>();
  }
  thread.sync_cluster();
}
)";

class Run {
 public:
  Run(const Nvrtc& nvrtc, fs::path source, fs::path scratch)
      : nvrtc_(nvrtc), source_(std::move(source)), cache_((scratch / "cache").string()) {
    for (const char* one : kArchitectures)
      if (nvrtc.supports(one))
        architectures_.emplace_back(one);
      else
        std::cout << "NVRTC " << nvrtc.version() << " does not know " << one << "\n";
  }

  void headers() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(source_ / "lib/include/ringkernel/device"))
      names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    for (const std::string& name : names)
      for (const std::string& arch : architectures_)
        jobs_.push_back([this, name, arch] {
          // Full optimisation would take long and find no more errors.
          compile("#include \"ringkernel/device/" + name + "\"\n", name, arch,
                  {"--Ofast-compile=max"});
        });
  }

  // A whole resident kernel: words that the host sees have the system's scope, those of wires the
  // device's.
  void rings() {
    HandlerSpec echo;
    const auto number = schema::make_message_type("Number", {{"id", "u64", ""}}, {}).value();
    echo.kernel = "echo";
    echo.kind = HandlerSpec::Kind::Builtin;
    echo.builtin = "echo";
    echo.messages = echo.accepts = {number};
    echo.emits = {{"out", number, 1}};
    for (const std::string& arch : architectures_)
      jobs_.push_back([this, echo, target = "compute_" + arch.substr(3)] {
        const auto code = compile_for_device(echo, target, cache_);
        if (!code) return complain("echo for " + target, code.error().message);
        for (const char* wanted :
             {"ld.acquire.sys", "st.release.sys", "ld.acquire.gpu", "st.release.gpu"})
          if (code->image.find(wanted) == std::string::npos)
            complain("echo for " + target, "the PTX has no " + std::string(wanted));
        // A fence of its own orders more than is asked for, and costs a trip to the memory.
        for (const char* fence : {"membar", "fence."})
          if (code->image.find(fence) != std::string::npos)
            complain("echo for " + target, "the PTX has a " + std::string(fence));
      });
  }

  void clusters() {
    for (const std::string& arch : architectures_)
      jobs_.push_back([this, arch] {
        const std::string ptx = compile(kCluster, "cluster", arch, {"--fmad=false"});
        const bool has_clusters = arch != "sm_75" && arch != "sm_80";
        for (const char* wanted : {"mapa.u64", "ld.acquire.cluster", "st.release.cluster",
                                   "barrier.cluster.arrive", "barrier.cluster.wait"})
          if ((ptx.find(wanted) != std::string::npos) != has_clusters)
            complain("cluster for " + arch,
                     (has_clusters ? "the PTX has no " : "the PTX has a ") + std::string(wanted));
        for (const char* fence : {"membar", "fence"})
          if (ptx.find(fence) != std::string::npos)
            complain("cluster for " + arch, "the PTX has a " + std::string(fence));
      });
  }

  void shared_code() {
    for (const std::string& arch : architectures_)
      jobs_.push_back([this, arch] {
        const auto unit = shared_unit(arch);
        const auto compiled = unit ? nvrtc_.compile(*unit) : tl::unexpected(unit.error());
        if (!compiled) return complain("shared code for " + arch, compiled.error().message);
        static const std::regex kSpills("([1-9][0-9]*) bytes spill|(Function properties for .*)");
        std::string function;
        std::sregex_iterator at(compiled->log.begin(), compiled->log.end(), kSpills);
        if (at == std::sregex_iterator()) complain("shared code for " + arch, "has no function");
        for (; at != std::sregex_iterator(); ++at)
          if ((*at)[2].matched)
            function = (*at)[2];
          else
            complain("shared code for " + arch, function + ": spills");
        for (const char* fence : {"membar", "fence"})
          if (compiled->ptx.find(fence) != std::string::npos)
            complain("shared code for " + arch, "the PTX has a " + std::string(fence));
      });
  }

  void baselines() {
    for (const std::string& arch : architectures_)
      jobs_.push_back([this, arch] {
        compile("#define RK_LADDER_ENTRIES\n#include \"cuda/ladder/baseline_kernels.hpp\"\n",
                "baselines", arch, {});
      });
  }

  // The handler structs of a header, for one GPU: what differs between GPUs is seen above.
  void structs(const std::string& header) {
    std::ifstream file(source_ / header);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    static const std::regex kStruct(R"(\n *RK_(?:DEVICE_SOURCE|LADDER_ECHO)\((\w+)[^\\\n]*(?=\n))");
    size_t found = 0;
    for (std::sregex_iterator at(text.begin(), text.end(), kStruct), end; at != end; ++at, ++found)
      jobs_.push_back([this, header, type = (*at)[1].str()] {
        const auto code = compile_struct_for_device(
            header, type, {source_.string(), (source_ / "tests").string()}, "sm_90", cache_);
        if (!code) complain(header + ", " + type, code.error().message);
      });
    if (found == 0) complain(header, "has no handler struct");
  }

  void handlers() {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(source_ / "configs"))
      if (entry.path().extension() == ".yaml") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) topology(file);
  }

  int finish() {
    side_by_side(jobs_.size(), [&](size_t i) { jobs_[i](); });
    std::cout << jobs_.size() << " compiled, " << complaints_ << " complaints\n";
    return complaints_ == 0 && !jobs_.empty() ? 0 : 1;
  }

 private:
  void topology(const fs::path& file) {
    const auto loaded = topology::load(file.string());
    if (!loaded || !loaded->topology) {
      complain(file.string(), "does not load");
      return;
    }
    for (const topology::Kernel& kernel : loaded->topology->kernels) {
      if (kernel.backend == Backend::Cpu) continue;  // may use all of C++
      const auto spec = launcher::handler_spec(*loaded->topology, kernel);
      for (const std::string& arch : architectures_)
        jobs_.push_back([this, spec, arch, name = file.stem().string() + "/" + spec.kernel] {
          handler(spec, name + " for " + arch, arch);
        });
    }
  }

  void handler(const HandlerSpec& spec, const std::string& name, const std::string& arch) {
    const auto code = compile_for_device(spec, arch, cache_);
    if (!code) {
      complain(name, code.error().message);
      return;
    }
    if (code->usage.registers == 0) complain(name, "it has no entry");
    if (code->usage.spilled != 0)
      complain(name, std::to_string(code->usage.spilled) + " bytes spilled");
  }

  // The PTX.
  std::string compile(const std::string& text, const std::string& name, const std::string& arch,
                      std::vector<std::string> options) {
    options.insert(options.end(), {"--std=c++20", "-default-device"});
    const auto compiled =
        nvrtc_.compile({text,
                        name,
                        arch,
                        {(source_ / "lib/include").string(), (source_ / "tests").string()},
                        options});
    if (compiled && !compiled->cubin.empty()) return compiled->ptx;
    complain(name + " for " + arch, compiled ? "no cubin" : compiled.error().message);
    return "";
  }

  void complain(const std::string& where, const std::string& what) {
    const std::lock_guard lock(mutex_);
    std::cout << "== " << where << "\n" << what << "\n";
    ++complaints_;
  }

  const Nvrtc& nvrtc_;
  const fs::path source_;
  const ArtefactCache cache_;
  std::vector<std::string> architectures_;
  std::vector<std::function<void()>> jobs_;
  std::mutex mutex_;
  int complaints_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: ringkernel_nvrtc_test SOURCE_FOLDER\n";
    return 2;
  }
  const auto nvrtc = Nvrtc::open();
  if (!nvrtc) {
    std::cout << "skipped: " << nvrtc.error().message << "\n";
    return 77;
  }
  std::string scratch = (fs::temp_directory_path() / "ringkernel-nvrtc-XXXXXX").string();
  if (mkdtemp(scratch.data()) == nullptr) return 1;
  Run run(**nvrtc, argv[1], scratch);
  run.headers();
  run.rings();
  run.clusters();
  run.shared_code();
  run.baselines();
  run.handlers();
  for (const char* header : {"tests/backend/device_handlers.hpp",
                             "tests/backend/gated_handlers.hpp", "tests/cuda/ladder/handlers.hpp"})
    run.structs(header);
  const int code = run.finish();
  fs::remove_all(scratch);
  return code;
}
