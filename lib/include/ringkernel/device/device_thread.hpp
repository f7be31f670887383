// A thread of a resident kernel and what it does together with the others of its block or grid. On
// a GPU these are instructions; where the tests simulate one, function pointers of the simulation.
#pragma once

#include "ringkernel/device/atomic.hpp"

namespace ringkernel {

// Where the blocks of a grid meet; zeroed memory is valid. The GPU's own barrier of whole grids
// would need a library at link time.
struct GridBarrier {
  uint32_t arrived;
  uint32_t generation;
};

struct DeviceThread {
#if RK_ON_DEVICE
  __device__ uint32_t rank() const { return threadIdx.x; }
  __device__ uint32_t size() const { return blockDim.x; }
  __device__ uint32_t block() const { return blockIdx.x; }
  __device__ uint32_t blocks() const { return gridDim.x; }
  __device__ void sync() const { __syncthreads(); }
  // Nanoseconds of a clock that all SMs share; it ticks about once a microsecond.
  __device__ uint64_t now_ns() const {
    uint64_t ns;
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(ns));
    return ns;
  }
  __device__ void pause(uint32_t ns) const { __nanosleep(ns); }
  // All blocks of the cluster meet. From compute capability 9.0 on.
  __device__ void sync_cluster() const {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "barrier.cluster.arrive.release;\n\t"
        "barrier.cluster.wait.acquire;" ::
            : "memory");
#endif
  }
  // The shared memory of a block of the cluster. As above; it is there between two sync_cluster().
  __device__ void* shared_of([[maybe_unused]] uint32_t rank) const {
    void* memory = shared();
#if __CUDA_ARCH__ >= 900
    asm("mapa.u64 %0, %1, %2;" : "=l"(memory) : "l"(memory), "r"(rank));
#endif
    return memory;
  }
  // Memory that the threads of the block share, zeroed by nobody.
  __device__ void* shared() const {
    extern __shared__ uint4 rk_shared[];
    return rk_shared;
  }
#else
  struct Simulation {
    void (*sync)(void* block);
    uint64_t (*now_ns)();
    void (*pause)(uint32_t ns);
    void (*sync_cluster)(void* cluster);
    void* (*shared_of)(void* cluster, uint32_t rank);
  };
  const Simulation* simulation;
  void* simulated_block;
  void* simulated_cluster;
  void* shared_memory;
  uint32_t rank_, size_, block_, blocks_;
  uint32_t rank() const { return rank_; }
  uint32_t size() const { return size_; }
  uint32_t block() const { return block_; }
  uint32_t blocks() const { return blocks_; }
  void sync() const { simulation->sync(simulated_block); }
  uint64_t now_ns() const { return simulation->now_ns(); }
  void pause(uint32_t ns) const { simulation->pause(ns); }
  void sync_cluster() const { simulation->sync_cluster(simulated_cluster); }
  void* shared_of(uint32_t rank) const { return simulation->shared_of(simulated_cluster, rank); }
  void* shared() const { return shared_memory; }
#endif

  // All blocks of the grid meet. REQUIRES: they run at the same time (a cooperative launch).
  RK_HD void sync_grid(GridBarrier& barrier) const {
    sync();
    if (rank() == 0) {
      uint32_t generation = load_acquire(&barrier.generation);
      if (fetch_add(&barrier.arrived, 1U) + 1 == blocks()) {
        store_relaxed(&barrier.arrived, 0U);
        store_release(&barrier.generation, generation + 1);
      } else {
        while (load_acquire(&barrier.generation) == generation) pause(20);
      }
    }
    sync();
  }

  // Copies n units of 16 bytes, the block's threads side by side. Both ends are aligned to 16.
  RK_HD void copy(void* to, const void* from, uint32_t units) const {
    struct alignas(16) Unit {
      uint64_t low, high;
    };
    for (uint32_t i = rank(); i < units; i += size())
      static_cast<Unit*>(to)[i] = static_cast<const Unit*>(from)[i];
  }
};

// Whether the pointer may be a thread's own memory, which no other thread can reach.
RK_HD bool is_thread_private([[maybe_unused]] const void* pointer) {
#if RK_ON_DEVICE
  return __isLocal(pointer) != 0;
#else
  return false;
#endif
}

}  // namespace ringkernel
