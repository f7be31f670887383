// Atomic words, spelt the same on the host and on a device. Acquire loads, release stores and
// read-modify-writes on words only: no stand-alone fences, so ThreadSanitizer checks the real code.
// Read-modify-writes are sequentially consistent: the publish-then-look protocols of rings and
// signals need that a write is visible before the look that follows it.
#pragma once

#include "ringkernel/device/platform.hpp"

namespace ringkernel {

// Who may look at the word: blocks of the same cluster, the same GPU (device), or also the host
// (system). The host ignores it.
enum class Scope : uint8_t { Cluster, Device, System };

#if RK_ON_DEVICE

// The builtins want literal orders and scopes, hence the macros. GPUs without clusters take the
// device's scope for the cluster's.
#if __CUDA_ARCH__ >= 900
#define RK_CLUSTER_SCOPE __NV_THREAD_SCOPE_CLUSTER
#else
#define RK_CLUSTER_SCOPE __NV_THREAD_SCOPE_DEVICE
#endif
#define RK_WITH_SCOPE(builtin, ...)                        \
  if constexpr (S == Scope::System)                        \
    return builtin(__VA_ARGS__, __NV_THREAD_SCOPE_SYSTEM); \
  else if constexpr (S == Scope::Cluster)                  \
    return builtin(__VA_ARGS__, RK_CLUSTER_SCOPE);         \
  else                                                     \
    return builtin(__VA_ARGS__, __NV_THREAD_SCOPE_DEVICE)

template <Scope S = Scope::Device, class T>
__device__ inline T load_relaxed(const T* word) {
  RK_WITH_SCOPE(__nv_atomic_load_n, const_cast<T*>(word), __NV_ATOMIC_RELAXED);
}
template <Scope S = Scope::Device, class T>
__device__ inline T load_acquire(const T* word) {
  RK_WITH_SCOPE(__nv_atomic_load_n, const_cast<T*>(word), __NV_ATOMIC_ACQUIRE);
}
template <Scope S = Scope::Device, class T>
__device__ inline void store_relaxed(T* word, T value) {
  RK_WITH_SCOPE(__nv_atomic_store_n, word, value, __NV_ATOMIC_RELAXED);
}
template <Scope S = Scope::Device, class T>
__device__ inline void store_release(T* word, T value) {
  RK_WITH_SCOPE(__nv_atomic_store_n, word, value, __NV_ATOMIC_RELEASE);
}
template <Scope S = Scope::Device, class T>
__device__ inline T fetch_add(T* word, T value) {
  RK_WITH_SCOPE(__nv_atomic_fetch_add, word, value, __NV_ATOMIC_ACQ_REL);
}
template <Scope S = Scope::Device, class T>
__device__ inline T fetch_or(T* word, T bits) {
  RK_WITH_SCOPE(__nv_atomic_fetch_or, word, bits, __NV_ATOMIC_ACQ_REL);
}
template <Scope S = Scope::Device, class T>
__device__ inline T exchange(T* word, T value) {
  RK_WITH_SCOPE(__nv_atomic_exchange_n, word, value, __NV_ATOMIC_ACQ_REL);
}
template <class T>
__device__ inline bool compare_exchange(T* word, T& expected, T desired) {
  return __nv_atomic_compare_exchange_n(word, &expected, desired, false, __NV_ATOMIC_ACQ_REL,
                                        __NV_ATOMIC_ACQUIRE, __NV_THREAD_SCOPE_DEVICE);
}
#undef RK_WITH_SCOPE
#undef RK_CLUSTER_SCOPE

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
template <Scope S = Scope::Device, class T>
RK_HD T fetch_add(T* word, T value) {
  return __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST);
}
template <Scope S = Scope::Device, class T>
RK_HD T fetch_or(T* word, T bits) {
  return __atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST);
}
template <Scope S = Scope::Device, class T>
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
RK_FAST void count(uint64_t* counter, uint64_t n) {
  store_relaxed(counter, load_relaxed(counter) + n);
}

}  // namespace ringkernel
