#include "launcher/service_name.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "launcher/service_folders.hpp"
#include "ringkernel/service.hpp"
#include "unit/launcher/scratch_folder.hpp"

using namespace ringkernel;
using namespace ringkernel::launcher;

TEST_CASE("a name is held by one process at a time and free again afterwards") {
  const ScratchFolder folder;
  {
    const auto first = ServiceName::take(folder.path(), "fraud");
    REQUIRE(first);
    const auto second = ServiceName::take(folder.path(), "fraud");
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::AlreadyRunning);
    CHECK(ServiceName::take(folder.path(), "other"));
  }
  CHECK(ServiceName::take(folder.path(), "fraud"));
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("what a killed process left behind is known as dead and replaced") {
  const ScratchFolder folder;
  int told[2];
  REQUIRE(pipe(told) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto name = ServiceName::take(folder.path(), "fraud");
    const bool listening = name && name->listen();
    const char byte = listening ? '1' : '0';
    [[maybe_unused]] const ssize_t put = write(told[1], &byte, 1);
    for (;;) pause();
  }
  char byte = 0;
  REQUIRE(read(told[0], &byte, 1) == 1);
  CHECK(byte == '1');
  CHECK(running_names(folder.path()).value() == std::vector<std::string>{"fraud"});
  struct stat found {};
  REQUIRE(stat((folder.path() + "/fraud.sock").c_str(), &found) == 0);
  CHECK((found.st_mode & 0777) == 0600);

  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  CHECK(std::filesystem::exists(folder.path() + "/fraud.sock"));
  const auto dead = connect_to(folder.path(), "fraud");
  REQUIRE_FALSE(dead);
  CHECK(dead.error().code == ErrorCode::NotFound);
  CHECK(running_names(folder.path()).value().empty());
  auto again = ServiceName::take(folder.path(), "fraud");
  REQUIRE(again);
  const auto listener = again->listen();
  REQUIRE(listener);
  close(*listener);
  close(told[0]);
  close(told[1]);
}

TEST_CASE("a name that could leave the folder is none") {
  for (const char* name : {"", "../x", "a/b", "A", "1a", "a b", "-a", ".a"}) {
    CAPTURE(name);
    CHECK_FALSE(is_topology_name(name));
  }
  CHECK(is_topology_name("fraud-2_x"));
  CHECK(is_topology_name(std::string(80, 'a')));
  CHECK_FALSE(is_topology_name(std::string(81, 'a')));
}

TEST_CASE("a folder whose path is longer than a socket address serves as well") {
  const ScratchFolder scratch;
  const std::string folder = scratch.path() + "/" + std::string(150, 'd');
  REQUIRE(make_folders(folder));
  auto name = ServiceName::take(folder, "fraud");
  REQUIRE(name);
  const auto listener = name->listen();
  REQUIRE(listener);
  const auto peer = connect_to(folder, "fraud");
  REQUIRE(peer);
  CHECK(check_peer(*peer));
  close(*peer);
  close(*listener);
}

TEST_CASE("the runtime folder is the user's own, and nobody else may enter it") {
  const ScratchFolder scratch;
  SUBCASE("made with mode 0700 where it is missing") {
    const std::string path = scratch.path() + "/a/b";
    const ScopedVariable own("RINGK_RUNTIME_DIR", path.c_str());
    CHECK(runtime_folder().value() == path);
    struct stat found {};
    REQUIRE(stat(path.c_str(), &found) == 0);
    CHECK((found.st_mode & 0777) == 0700);
  }
  SUBCASE("below XDG_RUNTIME_DIR, else in the temporary folder") {
    const ScopedVariable own("RINGK_RUNTIME_DIR", nullptr);
    const ScopedVariable temporary("TMPDIR", scratch.path().c_str());
    {
      const ScopedVariable xdg("XDG_RUNTIME_DIR", (scratch.path() + "/run").c_str());
      CHECK(runtime_folder().value() == scratch.path() + "/run/ringk");
    }
    const ScopedVariable xdg("XDG_RUNTIME_DIR", nullptr);
    CHECK(runtime_folder().value() == scratch.path() + "/ringk-" + std::to_string(geteuid()));
  }
  SUBCASE("not one that others may enter") {
    const ScopedVariable own("RINGK_RUNTIME_DIR", scratch.path().c_str());
    chmod(scratch.path().c_str(), 0755);
    const auto folder = runtime_folder();
    REQUIRE_FALSE(folder);
    CHECK(folder.error().code == ErrorCode::PermissionDenied);
    CHECK(folder.error().where == scratch.path());
  }
  SUBCASE("not a link, whoever made it") {
    const std::string link = scratch.path() + "/link";
    std::filesystem::create_directory_symlink(scratch.path(), link);
    const ScopedVariable own("RINGK_RUNTIME_DIR", link.c_str());
    const auto folder = runtime_folder();
    REQUIRE_FALSE(folder);
    CHECK(folder.error().code == ErrorCode::PermissionDenied);
  }
}

TEST_CASE("the state folder follows its variables") {
  const ScopedVariable home("HOME", "/home/somebody");
  const ScopedVariable xdg("XDG_STATE_HOME", nullptr);
  const ScopedVariable own("RINGK_STATE_DIR", nullptr);
  CHECK(state_folder().value() == "/home/somebody/.local/state/ringk");
  const ScopedVariable xdg_set("XDG_STATE_HOME", "/var/state");
  CHECK(state_folder().value() == "/var/state/ringk");
  const ScopedVariable own_set("RINGK_STATE_DIR", "/srv/state");
  CHECK(state_folder().value() == "/srv/state");
}
