// The runtime: launches kernels from handler structs, connects them, and runs them on a backend.
// Start reading here.
//
//   auto runtime = ringkernel::RuntimeBuilder{}.backend(ringkernel::Backend::Cpu).build().value();
//   auto score = runtime.launch<Score>("score", LaunchOptions::multi_block(4, 128), {.limit =
//   1000}).value(); runtime.connect(score.port("alert"), audit); score.send(Order{1, 7, 900.0});
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringkernel/hlc.hpp"
#include "ringkernel/kernel_buffers.hpp"
#include "ringkernel/kernel_handle.hpp"
#include "ringkernel/message.hpp"

namespace ringkernel {

// How an edge behaves. Route: by key where the receiver is keyed, else round robin.
struct WireOptions {
  OnFull on_full = OnFull::Wait;
  std::optional<Route> route = {};  // Key, RoundRobin or All
};

// A message that could not be handled, with its payload.
struct DeadMessage {
  Envelope envelope;
  std::string kernel;  // that could not handle it, or whose edge refused it
  std::string edge;    // id, "from.port:to"; empty: none
  std::string reason;  // stable: "failed", "deadline_passed", "queue_full", ...
  std::string detail;
  uint64_t time_us = 0;  // since 1970
};

class RK_API Runtime {
 public:
  Runtime(Runtime&&) noexcept;
  Runtime& operator=(Runtime&&) noexcept;
  // Ends at once: what is queued is lost, on_stop does not run, nothing is saved; shutdown()
  // before.
  ~Runtime();

  Backend backend() const;  // what was chosen; never Auto
  // Why a backend is not available, or nothing where it is.
  static std::optional<Error> unavailable(Backend backend);
  static bool is_backend_available(Backend backend) { return !unavailable(backend); }

  // Launches a kernel from a handler struct (device/handler_traits.hpp). Errors:
  // KernelAlreadyExists, InvalidConfig, LaunchFailed, OutOfMemory; of the files of its buffers
  // NotFound, ValidationError, IoError.
  template <class H>
  Result<KernelHandle> launch(std::string id, const LaunchOptions& options = {},
                              const typename Context<H>::Params& params = {},
                              const KernelBuffers& buffers = {}) {
    return launch_module(std::move(id), module_of<H>(), options, &params,
                         module_of<H>().params_size, 65536, buffers);
  }
  Result<KernelHandle> launch_module(std::string id, const HandlerModule& module,
                                     const LaunchOptions& options, const void* params,
                                     size_t params_size, uint64_t key_capacity = 65536,
                                     const KernelBuffers& buffers = {});

  // Wires a port to a kernel; several wires of a port each get a copy. Both kernels may be running.
  // Errors: KernelNotFound, ValidationError (no such port, types that do not fit).
  Result<void> connect(const PortRef& from, const KernelHandle& to,
                       const WireOptions& options = {});

  // Delivers to a kernel by name, and says what became of it.
  DeliveryStatus deliver(std::string_view kernel, const Envelope& envelope,
                         std::chrono::nanoseconds timeout = std::chrono::nanoseconds::zero());

  std::optional<KernelHandle> get_kernel(std::string_view id) const;
  std::vector<std::string> list_kernels() const;
  RuntimeMetrics metrics() const;
  std::optional<KernelMetrics> kernel_metrics(std::string_view id) const;

  // Until no message is under way, or the time is up (false).
  bool wait_idle(std::optional<std::chrono::nanoseconds> timeout = {}) const;

  Hlc& clock();

  // Terminates all kernels, in the order of their launch. Errors: Timeout.
  Result<void> shutdown(std::chrono::nanoseconds limit = std::chrono::seconds(30));

 private:
  friend class RuntimeBuilder;
  explicit Runtime(std::unique_ptr<RuntimeImpl> impl);
  std::unique_ptr<RuntimeImpl> impl_;
};

class RK_API RuntimeBuilder {
 public:
  RuntimeBuilder& backend(Backend value);
  RuntimeBuilder& device(size_t index);  // which GPU; the CPU has none
  // A folder in which NVRTC looks for the headers of handlers (RK_DEVICE_SOURCE); several calls add
  // up. Where a compiler is given relative paths, the folder that it ran in.
  RuntimeBuilder& device_include(std::string folder);
  // Looks after each step whether a handler wrote past its State (without a key), a buffer, shared
  // memory or a message of begin(): then that is the kernel's last_error, and logged.
  RuntimeBuilder& debug(bool enable);
  RuntimeBuilder& profiling(bool enable);   // takes the latency of each message, not of each batch
  RuntimeBuilder& workers(uint32_t count);  // threads that run blocks; 0: the cores allowed
  // Called with every dead letter, on a worker: be quick.
  RuntimeBuilder& on_dead_letter(std::function<void(const DeadMessage&)> callback);
  // Called with what handlers log, on a worker.
  RuntimeBuilder& on_log(std::function<void(std::string_view kernel, LogLevel level,
                                            std::string_view text, double value)>
                             callback);

  // Errors: BackendUnavailable, with the reason. Auto takes the best there is.
  Result<Runtime> build() const;

 private:
  Backend backend_ = Backend::Auto;
  size_t device_ = 0;
  std::vector<std::string> device_include_;
  bool debug_ = false;
  bool profiling_ = false;
  uint32_t workers_ = 0;
  std::function<void(const DeadMessage&)> on_dead_letter_;
  std::function<void(std::string_view, LogLevel, std::string_view, double)> on_log_;
};

}  // namespace ringkernel
