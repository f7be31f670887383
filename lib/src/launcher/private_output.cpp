#include "launcher/private_output.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

namespace ringkernel::launcher {

PrivateOutput::PrivateOutput(bool keep)
    : own_(keep ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : -1) {
  fflush(stdout);
  dup2(STDERR_FILENO, STDOUT_FILENO);
}

PrivateOutput::~PrivateOutput() {
  // What handlers printed goes where it was meant to go, too.
  std::cout.flush();
  fflush(stdout);
  if (own_ < 0) return;
  dup2(own_, STDOUT_FILENO);
  close(own_);
}

}  // namespace ringkernel::launcher
