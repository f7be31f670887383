#include "core/user_folders.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace ringkernel {
namespace {

bool is_folder(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode);
}

}  // namespace

std::string absolute_variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr || *value != '/' ? "" : value;
}

std::string home_folder() {
  if (std::string home = absolute_variable("HOME"); !home.empty()) return home;
  std::array<char, size_t{16} << 10> text;
  passwd entry{};
  passwd* user = nullptr;
  if (getpwuid_r(geteuid(), &entry, text.data(), text.size(), &user) != 0 || user == nullptr ||
      user->pw_dir == nullptr || *user->pw_dir != '/' || !is_folder(user->pw_dir) ||
      access(user->pw_dir, W_OK | X_OK) != 0)
    return "";
  return user->pw_dir;
}

std::string temporary_folder() {
  std::string folder = absolute_variable("TMPDIR");
  return !folder.empty() && is_folder(folder) ? folder : "/tmp";
}

std::string own_temporary_folder(const std::string& kind) {
  std::string folder = temporary_folder() + "/ringk-" + kind + "-" + std::to_string(geteuid());
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return "";
  struct stat found {};
  // Not stat(): a link that somebody else put there must not be followed.
  const bool own = lstat(folder.c_str(), &found) == 0 && S_ISDIR(found.st_mode) &&
                   found.st_uid == geteuid() && (found.st_mode & 077) == 0;
  return own ? folder : "";
}

}  // namespace ringkernel
