#include "handlers/artefact_cache.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <vector>

#include "core/user_folders.hpp"
#include "handlers/sha256.hpp"

namespace ringkernel::handlers {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostArtefacts = 2000;
constexpr std::string_view kSeal = "ringkernel-artefact:";
constexpr size_t kSealSize = kSeal.size() + 64;

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

bool write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  return static_cast<bool>(file.flush());
}

// One file that was included, as it was then.
struct Included {
  std::string path;
  int64_t size = 0;
  int64_t seconds = 0;
  int64_t nanoseconds = 0;
  std::string sum;
};

std::optional<Included> look_at(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  return Included{path, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec, ""};
}

// The prerequisites of the first make rule.
std::vector<std::string> prerequisites(const std::string& rules) {
  std::vector<std::string> files;
  size_t at = rules.find(':');
  if (at == std::string::npos) return files;
  std::string file;
  for (++at; at < rules.size(); ++at) {
    const char c = rules[at];
    if (c == '\\' && at + 1 < rules.size()) {
      const char next = rules[++at];
      if (next == '\n') continue;
      if (next != ' ' && next != '#') file += '\\';
      file += next;
    } else if (c == '$' && at + 1 < rules.size() && rules[at + 1] == '$') {
      file += rules[++at];
    } else if (c == ' ' || c == '\n') {
      if (!file.empty()) files.push_back(std::exchange(file, ""));
      if (c == '\n') break;
    } else {
      file += c;
    }
  }
  if (!file.empty()) files.push_back(file);
  return files;
}

std::string name_of(const std::string& recipe, const std::vector<Included>& files) {
  Sha256 sum;
  sum.add_part(recipe);
  for (const Included& file : files) sum.add_part(file.path).add_part(file.sum);
  return sum.hex();
}

// What an artefact holds; none: it is not whole, which the seal at its end tells, the sum of what
// stands before.
std::optional<std::string> unsealed(const std::string& path) {
  auto bytes = read_file(path);
  if (!bytes || bytes->size() <= kSealSize) return std::nullopt;
  const size_t end = bytes->size() - kSealSize;
  const std::string_view seal = std::string_view(*bytes).substr(end);
  if (!seal.starts_with(kSeal) ||
      seal.substr(kSeal.size()) != sha256(std::string_view(*bytes).substr(0, end)))
    return std::nullopt;
  bytes->resize(end);
  return bytes;
}

// What was included, as it is now.
struct Manifest {
  std::vector<Included> files;
  std::string text;
};
Manifest manifest_of(const std::vector<std::string>& paths) {
  Manifest manifest;
  for (const std::string& path : paths) {
    auto file = look_at(path);
    const auto text = read_file(path);
    if (!file || !text) continue;
    file->sum = sha256(*text);
    manifest.text += std::to_string(file->size) + " " + std::to_string(file->seconds) + " " +
                     std::to_string(file->nanoseconds) + " " + file->sum + " " + path + "\n";
    manifest.files.push_back(std::move(*file));
  }
  return manifest;
}

tl::unexpected<Error> cannot_be_written(const std::string& path) {
  return fail(ErrorCode::IoError, std::string("cannot be written: ") + std::strerror(errno), path);
}

bool make_private_folder(const std::string& folder) {
  std::error_code code;
  const fs::path path(folder);
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), code);
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return false;
  struct stat status {};
  // Somebody else's folder could hold somebody else's code.
  return stat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
         status.st_uid == geteuid() && (status.st_mode & 022) == 0 &&
         access(folder.c_str(), W_OK) == 0;
}

}  // namespace

std::string default_cache_folder() {
  auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (std::string own = variable("RINGK_CACHE_DIR"); !own.empty()) return own;
  if (std::string xdg = variable("XDG_CACHE_HOME"); xdg.starts_with('/')) return xdg + "/ringk";
  if (std::string home = home_folder(); !home.empty()) return home + "/.cache/ringk";
  return own_temporary_folder("cache");
}

ArtefactCache::ArtefactCache(const std::string& folder) {
  if (!folder.empty() && make_private_folder(folder) && make_private_folder(folder + "/handlers")) {
    folder_ = folder + "/handlers";
    return;
  }
  std::string pattern = temporary_folder() + "/ringk-XXXXXX";
  if (mkdtemp(pattern.data()) != nullptr) {
    folder_ = pattern;
    temporary_ = true;
  }
}

ArtefactCache::~ArtefactCache() {
  std::error_code code;
  // What has been loaded stays mapped.
  if (temporary_) fs::remove_all(folder_, code);
}

std::string ArtefactCache::stem_of(const std::string& recipe) const {
  const auto manifest = read_file(folder_ + "/" + sha256(recipe) + ".deps");
  if (!manifest) return "";
  std::vector<Included> files;
  std::istringstream lines(*manifest);
  Included then;
  while (lines >> then.size >> then.seconds >> then.nanoseconds >> then.sum &&
         std::getline(lines.ignore(), then.path)) {
    auto now = look_at(then.path);
    if (!now) return "";
    if (now->size == then.size && now->seconds == then.seconds &&
        now->nanoseconds == then.nanoseconds) {
      now->sum = then.sum;
    } else {
      const auto text = read_file(then.path);
      if (!text) return "";
      now->sum = sha256(*text);
    }
    files.push_back(std::move(*now));
  }
  return folder_ + "/" + name_of(recipe, files);
}

std::string ArtefactCache::find(const std::string& recipe) const {
  const std::string stem = stem_of(recipe);
  if (stem.empty()) return "";
  std::string artefact = stem + ".so";
  return unsealed(artefact) ? artefact : "";
}

std::optional<std::string> ArtefactCache::read(const std::string& recipe,
                                               const std::string& extension) const {
  const std::string stem = stem_of(recipe);
  return stem.empty() ? std::nullopt : unsealed(stem + extension);
}

void ArtefactCache::name(const std::string& recipe, const std::string& portable) const {
  const std::string stem = stem_of(recipe);
  if (portable.empty() || stem.empty()) return;
  const std::string scratch = scratch_stem();
  const std::string path = folder_ + "/" + portable + ".name";
  if (!write_file(scratch, fs::path(stem).filename().string()) ||
      rename(scratch.c_str(), path.c_str()) != 0)
    unlink(scratch.c_str());
}

std::string ArtefactCache::stem_named(const std::string& portable) const {
  if (portable.empty()) return "";
  const auto stem = read_file(folder_ + "/" + portable + ".name");
  return stem && !stem->empty() ? folder_ + "/" + *stem : "";
}

std::string ArtefactCache::find_named(const std::string& portable) const {
  const std::string stem = stem_named(portable);
  std::string artefact = stem + ".so";
  return !stem.empty() && unsealed(artefact) ? artefact : "";
}

std::optional<std::string> ArtefactCache::read_named(const std::string& portable,
                                                     const std::string& extension) const {
  const std::string stem = stem_named(portable);
  return stem.empty() ? std::nullopt : unsealed(stem + extension);
}

std::string ArtefactCache::scratch_stem() const {
  static std::atomic<unsigned> count{0};
  return folder_ + "/tmp-" + std::to_string(getpid()) + "-" + std::to_string(count.fetch_add(1));
}

Result<ArtefactCache::Scratch> ArtefactCache::scratch() const {
  if (folder_.empty())
    return fail(ErrorCode::IoError,
                "there is no folder to compile in: set RINGK_CACHE_DIR or TMPDIR");
  const std::string stem = scratch_stem();
  return Scratch{stem + ".cpp", stem + ".so", stem + ".d"};
}

void ArtefactCache::remove(const Scratch& scratch) {
  for (const std::string& file : {scratch.source, scratch.object, scratch.dependencies})
    unlink(file.c_str());
}

Result<std::string> ArtefactCache::store(const std::string& recipe, const Scratch& scratch) const {
  const auto rules = read_file(scratch.dependencies);
  const auto object = read_file(scratch.object);
  if (!rules || !object)
    return fail(ErrorCode::IoError, "the compiler left no output", scratch.object);
  auto included = prerequisites(*rules);
  included.erase(std::remove(included.begin(), included.end(), scratch.source), included.end());
  const Manifest manifest = manifest_of(included);
  const std::string artefact = folder_ + "/" + name_of(recipe, manifest.files) + ".so";
  const std::string deps = folder_ + "/" + sha256(recipe) + ".deps";
  // ELF has no use for bytes after its end.
  {
    std::ofstream seal(scratch.object, std::ios::binary | std::ios::app);
    seal << kSeal << sha256(*object);
    if (!seal.flush()) return cannot_be_written(scratch.object);
  }
  if (!write_file(scratch.dependencies, manifest.text) ||
      rename(scratch.object.c_str(), artefact.c_str()) != 0 ||
      rename(scratch.dependencies.c_str(), deps.c_str()) != 0)
    return cannot_be_written(artefact);
  prune();
  return artefact;
}

Result<void> ArtefactCache::keep(const std::string& recipe,
                                 const std::vector<std::string>& included,
                                 const std::vector<Part>& parts) const {
  const Manifest manifest = manifest_of(included);
  const std::string scratch = scratch_stem();
  auto put = [&](const std::string& text, const std::string& path) {
    if (write_file(scratch, text) && rename(scratch.c_str(), path.c_str()) == 0) return true;
    unlink(scratch.c_str());
    return false;
  };
  const std::string stem = folder_ + "/" + name_of(recipe, manifest.files);
  for (const Part& part : parts)
    if (!put(part.bytes + std::string(kSeal) + sha256(part.bytes), stem + part.extension))
      return cannot_be_written(stem + part.extension);
  const std::string deps = folder_ + "/" + sha256(recipe) + ".deps";
  if (!put(manifest.text, deps)) return cannot_be_written(deps);
  prune();
  return {};
}

// Past kMostArtefacts, the older half goes.
void ArtefactCache::prune() const {
  std::error_code code;
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  for (const auto& entry : fs::directory_iterator(folder_, code))
    if (const auto kind = entry.path().extension();
        kind == ".so" || kind == ".cubin" || kind == ".ptx" || kind == ".log")
      files.emplace_back(entry.last_write_time(code), entry.path());
  if (files.size() <= kMostArtefacts) return;
  std::sort(files.begin(), files.end());
  for (size_t i = 0; i < files.size() / 2; ++i) fs::remove(files[i].second, code);
}

}  // namespace ringkernel::handlers
