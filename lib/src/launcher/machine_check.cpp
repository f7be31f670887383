#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "handlers/artefact_cache.hpp"
#include "handlers/device_compiler.hpp"
#include "handlers/host_compiler.hpp"
#include "handlers/load.hpp"
#include "handlers/nvjitlink.hpp"
#include "handlers/nvrtc.hpp"
#include "launcher/control_protocol.hpp"
#include "launcher/service_folders.hpp"
#include "ringkernel/machine.hpp"
#include "ringkernel/service.hpp"

namespace ringkernel {
namespace {

using launcher::Json;
using Outcome = MachineCheck::Outcome;
namespace fs = std::filesystem;

std::string sentence(const Error& error) {
  return error.where.empty() ? error.message : error.where + ": " + error.message;
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::error_code code;
    std::string pattern = (fs::temp_directory_path(code) / "ringk-doctor-XXXXXX").string();
    if (!code && mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code code;
    if (!path_.empty()) fs::remove_all(path_, code);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string milliseconds_since(std::chrono::steady_clock::time_point begun) {
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begun);
  return std::to_string(took.count()) + " ms";
}

// A kernel with inline code, as small as one can be.
handlers::HandlerSpec small_handler() {
  const auto probe = schema::make_message_type("Probe", {{"id", "u64", ""}}, {}).value();
  handlers::HandlerSpec spec;
  spec.kernel = "doctor";
  spec.kind = handlers::HandlerSpec::Kind::Code;
  spec.code =
      "RK_HANDLER void on_message(Context& ctx, const Probe& m) { ctx.emit(port::out, m); }\n";
  spec.code_file = "doctor";
  spec.code_line = 1;
  spec.messages = {probe};
  spec.accepts = {probe};
  spec.emits = {{"out", probe, 1}};
  return spec;
}

MachineCheck check_compiler() {
  const auto compiler = handlers::HostCompiler::find("");
  if (!compiler) return {Outcome::Failed, "compiler", sentence(compiler.error())};
  const TemporaryFolder cache;  // an empty one: so that it is compiled
  const auto spec = small_handler();
  const auto begun = std::chrono::steady_clock::now();
  const auto loaded = handlers::load_handlers({&spec, 1}, {cache.path(), ""});
  if (!loaded)
    return {Outcome::Failed, "compiler",
            compiler->path() + " does not compile handlers: " + sentence(loaded.error())};
  return {Outcome::Ok, "compiler",
          compiler->path() + ", a handler in " + milliseconds_since(begun)};
}

MachineCheck check_headers() {
  const auto folder = handlers::include_folder();
  if (!folder) return {Outcome::Failed, "headers", sentence(folder.error())};
  return {Outcome::Ok, "headers", *folder};
}

MachineCheck check_nvrtc() {
  const auto nvrtc = handlers::Nvrtc::open();
  if (!nvrtc)
    return {Outcome::Missing, "nvrtc",
            sentence(nvrtc.error()) + ": no handler is compiled for a GPU"};
  const TemporaryFolder folder;
  const handlers::ArtefactCache cache(folder.path());
  const std::string oldest = "sm_" + std::to_string((*nvrtc)->architectures().front());
  const auto begun = std::chrono::steady_clock::now();
  const auto code = handlers::compile_for_device(small_handler(), oldest, cache);
  if (!code)
    return {Outcome::Missing, "nvrtc",
            (*nvrtc)->path() + " does not compile handlers: " + sentence(code.error())};
  const std::string took = milliseconds_since(begun);
  const auto* linker = handlers::NvJitLink::of(**nvrtc);
  return {Outcome::Ok, "nvrtc",
          (*nvrtc)->path() + ", version " + (*nvrtc)->version() + " for " + oldest + " to sm_" +
              std::to_string((*nvrtc)->architectures().back()) + ", a handler in " + took +
              (linker != nullptr ? ", linked by " + linker->path()
                                 : ", compiled whole for want of nvJitLink")};
}

// A file can be written there.
Result<void> try_folder(const std::string& folder) {
  if (auto made = launcher::make_folders(folder); !made) return made;
  std::string file = folder + "/.ringk-doctor-XXXXXX";
  const int descriptor = mkstemp(file.data());
  if (descriptor < 0)
    return fail(ErrorCode::IoError, std::string("cannot write there: ") + strerror(errno), folder);
  close(descriptor);
  unlink(file.c_str());
  return {};
}

MachineCheck check_cache() {
  const std::string folder = handlers::default_cache_folder();
  if (folder.empty())
    return {Outcome::Missing, "cache",
            "there is no home folder, nor a temporary one of one's own; every launch compiles "
            "anew: set RINGK_CACHE_DIR"};
  if (auto tried = try_folder(folder); !tried)
    return {Outcome::Missing, "cache",
            sentence(tried.error()) + "; every launch compiles anew: set RINGK_CACHE_DIR"};
  return {Outcome::Ok, "cache", folder};
}

MachineCheck check_runtime_folder() {
  const auto folder = runtime_folder();
  if (!folder) return {Outcome::Failed, "runtime folder", sentence(folder.error())};
  if (auto tried = try_folder(*folder); !tried)
    return {Outcome::Failed, "runtime folder",
            sentence(tried.error()) + "; set RINGK_RUNTIME_DIR to a folder of your own"};
  constexpr std::string_view kSuffix = ".sock";
  const size_t most = sizeof(sockaddr_un::sun_path) - 1 - kSuffix.size() - 1;
  if (folder->size() >= most)
    return {Outcome::Failed, "runtime folder",
            *folder + ": too long for the address of a socket; set RINGK_RUNTIME_DIR"};
  return {Outcome::Ok, "runtime folder", *folder};
}

MachineCheck check_state_folder() {
  const auto folder = state_folder();
  if (!folder)
    return {Outcome::Missing, "state folder", sentence(folder.error()) + "; launch -d needs it"};
  if (auto tried = try_folder(*folder); !tried)
    return {Outcome::Missing, "state folder",
            sentence(tried.error()) + "; launch -d needs it: set RINGK_STATE_DIR"};
  return {Outcome::Ok, "state folder", *folder};
}

std::string_view name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::Ok:
      return "ok";
    case Outcome::Missing:
      return "missing";
    case Outcome::Failed:
      return "failed";
  }
  return "failed";
}

}  // namespace

std::vector<MachineCheck> check_machine() {
  std::vector<MachineCheck> checks = {check_headers(),        check_compiler(),
                                      check_nvrtc(),          check_cache(),
                                      check_runtime_folder(), check_state_folder()};
  for (const DeviceInfo& device : devices()) {
    const bool usable = device.unavailable.empty();
    checks.push_back({usable ? Outcome::Ok : Outcome::Missing, "backend " + device.name,
                      usable ? device.description
                      : device.description.empty()
                          ? device.unavailable
                          : device.description + ": " + device.unavailable});
  }
  return checks;
}

std::string to_json(const std::vector<MachineCheck>& checks) {
  bool usable = true;
  Json list = Json::array();
  for (const MachineCheck& check : checks) {
    usable = usable && check.outcome != Outcome::Failed;
    list.push_back(
        {{"name", check.name}, {"outcome", name_of(check.outcome)}, {"detail", check.detail}});
  }
  const Json document{{"schema", "ringk.doctor/1"}, {"usable", usable}, {"checks", list}};
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ringkernel
