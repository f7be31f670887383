#include "launcher/descriptor_io.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace ringkernel::launcher {

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = write(descriptor, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;
    text.remove_prefix(static_cast<size_t>(put));
  }
}

std::string read_all(int descriptor) {
  std::string all;
  for (std::array<char, 4096> part;;) {
    const ssize_t got = read(descriptor, part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return all;
    all.append(part.data(), static_cast<size_t>(got));
  }
}

}  // namespace ringkernel::launcher
