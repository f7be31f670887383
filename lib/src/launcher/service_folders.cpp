#include "launcher/service_folders.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "core/user_folders.hpp"
#include "ringkernel/service.hpp"

namespace ringkernel {
namespace {

// An empty variable counts as unset, as the XDG rules say.
std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Result<std::string> absolute(const std::string& path) {
  std::error_code error;
  const auto full = std::filesystem::absolute(path, error);
  if (error) return fail(ErrorCode::IoError, "cannot resolve it: " + error.message(), path);
  return full.lexically_normal().string();
}

Result<void> check_own(const std::string& path) {
  struct stat found {};
  // Not stat(): a symbolic link that somebody else put there must not be followed.
  if (lstat(path.c_str(), &found) != 0) {
    return fail(ErrorCode::IoError, std::string("cannot look at it: ") + strerror(errno), path);
  }
  if (!S_ISDIR(found.st_mode)) {
    return fail(ErrorCode::PermissionDenied,
                "the runtime folder must be a folder, not a link or a file", path);
  }
  if (found.st_uid != geteuid()) {
    return fail(ErrorCode::PermissionDenied,
                "the runtime folder belongs to user " + std::to_string(found.st_uid) +
                    ": set RINGK_RUNTIME_DIR to a folder of your own",
                path);
  }
  if (found.st_mode & 077) {
    return fail(ErrorCode::PermissionDenied, "others may enter the runtime folder: chmod 700 it",
                path);
  }
  return {};
}

}  // namespace

namespace launcher {

Result<void> make_folders(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string folder = path.substr(0, end);
    if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
      // A read-only parent that exists answers EROFS or EACCES, not EEXIST, on some file systems.
      const int reason = errno;
      struct stat found {};
      if (stat(folder.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) {
        return fail(ErrorCode::IoError, std::string("cannot make this folder: ") + strerror(reason),
                    folder);
      }
    }
    if (end == std::string::npos) break;
  }
  struct stat found {};
  if (stat(path.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) {
    return fail(ErrorCode::IoError, "this is no folder", path);
  }
  return {};
}

Result<std::string> state_folder_of(const std::string& name) {
  auto folder = state_folder();
  if (!folder) return folder;
  const std::string own = *folder + "/" + name;
  if (auto made = make_folders(own); !made) return tl::unexpected(made.error());
  return own;
}

}  // namespace launcher

Result<std::string> runtime_folder() {
  std::string folder;
  if (std::string own = variable("RINGK_RUNTIME_DIR"); !own.empty()) {
    const auto full = absolute(own);
    if (!full) return tl::unexpected(full.error());
    folder = *full;
  } else if (std::string runtime = absolute_variable("XDG_RUNTIME_DIR"); !runtime.empty()) {
    folder = runtime + "/ringk";
  } else {
    std::string temporary = absolute_variable("TMPDIR");
    if (temporary.empty()) temporary = "/tmp";
    folder = temporary + "/ringk-" + std::to_string(geteuid());
  }
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  struct stat found {};
  if (lstat(folder.c_str(), &found) != 0) {
    if (auto made = launcher::make_folders(folder); !made) return tl::unexpected(made.error());
  }
  if (auto own = check_own(folder); !own) return tl::unexpected(own.error());
  return folder;
}

Result<std::string> state_folder() {
  if (std::string own = variable("RINGK_STATE_DIR"); !own.empty()) return absolute(own);
  if (std::string state = absolute_variable("XDG_STATE_HOME"); !state.empty()) {
    return state + "/ringk";
  }
  if (const std::string home = home_folder(); !home.empty()) return home + "/.local/state/ringk";
  std::string temporary = own_temporary_folder("state");
  if (temporary.empty())
    return fail(ErrorCode::InvalidConfig, "there is no home folder: set RINGK_STATE_DIR");
  return temporary;
}

}  // namespace ringkernel
