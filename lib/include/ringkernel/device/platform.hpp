// What differs between the compilers that read this folder: the host's, nvcc and NVRTC. Everything
// else in the folder is written once. NVRTC has no standard headers, so this brings the names.
#pragma once

#if defined(__CUDACC_RTC__)
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long uint64_t;
typedef unsigned long uintptr_t;
#else
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#endif

#if defined(__CUDACC__)
#define RK_HD __host__ __device__ inline
#else
#define RK_HD inline
#endif

// 1 where the code being compiled runs on a GPU.
#if defined(__CUDA_ARCH__)
#define RK_ON_DEVICE 1
#else
#define RK_ON_DEVICE 0
#endif

#define RK_HANDLER RK_HD

// Code of a resident kernel that is the same whatever its handler. A GPU's compiler takes most of
// its time for it, so it can be compiled by itself, once for all kernels (RK_SHARED_CODE), and
// linked to the code of each (RK_LINKED). RK_SHARED declares such a function, RK_SHARED_BODY
// defines it.
#if defined(__CUDACC__)
#define RK_SHARED __host__ __device__ __noinline__
#else
#define RK_SHARED
#endif
#if defined(RK_SHARED_CODE)
#define RK_SHARED_BODY RK_SHARED
#else
#define RK_SHARED_BODY RK_SHARED inline
#endif

// Loops whose length only the run knows: unrolled, they make code that nobody needs, and on a GPU
// cost most of the time to compile.
#if defined(__CUDACC__)
#define RK_ROLLED _Pragma("unroll 1")
#else
#define RK_ROLLED
#endif

// The host's threads and a GPU's SMs share lines of this size; each line has one writer.
#define RK_CACHE_LINE 128

// The fast path of a message is one piece of code around the handler; what is beside it is kept out
// of line, so that it stays small. A GPU's compiler inlines everything by itself.
#if defined(__CUDACC__)
#define RK_FAST RK_HD
#define RK_FAST_LAMBDA
#define RK_BESIDE RK_HD
#else
#define RK_FAST __attribute__((always_inline)) inline
#define RK_FAST_LAMBDA __attribute__((always_inline))
#define RK_BESIDE __attribute__((noinline)) inline
#endif

#define RK_LIKELY(x) __builtin_expect(!!(x), 1)
#define RK_UNLIKELY(x) __builtin_expect(!!(x), 0)

namespace ringkernel {

RK_HD void copy_bytes(void* to, const void* from, uint32_t n) {
#if RK_ON_DEVICE
  unsigned char* t = static_cast<unsigned char*>(to);
  const unsigned char* f = static_cast<const unsigned char*>(from);
  RK_ROLLED for (uint32_t i = 0; i < n; ++i) t[i] = f[i];
#else
  memcpy(to, from, n);
#endif
}

RK_HD void zero_bytes(void* to, uint32_t n) {
#if RK_ON_DEVICE
  unsigned char* t = static_cast<unsigned char*>(to);
  RK_ROLLED for (uint32_t i = 0; i < n; ++i) t[i] = 0;
#else
  memset(to, 0, n);
#endif
}

// Ticks of the core, about one a nanosecond or faster, and cheaper than a clock; 0: there is none.
RK_HD uint64_t core_ticks() {
#if !RK_ON_DEVICE && defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return 0;
#endif
}

// REQUIRES: x is not 0.
RK_HD uint32_t lowest_bit(uint64_t x) {
#if RK_ON_DEVICE
  return static_cast<uint32_t>(__ffsll(static_cast<long long>(x))) - 1U;
#else
  return static_cast<uint32_t>(__builtin_ctzll(x));
#endif
}
RK_HD uint32_t highest_bit(uint64_t x) {
#if RK_ON_DEVICE
  return 63U - static_cast<uint32_t>(__clzll(static_cast<long long>(x)));
#else
  return 63U - static_cast<uint32_t>(__builtin_clzll(x));
#endif
}

// x modulo n by steps of 16 bits. REQUIRES: n is below 65536.
RK_HD constexpr uint32_t remainder_by_steps(uint64_t x, uint32_t n) {
  uint32_t rest = 0;
  RK_ROLLED for (int shift = 48; shift >= 0; shift -= 16) rest =
      ((rest << 16) | (static_cast<uint32_t>(x >> shift) & 0xFFFFU)) % n;
  return rest;
}
// x modulo n. A GPU's compiler calls a function for 64 bits; there n is below 65536.
RK_HD uint32_t remainder_of(uint64_t x, uint32_t n) {
  return RK_ON_DEVICE != 0 ? remainder_by_steps(x, n) : static_cast<uint32_t>(x % n);
}

template <class T>
RK_HD constexpr T min_of(T a, T b) {
  return a < b ? a : b;
}
template <class T>
RK_HD constexpr T max_of(T a, T b) {
  return a > b ? a : b;
}

// A message is written there soon: a processor that waits for its first lines fetches them
// meanwhile. Inlined always: to a compiler, a function that only fetches has no effect, and a call
// of it is dropped.
RK_FAST void prepare_to_write([[maybe_unused]] const void* slot) {
#if !defined(__CUDACC__)
  __builtin_prefetch(slot, 1);
  __builtin_prefetch(static_cast<const unsigned char*>(slot) + 64, 1);
#endif
}

template <class A, class B>
inline constexpr bool is_same_type = false;
template <class A>
inline constexpr bool is_same_type<A, A> = true;

template <bool, class A, class B>
struct Either {
  using Type = A;
};
template <class A, class B>
struct Either<false, A, B> {
  using Type = B;
};

// The place of a type among others; their number where it is none of them.
template <class T, class... Types>
RK_HD constexpr uint32_t position_of() {
  uint32_t index = 0;
  bool found = false;
  ((found = found || is_same_type<Types, T>, index += found ? 0U : 1U), ...);
  return index;
}

template <class T>
struct RemoveConstRef {
  using Type = T;
};
template <class T>
struct RemoveConstRef<const T> {
  using Type = T;
};
template <class T>
struct RemoveConstRef<T&> : RemoveConstRef<T> {};

}  // namespace ringkernel
