// Atomic words, spelt the same on the host and on a device. Acquire loads, release stores and
// read-modify-writes on words only: no stand-alone fences, so ThreadSanitizer checks the real code.
// Read-modify-writes are sequentially consistent: the publish-then-look protocols of rings and
// signals need that a write is visible before the look that follows it.
#pragma once

#include "ringkernel/device/platform.hpp"

namespace ringkernel {

// Who may look at the word: the same GPU (device), or also the host (system). The host ignores it.
enum class Scope : uint8_t { Device, System };

#if RK_ON_DEVICE

// The builtins want literal orders and scopes, hence the branches.
template <Scope S = Scope::Device, class T>
__device__ inline T load_relaxed(const T* word) {
  if constexpr (S == Scope::System)
    return __nv_atomic_load_n(const_cast<T*>(word), __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_SYSTEM);
  else
    return __nv_atomic_load_n(const_cast<T*>(word), __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_DEVICE);
}
template <Scope S = Scope::Device, class T>
__device__ inline T load_acquire(const T* word) {
  if constexpr (S == Scope::System)
    return __nv_atomic_load_n(const_cast<T*>(word), __NV_ATOMIC_ACQUIRE, __NV_THREAD_SCOPE_SYSTEM);
  else
    return __nv_atomic_load_n(const_cast<T*>(word), __NV_ATOMIC_ACQUIRE, __NV_THREAD_SCOPE_DEVICE);
}
template <Scope S = Scope::Device, class T>
__device__ inline void store_relaxed(T* word, T value) {
  if constexpr (S == Scope::System)
    __nv_atomic_store_n(word, value, __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_SYSTEM);
  else
    __nv_atomic_store_n(word, value, __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_DEVICE);
}
template <Scope S = Scope::Device, class T>
__device__ inline void store_release(T* word, T value) {
  if constexpr (S == Scope::System)
    __nv_atomic_store_n(word, value, __NV_ATOMIC_RELEASE, __NV_THREAD_SCOPE_SYSTEM);
  else
    __nv_atomic_store_n(word, value, __NV_ATOMIC_RELEASE, __NV_THREAD_SCOPE_DEVICE);
}
template <class T>
__device__ inline T fetch_add(T* word, T value) {
  return __nv_atomic_fetch_add(word, value, __NV_ATOMIC_ACQ_REL, __NV_THREAD_SCOPE_DEVICE);
}
template <class T>
__device__ inline T fetch_or(T* word, T bits) {
  return __nv_atomic_fetch_or(word, bits, __NV_ATOMIC_ACQ_REL, __NV_THREAD_SCOPE_DEVICE);
}
template <class T>
__device__ inline T exchange(T* word, T value) {
  return __nv_atomic_exchange_n(word, value, __NV_ATOMIC_ACQ_REL, __NV_THREAD_SCOPE_DEVICE);
}
template <class T>
__device__ inline bool compare_exchange(T* word, T& expected, T desired) {
  return __nv_atomic_compare_exchange_n(word, &expected, desired, false, __NV_ATOMIC_ACQ_REL,
                                        __NV_ATOMIC_ACQUIRE, __NV_THREAD_SCOPE_DEVICE);
}

#else

template <Scope S = Scope::Device, class T>
RK_HD T load_relaxed(const T* word) {
  return __atomic_load_n(word, __ATOMIC_RELAXED);
}
template <Scope S = Scope::Device, class T>
RK_HD T load_acquire(const T* word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
template <Scope S = Scope::Device, class T>
RK_HD void store_relaxed(T* word, T value) {
  __atomic_store_n(word, value, __ATOMIC_RELAXED);
}
template <Scope S = Scope::Device, class T>
RK_HD void store_release(T* word, T value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}
template <class T>
RK_HD T fetch_add(T* word, T value) {
  return __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST);
}
template <class T>
RK_HD T fetch_or(T* word, T bits) {
  return __atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST);
}
template <class T>
RK_HD T exchange(T* word, T value) {
  return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
}
template <class T>
RK_HD bool compare_exchange(T* word, T& expected, T desired) {
  return __atomic_compare_exchange_n(word, &expected, desired, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}

#endif

// A counter with one writer: read by anyone at any time.
RK_HD void count(uint64_t* counter, uint64_t n) {
  store_relaxed(counter, load_relaxed(counter) + n);
}

}  // namespace ringkernel
