#include "handlers/device_compiler.hpp"

#include <condition_variable>
#include <mutex>
#include <set>

#include "handlers/builtin.hpp"
#include "handlers/compiler_output.hpp"
#include "handlers/generate.hpp"
#include "handlers/host_compiler.hpp"
#include "handlers/included_files.hpp"
#include "handlers/portable_name.hpp"
#include "handlers/sha256.hpp"
#include "handlers/translation_unit.hpp"

namespace ringkernel::handlers {
namespace {

// What of the host compiler's flags means the same to any compiler: -D, -U and -I.
void add_portable(const std::vector<std::string>& flags, Nvrtc::Unit& unit) {
  for (size_t i = 0; i < flags.size(); ++i) {
    const std::string kind = flags[i].substr(0, 2);
    if (kind != "-D" && kind != "-U" && kind != "-I") continue;
    const bool apart = flags[i].size() == 2;
    if (apart && ++i == flags.size()) break;
    const std::string value = apart ? flags[i] : flags[i].substr(2);
    if (kind == "-I")
      unit.include.push_back(value);
    else
      unit.options.push_back(kind + value);
  }
}

Result<Nvrtc::Unit> unit_of(const HandlerSpec& spec, std::string text,
                            const std::string& architecture) {
  auto include = include_folder();
  if (!include) return tl::unexpected(include.error());
  Nvrtc::Unit unit;
  unit.text = std::move(text);
  unit.name = "<before the handler>";
  unit.architecture = architecture;
  unit.include = {std::move(*include)};
  unit.include.insert(unit.include.end(), spec.include.begin(), spec.include.end());
  unit.options = {"--std=c++20", "-default-device", "--disable-warnings", "--ptxas-options=-v"};
  // Fused multiplications would make results differ from processor to processor.
  unit.options.emplace_back(spec.fast_math ? "--use_fast_math" : "--fmad=false");
  add_portable(spec.flags, unit);
  return unit;
}

std::string recipe_of(const Nvrtc::Unit& unit, const Nvrtc& nvrtc) {
  Sha256 sum;
  sum.add_part("device").add_part(nvrtc.identity()).add_part(unit.architecture);
  sum.add_part(unit.text);
  for (const std::string& option : unit.options) sum.add_part(option);
  for (const std::string& folder : unit.include) sum.add_part(folder);
  return sum.hex();
}

std::string extension_of(const std::string& architecture) {
  return architecture.starts_with("sm_") ? ".cubin" : ".ptx";
}

// Kernels may share a handler: the first to come compiles it, the others wait and find it in the
// cache.
class Turn {
 public:
  explicit Turn(std::string recipe) : recipe_(std::move(recipe)) {
    std::unique_lock lock(mutex());
    changed().wait(lock, [&] { return taken().insert(recipe_).second; });
  }
  ~Turn() {
    {
      const std::lock_guard lock(mutex());
      taken().erase(recipe_);
    }
    changed().notify_all();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }
  static std::condition_variable& changed() {
    static std::condition_variable one;
    return one;
  }
  static std::set<std::string>& taken() {
    static std::set<std::string> one;
    return one;
  }
  const std::string recipe_;
};

// Out of the cache, or by the compiler and into the cache.
Result<DeviceCode> build(const Nvrtc& nvrtc, const Nvrtc::Unit& unit, const ArtefactCache& cache,
                         const CompiledFiles& files, const std::string& where,
                         const std::string& portable) {
  const std::string recipe = recipe_of(unit, nvrtc);
  const Turn turn(recipe);
  const std::string extension = extension_of(unit.architecture);

  if (auto image = cache.read(recipe, extension))
    if (const auto log = cache.read(recipe, ".log"))
      return DeviceCode{std::move(*image), usage_of(*log, kDeviceEntry), false};

  auto compiled = nvrtc.compile(unit);
  if (!compiled) {
    Error error = compiled.error();
    error.message = users_part(in_host_form(error.message), files);
    error.where = where;
    return tl::unexpected(std::move(error));
  }
  DeviceCode code{std::move(extension == ".cubin" ? compiled->cubin : compiled->ptx),
                  usage_of(compiled->log, kDeviceEntry), true};
  const auto included = included_files(unit.text, unit.include);
  // A cache that cannot be written costs time at the next launch and nothing else.
  if (included.complete)
    (void)cache.keep(recipe, included.paths,
                     {{extension, code.image}, {".log", compiled->log + "\n"}});
  cache.name(recipe, portable);
  return code;
}

}  // namespace

Result<DeviceCode> compile_struct_for_device(const std::string& source, const std::string& type,
                                             const std::vector<std::string>& include,
                                             const std::string& architecture,
                                             const ArtefactCache& cache) {
  const auto nvrtc = Nvrtc::open();
  if (!nvrtc) return tl::unexpected(nvrtc.error());
  HandlerSpec spec;
  spec.include = include;
  const auto unit = unit_of(spec,
                            "#include \"" + source +
                                "\"\n#include <ringkernel/device/make_resident.hpp>\n"
                                "RK_EXPORT_RESIDENT(" +
                                type + ")\n",
                            architecture);
  if (!unit) return tl::unexpected(unit.error());
  return build(**nvrtc, *unit, cache, {"", source, source}, type, "");
}

Result<DeviceCode> compile_for_device(const HandlerSpec& spec, const std::string& architecture,
                                      const ArtefactCache& cache) {
  if (spec.kind == HandlerSpec::Kind::Builtin) {
    const auto code = builtin_as_code(spec);
    if (!code) return tl::unexpected(code.error());
    return compile_for_device(*code, architecture, cache);
  }
  auto translation = translation_unit(spec);
  if (!translation) return tl::unexpected(translation.error());
  const auto unit = unit_of(spec, std::move(translation->text), architecture);
  if (!unit) return tl::unexpected(unit.error());
  const std::string portable = portable_name(spec, architecture, unit->text, unit->include.front());
  const auto nvrtc = Nvrtc::open();
  if (nvrtc)
    return build(**nvrtc, *unit, cache, {"", translation->source, spec.source}, spec.kernel,
                 portable);
  auto image = cache.read_named(portable, extension_of(architecture));
  const auto log = cache.read_named(portable, ".log");
  if (!image || !log) return tl::unexpected(nvrtc.error());
  return DeviceCode{std::move(*image), usage_of(*log, kDeviceEntry), false};
}

std::string device_target(const Nvrtc& nvrtc, int major, int minor) {
  const int wanted = major * 10 + minor;
  int best = 0;
  for (const int one : nvrtc.architectures())
    if (one <= wanted) best = one;
  if (best == 0) return "";
  // Binaries run on later devices of the same major number only.
  return (best / 10 == major ? "sm_" : "compute_") + std::to_string(best);
}

std::string device_target(int major, int minor) {
  const auto nvrtc = Nvrtc::open();
  return nvrtc ? device_target(**nvrtc, major, minor) : "sm_" + std::to_string(major * 10 + minor);
}

}  // namespace ringkernel::handlers
