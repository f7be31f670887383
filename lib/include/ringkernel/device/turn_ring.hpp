// Single producer, single consumer, a turn per slot and no shared cursors: for rings across PCIe,
// where each side only loads and stores and one writer owns each line. The consumer polls the next
// slot's turn; the producer learns of room from the turns that come back.
#pragma once

#include "ringkernel/device/ring.hpp"

namespace ringkernel {

template <Scope S = Scope::System>
struct TurnSender {
  Ring ring;
  uint64_t tail = 0;

  RK_HD bool has_room() const {
    return load_acquire<S>(&ring.slot(tail)->turn) == 2 * ring.lap(tail);
  }
  RK_HD MessageHeader* next() const { return ring.slot(tail); }
  // Release: payload and header are visible before the turn.
  RK_HD void publish() {
    store_release<S>(&ring.slot(tail)->turn, 2 * ring.lap(tail) + 1);
    ++tail;
  }
};

template <Scope S = Scope::System>
struct TurnReceiver {
  Ring ring;
  uint64_t head = 0;

  RK_HD bool has_message() const {
    return load_acquire<S>(&ring.slot(head)->turn) == 2 * ring.lap(head) + 1;
  }
  RK_HD MessageHeader* front() const { return ring.slot(head); }
  RK_HD void release() {
    store_release<S>(&ring.slot(head)->turn, 2 * (ring.lap(head) + 1));
    ++head;
  }
};

}  // namespace ringkernel
