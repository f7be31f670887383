#include "ringkernel/version.hpp"

namespace ringkernel {

std::string_view version() { return RINGKERNEL_VERSION; }

}  // namespace ringkernel
