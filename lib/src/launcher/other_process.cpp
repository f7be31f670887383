#include "launcher/other_process.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "launcher/descriptor_io.hpp"

namespace ringkernel::launcher {

// The answer is a byte for the code, or '-' for none, then the place up to a NUL, then the message.
Result<void> in_other_process(const std::function<Result<void>()>& work) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return fail(ErrorCode::IoError, std::string("cannot make a pipe: ") + strerror(errno));
  fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    const Result<void> done = work();
    write_all(ends[1], done ? std::string("-")
                            : static_cast<char>(done.error().code) + done.error().where + '\0' +
                                  done.error().message);
    exit(0);
  }
  const int reason = errno;
  close(ends[1]);
  const std::string answer = child < 0 ? "" : read_all(ends[0]);
  close(ends[0]);
  if (child < 0) return fail(ErrorCode::IoError, std::string("cannot fork: ") + strerror(reason));
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (answer == "-") return {};
  const size_t end = answer.find('\0', 1);
  if (end == std::string::npos)
    return fail(ErrorCode::IoError, "the process for it ended without a word");
  return fail(static_cast<ErrorCode>(answer[0]), answer.substr(end + 1), answer.substr(1, end - 1));
}

}  // namespace ringkernel::launcher
