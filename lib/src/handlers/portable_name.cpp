#include "handlers/portable_name.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "handlers/generate.hpp"
#include "handlers/included_files.hpp"
#include "handlers/sha256.hpp"

namespace ringkernel::handlers {
namespace {

namespace fs = std::filesystem;

#if defined(RINGKERNEL_SANITIZERS)
constexpr const char* kInstrumented = RINGKERNEL_SANITIZERS;
#else
constexpr const char* kInstrumented = "";
#endif

}  // namespace

std::string portable_name(const HandlerSpec& spec, const std::string& target,
                          const std::string& text, const std::string& include) {
  std::vector<std::string> folders = {include};
  folders.insert(folders.end(), spec.include.begin(), spec.include.end());
  Sha256 sum;
  sum.add_part(target).add_part(kInstrumented).add_part(spec.fast_math ? "fast" : "precise");
  sum.add_part(std::to_string(kModuleAbi)).add_part(std::to_string(sizeof(Block)));
  for (size_t i = 0; i < spec.flags.size(); ++i) {
    const std::string& flag = spec.flags[i];
    if (flag.find("native") != std::string::npos) return "";
    if (flag == "-I" && i + 1 < spec.flags.size()) {
      folders.push_back(spec.flags[++i]);
    } else if (flag.starts_with("-I")) {
      folders.push_back(flag.substr(2));
    } else {
      sum.add_part(flag);
    }
  }
  HandlerSpec anywhere = spec;
  anywhere.code_file.clear();
  sum.add_part(generate(anywhere, fs::path(spec.source).filename().string()));
  const IncludedFiles included = included_files(text, folders);
  if (!included.complete) return "";
  for (const std::string& path : included.paths) {
    std::ifstream file(path, std::ios::binary);
    sum.add_part(std::string(std::istreambuf_iterator<char>(file), {}));
  }
  return sum.hex();
}

}  // namespace ringkernel::handlers
