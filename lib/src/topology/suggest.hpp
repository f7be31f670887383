// "did you mean": the nearest of what was possible.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ringkernel::topology {

// "did you mean 'source'?", or empty where nothing is near.
std::string did_you_mean(std::string_view found, const std::vector<std::string>& possible);

}  // namespace ringkernel::topology
