#pragma once

#include <string>

namespace ringkernel::handlers {

// Real path, size and time of a compiler's file: changes when another one is installed.
std::string file_identity(const std::string& path);

}  // namespace ringkernel::handlers
