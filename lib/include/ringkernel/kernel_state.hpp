// The lifecycle of a kernel:
//   Created -> Launched -> Active <-> Deactivated
//   Launched, Active, Deactivated -> Terminating -> Terminated; any -> Failed
#pragma once

#include <cstdint>
#include <string_view>

#include "ringkernel/export.hpp"

namespace ringkernel {

enum class KernelState : uint8_t {
  Created,
  Launched,
  Active,
  Deactivated,
  Terminating,
  Terminated,
  Failed,
};

RK_API std::string_view to_string(KernelState state);  // "created", "launched", ...

constexpr bool can_activate(KernelState state) {
  return state == KernelState::Launched || state == KernelState::Deactivated;
}
constexpr bool can_deactivate(KernelState state) { return state == KernelState::Active; }
constexpr bool can_terminate(KernelState state) {
  return state == KernelState::Launched || state == KernelState::Active ||
         state == KernelState::Deactivated;
}
constexpr bool is_running(KernelState state) { return state == KernelState::Active; }
constexpr bool is_finished(KernelState state) {
  return state == KernelState::Terminated || state == KernelState::Failed;
}

}  // namespace ringkernel
