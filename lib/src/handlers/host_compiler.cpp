#include "handlers/host_compiler.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "handlers/file_identity.hpp"

extern "C" char** environ;

namespace ringkernel::handlers {
namespace {

namespace fs = std::filesystem;

bool is_program(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

std::string find_program(const std::string& name) {
  if (name.empty()) return "";
  if (name.find('/') != std::string::npos) return is_program(name) ? name : "";
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(':'), rest.size());
    const std::string candidate = std::string(rest.substr(0, end)) + "/" + name;
    if (is_program(candidate)) return candidate;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return "";
}

// -march=native means another thing on every machine.
std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  std::string text;
  while (std::getline(file, line) && !line.empty())
    if (line.starts_with("model name") || line.starts_with("flags")) text += line;
  return text;
}

bool has_headers(const fs::path& folder) {
  std::error_code code;
  return fs::is_regular_file(folder / "ringkernel" / "handler.hpp", code);
}

struct Output {
  int status = 0;
  std::string text;
};

Result<Output> run(const std::vector<std::string>& arguments) {
  std::array<int, 2> pipe{};
  if (pipe2(pipe.data(), O_CLOEXEC) != 0)
    return fail(ErrorCode::IoError, std::string("no pipe: ") + std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDERR_FILENO);
  // A compiler that the user interrupts must not see the signal dispositions of a launcher.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t child = 0;
  const int error =
      posix_spawn(&child, arguments[0].c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(pipe[1]);
  if (error != 0) {
    close(pipe[0]);
    return fail(ErrorCode::IoError, std::string("cannot be run: ") + std::strerror(error),
                arguments[0]);
  }
  Output output;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t n = read(pipe[0], buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    if (output.text.size() < (size_t{1} << 20))
      output.text.append(buffer.data(), static_cast<size_t>(n));
  }
  close(pipe[0]);
  while (waitpid(child, &output.status, 0) < 0 && errno == EINTR) {
  }
  return output;
}

}  // namespace

Result<std::string> include_folder() {
  if (const char* told = std::getenv("RINGK_INCLUDE_DIR"); told != nullptr && *told != '\0') {
    if (has_headers(told)) return std::string(told);
    return fail(ErrorCode::NotFound, "RINGK_INCLUDE_DIR has no ringkernel/handler.hpp", told);
  }
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&include_folder), &info) != 0 &&
      info.dli_fname != nullptr) {
    std::error_code code;
    fs::path at = fs::canonical(info.dli_fname, code).parent_path();
    // <prefix>/lib/libringkernel.so, or with a folder for the architecture between.
    for (int up = 0; up < 3 && !code; ++up, at = at.parent_path())
      if (has_headers(at / "include")) return (at / "include").string();
  }
#if defined(RINGKERNEL_BUILD_INCLUDE_DIR)
  if (has_headers(RINGKERNEL_BUILD_INCLUDE_DIR)) return std::string(RINGKERNEL_BUILD_INCLUDE_DIR);
#endif
  return fail(ErrorCode::NotFound,
              "the headers that handlers include are not installed; set RINGK_INCLUDE_DIR to the "
              "folder with ringkernel/handler.hpp");
}

Result<HostCompiler> HostCompiler::find(const std::string& wanted) {
  HostCompiler compiler;
  std::vector<std::string> names;
  if (!wanted.empty()) {
    names = {wanted};
  } else {
    for (const char* variable : {"RINGK_CXX", "CXX"})
      if (const char* value = std::getenv(variable); value != nullptr && *value != '\0') {
        names = {value};
        break;
      }
    if (names.empty()) names = {"g++", "clang++", "c++"};
  }
  for (const std::string& name : names) {
    compiler.path_ = find_program(name);
    if (!compiler.path_.empty()) break;
  }
  if (compiler.path_.empty())
    return fail(ErrorCode::CompilerNotFound,
                names.size() == 1
                    ? "there is no C++ compiler '" + names[0] + "'"
                    : "a handler needs a C++ compiler and there is none: install g++, "
                      "or set CXX");
  std::error_code code;
  compiler.is_clang_ =
      fs::canonical(compiler.path_, code).filename().string().find("clang") != std::string::npos;
  compiler.identity_ = file_identity(compiler.path_);
  auto include = include_folder();
  if (!include) return tl::unexpected(include.error());
  compiler.include_ = std::move(*include);
  return compiler;
}

std::vector<std::string> HostCompiler::flags_for(const HandlerSpec& spec) const {
  std::vector<std::string> flags = {"-std=c++20",
                                    "-O2",
                                    "-fPIC",
                                    "-shared",
                                    "-fvisibility=hidden",
                                    "-Wl,-Bsymbolic",
                                    "-pthread",
                                    "-fdiagnostics-color=never",
                                    "-DNDEBUG"};
  // Handlers must not share what they mean to own: unique symbols are one per process.
  if (!is_clang_) flags.insert(flags.end(), {"-fno-gnu-unique", "-fmax-errors=20"});
  // Fused multiplications would make results differ from processor to processor.
  flags.emplace_back(spec.fast_math ? "-ffast-math" : "-ffp-contract=off");
#if defined(RINGKERNEL_SANITIZERS)
  // More takes longer to compile than the tests save by it.
  flags.insert(flags.end(), {"-Og", "-fsanitize=" RINGKERNEL_SANITIZERS, "-fno-omit-frame-pointer",
                             "-fno-sanitize-recover=all"});
#endif
  flags.push_back("-I" + include_);
  for (const std::string& folder : spec.include) flags.push_back("-I" + folder);
  flags.insert(flags.end(), spec.flags.begin(), spec.flags.end());
  for (const std::string& flag : spec.flags)
    if (flag.find("native") != std::string::npos) {
      flags.push_back("-DRK_PROCESSOR=" + std::to_string(std::hash<std::string>{}(processor())));
      break;
    }
  return flags;
}

Result<void> HostCompiler::compile(const std::vector<std::string>& flags, const std::string& source,
                                   const std::string& output,
                                   const std::string& dependencies) const {
  std::vector<std::string> arguments = {path_};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  arguments.insert(arguments.end(), {"-MD", "-MF", dependencies, "-o", output, source});
  auto result = run(arguments);
  if (!result) return tl::unexpected(result.error());
  if (result->status == 0) return {};
  if (WIFSIGNALED(result->status))
    result->text += "the compiler was ended by signal " + std::to_string(WTERMSIG(result->status));
  return fail(ErrorCode::CompilationError, result->text);
}

}  // namespace ringkernel::handlers
