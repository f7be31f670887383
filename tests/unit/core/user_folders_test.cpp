#include "core/user_folders.hpp"

#include <doctest/doctest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "unit/launcher/scratch_folder.hpp"

using namespace ringkernel;

TEST_CASE("the home folder is HOME, else the user's by the system's list") {
  {
    const ScopedVariable home("HOME", "/home/somebody");
    CHECK(home_folder() == "/home/somebody");
  }
  const ScopedVariable home("HOME", nullptr);
  const passwd* user = getpwuid(geteuid());
  const bool listed = user != nullptr && access(user->pw_dir, W_OK | X_OK) == 0;
  CHECK(home_folder() == (listed ? user->pw_dir : ""));
}

TEST_CASE("a user without a home has none") {
  if (geteuid() != 0) return;  // only root can become nobody in particular
  const ScopedVariable home("HOME", nullptr);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) _exit(setuid(54321) == 0 && home_folder().empty() ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("the temporary folder is TMPDIR where that is one") {
  const ScratchFolder scratch;
  {
    const ScopedVariable temporary("TMPDIR", scratch.path().c_str());
    CHECK(temporary_folder() == scratch.path());
  }
  const ScopedVariable temporary("TMPDIR", (scratch.path() + "/none").c_str());
  CHECK(temporary_folder() == "/tmp");
}

TEST_CASE("a temporary folder of one's own is closed to others, or there is none") {
  const ScratchFolder scratch;
  const ScopedVariable temporary("TMPDIR", scratch.path().c_str());
  const std::string path = scratch.path() + "/ringk-cache-" + std::to_string(geteuid());
  CHECK(own_temporary_folder("cache") == path);
  struct stat found {};
  REQUIRE(stat(path.c_str(), &found) == 0);
  CHECK((found.st_mode & 0777) == 0700);
  CHECK(own_temporary_folder("cache") == path);
  SUBCASE("others may enter it") {
    chmod(path.c_str(), 0750);
    CHECK(own_temporary_folder("cache") == "");
  }
  SUBCASE("it is a link") {
    std::filesystem::remove(path);
    std::filesystem::create_directory_symlink(scratch.path(), path);
    CHECK(own_temporary_folder("cache") == "");
  }
  SUBCASE("it is somebody else's") {
    if (geteuid() == 0) {
      REQUIRE(chown(path.c_str(), 54321, 54321) == 0);
      CHECK(own_temporary_folder("cache") == "");
    }
  }
}
