// A bounded queue of blocks, many producers and consumers, a turn per cell (D. Vyukov's bounded
// MPMC queue). A block is in at most one queue of a runtime.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace ringkernel::backends {

template <class T>
class RunQueue {
 public:
  // `capacity` is a power of two.
  explicit RunQueue(uint32_t capacity)
      : mask_(capacity - 1), cells_(std::make_unique<Cell[]>(capacity)) {
    for (uint32_t i = 0; i < capacity; ++i) cells_[i].turn.store(i, std::memory_order_relaxed);
  }

  bool push(T* item) {
    uint64_t tail = tail_.load(std::memory_order_relaxed);
    for (;;) {
      Cell& cell = cells_[tail & mask_];
      uint64_t turn = cell.turn.load(std::memory_order_acquire);
      if (turn == tail) {
        if (tail_.compare_exchange_weak(tail, tail + 1)) {
          cell.item.store(item, std::memory_order_relaxed);
          cell.turn.store(tail + 1, std::memory_order_release);
          return true;
        }
      } else if (turn < tail) {
        return false;
      } else {
        tail = tail_.load(std::memory_order_relaxed);
      }
    }
  }

  T* pop() {
    uint64_t head = head_.load(std::memory_order_relaxed);
    for (;;) {
      Cell& cell = cells_[head & mask_];
      uint64_t turn = cell.turn.load(std::memory_order_acquire);
      if (turn == head + 1) {
        if (head_.compare_exchange_weak(head, head + 1)) {
          T* item = cell.item.load(std::memory_order_relaxed);
          cell.turn.store(head + mask_ + 1, std::memory_order_release);
          return item;
        }
      } else if (turn < head + 1) {
        return nullptr;
      } else {
        head = head_.load(std::memory_order_relaxed);
      }
    }
  }

  // The item at the head, or null; it may be gone by the time the caller looks at it.
  T* peek() const {
    uint64_t head = head_.load(std::memory_order_relaxed);
    const Cell& cell = cells_[head & mask_];
    if (cell.turn.load(std::memory_order_acquire) != head + 1) return nullptr;
    return cell.item.load(std::memory_order_relaxed);
  }

  bool seems_empty() const {
    return head_.load(std::memory_order_relaxed) == tail_.load(std::memory_order_relaxed);
  }
  // Sequentially consistent, for the look of a worker that is about to park.
  bool empty() const { return head_.load() == tail_.load(); }

 private:
  struct Cell {
    std::atomic<uint64_t> turn;
    std::atomic<T*> item;
  };
  alignas(128) std::atomic<uint64_t> tail_{0};
  alignas(128) std::atomic<uint64_t> head_{0};
  alignas(128) uint64_t mask_;
  std::unique_ptr<Cell[]> cells_;
};

}  // namespace ringkernel::backends
