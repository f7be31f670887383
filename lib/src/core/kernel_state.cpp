#include "ringkernel/kernel_state.hpp"

namespace ringkernel {

std::string_view to_string(KernelState state) {
  switch (state) {
    case KernelState::Created:
      return "created";
    case KernelState::Launched:
      return "launched";
    case KernelState::Active:
      return "active";
    case KernelState::Deactivated:
      return "deactivated";
    case KernelState::Terminating:
      return "terminating";
    case KernelState::Terminated:
      return "terminated";
    case KernelState::Failed:
      return "failed";
  }
  return "unknown";
}

}  // namespace ringkernel
