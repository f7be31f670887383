// --in NAME=FILE and --out NAME=FILE.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "ringkernel/error.hpp"
#include "ringkernel/nearest_name.hpp"

namespace ringkernel::launcher {

// InvalidConfig: one of them names none of `ends`. `kind`: "input" or "output".
template <class End>
Result<void> check_redirects(const std::string& kind,
                             const std::vector<std::pair<std::string, std::string>>& redirects,
                             const std::vector<End>& ends) {
  std::vector<std::string> names;
  for (const End& end : ends) names.push_back(end.name);
  for (const auto& [name, file] : redirects) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    const std::string meant = nearest_name(name, names);
    return fail(ErrorCode::InvalidConfig,
                "there is no " + kind + " '" + name + "'" +
                    (meant.empty() ? "" : ": did you mean '" + meant + "'?"));
  }
  return {};
}

}  // namespace ringkernel::launcher
