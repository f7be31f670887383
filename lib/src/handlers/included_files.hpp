// The files that a C++ text includes, found by reading it: for a compiler that does not list them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ringkernel::handlers {

struct IncludedFiles {
  std::vector<std::string> paths;  // each once, those included first before those they include
  bool complete = true;            // false: a name is a macro's, or nowhere in quotes' reach
};

// Follows every #include, whatever #if stands around it, so there may be more files than a compiler
// would read and never fewer. A file is looked for beside the one that includes it, then in
// `folders`; one in angle brackets that is in neither is the compiler's own.
IncludedFiles included_files(std::string_view text, const std::vector<std::string>& folders);

}  // namespace ringkernel::handlers
