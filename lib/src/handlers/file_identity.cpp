#include "handlers/file_identity.hpp"

#include <sys/stat.h>

#include <filesystem>

namespace ringkernel::handlers {

std::string file_identity(const std::string& path) {
  std::error_code code;
  const std::filesystem::path real = std::filesystem::canonical(path, code);
  struct stat status {};
  stat(path.c_str(), &status);
  return (code ? path : real.string()) + ":" + std::to_string(status.st_size) + ":" +
         std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec);
}

}  // namespace ringkernel::handlers
