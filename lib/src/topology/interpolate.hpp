// ${VAR}, ${VAR:-default} and ${VAR:?message} in the scalars of a document. $$ is a dollar; the
// code of kernels is left alone; a quoted scalar that is exactly one ${...} counts as plain.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "topology/value.hpp"

namespace ringkernel::topology {

void interpolate(Value& document,
                 const std::function<std::optional<std::string>(const std::string&)>& variable,
                 std::vector<Diagnostic>& diagnostics);

}  // namespace ringkernel::topology
