#include "handlers/load.hpp"

#include <algorithm>
#include <fstream>
#include <optional>

#include "handlers/artefact_cache.hpp"
#include "handlers/builtin.hpp"
#include "handlers/compiler_output.hpp"
#include "handlers/host_compiler.hpp"
#include "handlers/module_loader.hpp"
#include "handlers/portable_name.hpp"
#include "handlers/sha256.hpp"
#include "handlers/side_by_side.hpp"
#include "handlers/translation_unit.hpp"

namespace ringkernel::handlers {
namespace {

// One text to compile, and the kernels that share it.
struct Job {
  const HandlerSpec* spec = nullptr;
  TranslationUnit unit;
  Result<std::string> artefact = std::string();
  bool compiled = false;
};

std::string recipe_of(const Job& job, const HostCompiler& compiler,
                      const std::vector<std::string>& flags) {
  Sha256 sum;
  sum.add_part(std::to_string(kModuleAbi)).add_part(std::to_string(sizeof(Block)));
  sum.add_part(compiler.identity()).add_part(job.unit.text);
  for (const std::string& flag : flags) sum.add_part(flag);
  return sum.hex();
}

std::string name_of(const Job& job) {
  const auto include = include_folder();
  return include ? portable_name(*job.spec, "cpu", job.unit.text, *include) : "";
}

void compile(Job& job, const HostCompiler& compiler, const ArtefactCache& cache) {
  const auto flags = compiler.flags_for(*job.spec);
  const std::string recipe = recipe_of(job, compiler, flags);
  std::string found = cache.find(recipe);
  if (!found.empty()) {
    job.artefact = std::move(found);
    return;
  }
  auto scratch = cache.scratch();
  if (!scratch) {
    job.artefact = tl::unexpected(scratch.error());
    return;
  }
  job.compiled = true;
  std::ofstream file(scratch->source, std::ios::binary);
  file << job.unit.text;
  file.close();
  if (!file) {
    job.artefact = fail(ErrorCode::IoError, "cannot be written", scratch->source);
  } else if (auto done =
                 compiler.compile(flags, scratch->source, scratch->object, scratch->dependencies);
             !done) {
    Error error = done.error();
    if (error.code == ErrorCode::CompilationError)
      error.message =
          users_part(error.message, {scratch->source, job.unit.source, job.spec->source});
    error.where = job.spec->kernel;
    job.artefact = tl::unexpected(std::move(error));
  } else {
    job.artefact = cache.store(recipe, *scratch);
    if (job.artefact) cache.name(recipe, name_of(job));
  }
  ArtefactCache::remove(*scratch);
}

// Without a compiler: what another machine has made of the same sources.
void find_made(Job& job, const Error& no_compiler, const ArtefactCache& cache) {
  std::string found = cache.find_named(name_of(job));
  if (found.empty())
    job.artefact = tl::unexpected(no_compiler);
  else
    job.artefact = std::move(found);
}

}  // namespace

std::vector<std::byte> params_bytes(const std::vector<schema::Field>& params) {
  size_t at = 0;
  size_t alignment = 1;
  std::vector<std::byte> bytes;
  for (const schema::Field& field : params) {
    at = (at + field.type.alignment - 1) / field.type.alignment * field.type.alignment;
    alignment = std::max<size_t>(alignment, field.type.alignment);
    bytes.resize(at + field.type.size);
    std::copy(field.default_value.begin(), field.default_value.end(),
              bytes.begin() + static_cast<std::ptrdiff_t>(at));
    at += field.type.size;
  }
  bytes.resize((at + alignment - 1) / alignment * alignment);
  return bytes;
}

Result<std::vector<LoadedHandler>> load_handlers(std::span<const HandlerSpec> specs,
                                                 const LoadOptions& options) {
  std::vector<LoadedHandler> loaded(specs.size());
  std::vector<Job> jobs;
  std::vector<std::optional<size_t>> job_of(specs.size());
  for (size_t i = 0; i < specs.size(); ++i) {
    loaded[i].params = params_bytes(specs[i].params);
    if (specs[i].kind == HandlerSpec::Kind::Builtin) {
      auto module = make_builtin(specs[i]);
      if (!module) return tl::unexpected(module.error());
      loaded[i].module = *module;
      loaded[i].params.clear();
      continue;
    }
    auto unit = translation_unit(specs[i]);
    if (!unit) return tl::unexpected(unit.error());
    auto same = std::find_if(jobs.begin(), jobs.end(), [&](const Job& other) {
      return other.unit.text == unit->text && other.spec->flags == specs[i].flags &&
             other.spec->include == specs[i].include && other.spec->fast_math == specs[i].fast_math;
    });
    job_of[i] = static_cast<size_t>(same - jobs.begin());
    if (same == jobs.end()) jobs.push_back({&specs[i], std::move(*unit)});
  }
  if (jobs.empty()) return loaded;

  auto compiler = HostCompiler::find(options.compiler);
  if (!compiler && compiler.error().code != ErrorCode::CompilerNotFound)
    return tl::unexpected(compiler.error());
  ArtefactCache cache(options.cache_folder.empty() ? default_cache_folder() : options.cache_folder);
  side_by_side(jobs.size(), [&](size_t i) {
    if (compiler)
      compile(jobs[i], *compiler, cache);
    else
      find_made(jobs[i], compiler.error(), cache);
  });
  for (size_t i = 0; i < specs.size(); ++i) {
    if (!job_of[i]) continue;
    Job& job = jobs[*job_of[i]];
    if (!job.artefact) return tl::unexpected(job.artefact.error());
    auto module = load_module(*job.artefact, specs[i]);
    if (!module) return tl::unexpected(module.error());
    loaded[i].module = *module;
    loaded[i].compiled = job.compiled;
    if ((*module)->params_size != loaded[i].params.size() && (*module)->params_size != 0)
      return fail(ErrorCode::ValidationError, "the layout of its params differs", specs[i].kernel);
  }
  return loaded;
}

}  // namespace ringkernel::handlers
