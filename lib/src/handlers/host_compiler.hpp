// The host's C++ compiler: where it is, how it is called, what it said.
#pragma once

#include <string>
#include <vector>

#include "handlers/handler_spec.hpp"
#include "ringkernel/error.hpp"

namespace ringkernel::handlers {

class HostCompiler {
 public:
  // `wanted` empty: RINGK_CXX, CXX, g++, clang++, c++, the first that there is.
  // CompilerNotFound; NotFound: the headers of this library are not where they belong.
  static Result<HostCompiler> find(const std::string& wanted);

  const std::string& path() const { return path_; }
  // Path, size and time of the compiler: changes when another one is installed.
  const std::string& identity() const { return identity_; }

  std::vector<std::string> flags_for(const HandlerSpec& spec) const;

  // Compiles `source` into the shared object `output`; the files it read are listed in
  // `dependencies`, as make rules. CompilationError with what the compiler said, IoError: it could
  // not be run.
  Result<void> compile(const std::vector<std::string>& flags, const std::string& source,
                       const std::string& output, const std::string& dependencies) const;

 private:
  std::string path_;
  std::string identity_;
  std::string include_;
  bool is_clang_ = false;
};

// The folder with ringkernel/handler.hpp: RINGK_INCLUDE_DIR, beside the library, or the tree that
// this was built from.
Result<std::string> include_folder();

}  // namespace ringkernel::handlers
