#include "handlers/device_compiler.hpp"

#include <functional>
#include <map>
#include <optional>

#include "handlers/builtin.hpp"
#include "handlers/compiler_output.hpp"
#include "handlers/declared_module.hpp"
#include "handlers/generate.hpp"
#include "handlers/host_compiler.hpp"
#include "handlers/included_files.hpp"
#include "handlers/load.hpp"
#include "handlers/nvjitlink.hpp"
#include "handlers/portable_name.hpp"
#include "handlers/sha256.hpp"
#include "handlers/side_by_side.hpp"
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

std::string recipe_of(const Nvrtc::Unit& unit, const Nvrtc& nvrtc, const NvJitLink* linker) {
  Sha256 sum;
  sum.add_part("device").add_part(nvrtc.identity()).add_part(unit.architecture);
  sum.add_part(linker == nullptr ? "" : linker->identity()).add_part(unit.text);
  for (const std::string& option : unit.options) sum.add_part(option);
  for (const std::string& folder : unit.include) sum.add_part(folder);
  return sum.hex();
}

bool is_binary(const std::string& architecture) { return architecture.starts_with("sm_"); }
std::string extension_of(const std::string& architecture) {
  return is_binary(architecture) ? ".cubin" : ".ptx";
}

constexpr const char* kLog = ".log";
constexpr const char* kLayout = ".layout";

// A cache that cannot be written costs time at the next launch and nothing else.
void keep(const ArtefactCache& cache, const std::string& recipe, const Nvrtc::Unit& unit,
          std::vector<ArtefactCache::Part> parts) {
  const auto included = included_files(unit.text, unit.include);
  if (included.complete) (void)cache.keep(recipe, included.paths, parts);
}

// From one handler to code for one GPU.
class Build {
 public:
  Build(Nvrtc::Unit unit, CompiledFiles files, std::string where, std::string portable)
      : unit_(std::move(unit)),
        files_(std::move(files)),
        where_(std::move(where)),
        portable_(std::move(portable)) {}
  explicit Build(Error error) : result_(tl::unexpected(std::move(error))), done_(true) {}

  bool done() const { return done_; }
  const std::string& recipe() const { return recipe_; }
  const std::string& architecture() const { return unit_.architecture; }
  const Result<DeviceCode>& result() const { return result_; }
  // What another one of the same recipe has come to.
  void copy(const Build& original) {
    take(original.result_);
    if (!result_) result_.error().where = where_;
  }

  // Out of the cache.
  void look_up(const Result<const Nvrtc*>& nvrtc, const NvJitLink* linker,
               const ArtefactCache& cache) {
    if (done_) return;
    const std::string extension = extension_of(unit_.architecture);
    std::optional<std::string> image, log, layout;
    if (nvrtc) {
      recipe_ = recipe_of(unit_, **nvrtc, linker);
      image = cache.read(recipe_, extension);
      log = cache.read(recipe_, kLog);
      layout = cache.read(recipe_, kLayout);
    } else {
      image = cache.read_named(portable_, extension);
      log = cache.read_named(portable_, kLog);
      layout = cache.read_named(portable_, kLayout);
      if (!image || !log || !layout) return take(tl::unexpected(nvrtc.error()));
    }
    if (image && log && layout) take(code_of(std::move(*image), *log, *layout, false));
  }

  // The handler's part of a kernel, for finish().
  void compile_part(const Nvrtc& nvrtc) {
    Nvrtc::Unit part = unit_;
    part.options.insert(part.options.end(), {"-DRK_LINKED", "--relocatable-device-code=true"});
    auto compiled = nvrtc.compile(part);
    if (!compiled) return fail(compiled.error());
    part_ = std::move(*compiled);
  }
  // With the shared code; what does not link, as where a handler calls what is nowhere, is compiled
  // whole: then the compiler says where.
  void finish(const Nvrtc& nvrtc, const NvJitLink& linker, const Nvrtc::Compiled& shared,
              const ArtefactCache& cache) {
    if (done_) return;
    auto linked = linker.link(unit_.architecture, {part_.cubin, shared.cubin});
    if (!linked) return compile_whole(nvrtc, cache);
    finish(std::move(linked->cubin), part_.log + "\n" + linked->log, part_.ptx, cache);
  }
  void compile_whole(const Nvrtc& nvrtc, const ArtefactCache& cache) {
    if (done_) return;
    auto compiled = nvrtc.compile(unit_);
    if (!compiled) return fail(compiled.error());
    const std::string& image = is_binary(unit_.architecture) ? compiled->cubin : compiled->ptx;
    finish(image, compiled->log, compiled->ptx, cache);
  }

 private:
  void take(Result<DeviceCode> result) {
    result_ = std::move(result);
    done_ = true;
  }
  void finish(std::string image, const std::string& log, const std::string& ptx,
              const ArtefactCache& cache) {
    const std::string layout = layout_line(ptx);
    keep(cache, recipe_, unit_,
         {{extension_of(unit_.architecture), image}, {kLog, log + "\n"}, {kLayout, layout + "\n"}});
    cache.name(recipe_, portable_);
    take(code_of(std::move(image), log, layout, true));
  }
  static Result<DeviceCode> code_of(std::string image, const std::string& log,
                                    const std::string& layout, bool compiled) {
    const auto read = layout_of(layout);
    if (!read)
      return tl::unexpected(Error{ErrorCode::CompilationError,
                                  "the compiler for device code gave no layout of the handler",
                                  ""});
    return DeviceCode{std::move(image), usage_of(log, kDeviceEntry), *read, compiled};
  }
  void fail(Error error) {
    error.message = users_part(in_host_form(error.message), files_);
    error.where = where_;
    take(tl::unexpected(std::move(error)));
  }

  Nvrtc::Unit unit_;
  CompiledFiles files_;
  std::string where_;
  std::string portable_;
  std::string recipe_;
  Nvrtc::Compiled part_;
  Result<DeviceCode> result_ = DeviceCode();
  bool done_ = false;
};

Result<Nvrtc::Compiled> shared_code(const Nvrtc& nvrtc, const std::string& architecture,
                                    const ArtefactCache& cache) {
  const auto unit = shared_unit(architecture);
  if (!unit) return tl::unexpected(unit.error());
  const std::string recipe = recipe_of(*unit, nvrtc, nullptr);
  if (auto image = cache.read(recipe, ".cubin")) return Nvrtc::Compiled{std::move(*image), "", ""};
  auto compiled = nvrtc.compile(*unit);
  if (compiled) keep(cache, recipe, *unit, {{".cubin", compiled->cubin}});
  return compiled;
}

// Handlers that are shared are compiled once. Parts of kernels, and what they share, are compiled
// side by side and linked when all are there.
void run(std::vector<Build>& builds, const ArtefactCache& cache) {
  if (builds.empty()) return;  // opening the compiler takes longer than all else of a launch
  const auto nvrtc = Nvrtc::open();
  const NvJitLink* linker = nvrtc ? NvJitLink::of(**nvrtc) : nullptr;
  std::map<std::string, Build*> first;  // by recipe
  std::vector<std::pair<Build*, Build*>> copies;
  std::map<std::string, Result<Nvrtc::Compiled>> shared;  // by architecture
  std::vector<Build*> parts;
  std::vector<std::function<void()>> jobs;
  for (Build& build : builds) {
    build.look_up(nvrtc, linker, cache);
    if (build.done()) continue;
    if (const auto [other, is_new] = first.emplace(build.recipe(), &build); !is_new) {
      copies.emplace_back(&build, other->second);
    } else if (linker == nullptr || !is_binary(build.architecture())) {
      jobs.emplace_back([&] { build.compile_whole(**nvrtc, cache); });
    } else {
      shared.emplace(build.architecture(), Nvrtc::Compiled());
      parts.push_back(&build);
    }
  }
  // The shared code first: it takes longest.
  for (auto& one : shared)
    jobs.emplace_back([&] { one.second = shared_code(**nvrtc, one.first, cache); });
  for (Build* part : parts) jobs.emplace_back([&, part] { part->compile_part(**nvrtc); });
  side_by_side(jobs.size(), [&](size_t i) { jobs[i](); });

  side_by_side(parts.size(), [&](size_t i) {
    const auto& with = shared.at(parts[i]->architecture());
    if (with)
      parts[i]->finish(**nvrtc, *linker, *with, cache);
    else
      parts[i]->compile_whole(**nvrtc, cache);
  });
  for (const auto& [copy, original] : copies) copy->copy(*original);
}

Build build_of(const HandlerSpec& spec, const std::string& architecture) {
  if (spec.kind == HandlerSpec::Kind::Builtin) {
    const auto code = builtin_as_code(spec);
    return code ? build_of(*code, architecture) : Build(code.error());
  }
  auto translation = translation_unit(spec);
  if (!translation) return Build(translation.error());
  auto unit = unit_of(spec, std::move(translation->text), architecture);
  if (!unit) return Build(unit.error());
  std::string portable = portable_name(spec, architecture, unit->text, unit->include.front());
  return {
      std::move(*unit), {"", translation->source, spec.source}, spec.kernel, std::move(portable)};
}

Result<DeviceCode> run(Build build, const ArtefactCache& cache) {
  std::vector<Build> one;
  one.push_back(std::move(build));
  run(one, cache);
  return one.front().result();
}

}  // namespace

std::vector<Result<DeviceCode>> compile_for_device(const std::vector<DeviceTarget>& targets,
                                                   const ArtefactCache& cache) {
  std::vector<Build> builds;
  for (const DeviceTarget& target : targets)
    builds.push_back(build_of(target.spec, target.architecture));
  run(builds, cache);
  std::vector<Result<DeviceCode>> results;
  for (const Build& build : builds) results.push_back(build.result());
  return results;
}

Result<DeviceCode> compile_for_device(const HandlerSpec& spec, const std::string& architecture,
                                      const ArtefactCache& cache) {
  return run(build_of(spec, architecture), cache);
}

Result<const HandlerModule*> device_module(const HandlerSpec& spec, const HandlerLayout& layout) {
  HandlerSpec declared = spec;
  if (spec.kind == HandlerSpec::Kind::Builtin) {
    auto code = builtin_as_code(spec);
    if (!code) return tl::unexpected(code.error());
    declared = std::move(*code);
  }
  HandlerModule code;
  code.state_size = layout.state_size;
  code.state_alignment = layout.state_alignment;
  code.params_size = static_cast<uint32_t>(params_bytes(declared.params).size());
  code.has_start = layout.has_start;
  code.has_stop = layout.has_stop;
  code.has_poll = layout.has_poll;
  return declared_module(declared, code);
}

Result<Nvrtc::Unit> shared_unit(const std::string& architecture) {
  auto unit = unit_of({}, "#include <ringkernel/device/resident_link_code.hpp>\n", architecture);
  if (unit)
    unit->options.insert(unit->options.end(), {"-DRK_SHARED_CODE", "--relocatable-device-code=true",
                                               "--maxrregcount=64"});
  return unit;
}

Result<DeviceCode> compile_struct_for_device(const std::string& source, const std::string& type,
                                             const std::vector<std::string>& include,
                                             const std::string& architecture,
                                             const ArtefactCache& cache) {
  HandlerSpec spec;
  spec.include = include;
  auto unit = unit_of(spec,
                      "#include \"" + source +
                          "\"\n#include <ringkernel/device/make_resident.hpp>\n"
                          "RK_EXPORT_RESIDENT(" +
                          type + ")\n",
                      architecture);
  if (!unit) return tl::unexpected(unit.error());
  return run(Build(std::move(*unit), {"", source, source}, type, ""), cache);
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
