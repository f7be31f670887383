#include "launcher/poller.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <semaphore>

using ringkernel::launcher::Poller;

namespace {

struct Pipe {
  Pipe() { REQUIRE(pipe(ends.data()) == 0); }
  ~Pipe() {
    close(ends[0]);
    close_writer();
  }
  void close_writer() {
    if (ends[1] >= 0) close(ends[1]);
    ends[1] = -1;
  }
  std::array<int, 2> ends{-1, -1};
};

}  // namespace

TEST_CASE("the poller tells of a descriptor once per arm()") {
  auto poller = Poller::start();
  REQUIRE(poller);
  Pipe pipe;
  std::counting_semaphore<> calls(0);
  REQUIRE((*poller)->add(pipe.ends[0], Poller::For::Reading, [&] { calls.release(); }));
  REQUIRE(write(pipe.ends[1], "a", 1) == 1);
  (*poller)->arm(pipe.ends[0]);
  calls.acquire();
  (*poller)->arm(pipe.ends[0]);
  calls.acquire();
  (*poller)->remove(pipe.ends[0]);
  CHECK_FALSE(calls.try_acquire());
}

// epoll reports EPOLLHUP whether it was asked for or not.
TEST_CASE("the poller says nothing of a closed pipe before it is armed") {
  auto poller = Poller::start();
  REQUIRE(poller);
  Pipe closed;
  Pipe marker;
  closed.close_writer();
  std::counting_semaphore<> calls(0);
  std::counting_semaphore<> marked(0);
  REQUIRE((*poller)->add(closed.ends[0], Poller::For::Reading, [&] { calls.release(); }));
  // Its event is handled after the one of the closed pipe.
  REQUIRE((*poller)->add(marker.ends[0], Poller::For::Reading, [&] { marked.release(); }));
  REQUIRE(write(marker.ends[1], "a", 1) == 1);
  for (int i = 0; i < 3; ++i) {
    (*poller)->arm(marker.ends[0]);
    marked.acquire();
  }
  CHECK_FALSE(calls.try_acquire());
  (*poller)->arm(closed.ends[0]);
  calls.acquire();
}

TEST_CASE("the poller refuses a regular file, which is always ready") {
  auto poller = Poller::start();
  REQUIRE(poller);
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  CHECK_FALSE((*poller)->add(fileno(file), Poller::For::Reading, [] {}));
  std::fclose(file);
}
