#include "core/message_ids.hpp"

#include <random>

namespace ringkernel {

MessageIds::MessageIds() : next_((uint64_t{std::random_device{}() & 0xFFFFFFU} << 40) + 1) {}

}  // namespace ringkernel
