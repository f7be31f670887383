// What a test may ask of the simulated driver beside CUDA's own functions.
#pragma once

#include <dlfcn.h>

#include <cstdlib>

// Until None is asked for again.
enum class SimulatedFault : int {
  None,
  LaunchFails,     // the next launches answer an error
  NeverStarts,     // what is launched now never begins
  OutOfMemory,     // no more memory of the device
  IllegalAddress,  // every call answers CUDA_ERROR_ILLEGAL_ADDRESS; what runs has ended
  Slow,            // threads meet late
  FewRegisters,    // no more than 256 threads of a kernel fit in a block
  ClockRuns,       // an hour passes between two looks of the device at its clock
  QueriesHang,     // cuStreamQuery does not return: whoever looks after the device is silent
};

// The library that RINGK_CUDA_LIBRARY names has these, and is not linked: see
// in_simulated_driver().
extern "C" void rk_simulate(SimulatedFault fault);
// This function of the driver answers CUDA_ERROR_UNKNOWN, until another one is named; null: none
// does. What RK_SIMULATED_FAILS names does so from the start.
extern "C" void rk_simulate_failure(const char* function);
// How many kernels were launched so far, and how many of them have ended.
extern "C" unsigned long rk_simulated_launches();
extern "C" unsigned long rk_simulated_ends();
// What the last kernel was launched with; null: not a pointer.
extern "C" const void* rk_simulated_argument();
// How often a block has asked where the shared memory of another lies.
extern "C" unsigned long rk_simulated_looks_at_peers();

// As in_simulated_driver<decltype(&rk_simulate)>("rk_simulate"); null: it has no such function.
template <class F>
F in_simulated_driver(const char* function) {
  void* library = dlopen(std::getenv("RINGK_CUDA_LIBRARY"), RTLD_NOW);
  return library == nullptr ? nullptr : reinterpret_cast<F>(dlsym(library, function));
}
