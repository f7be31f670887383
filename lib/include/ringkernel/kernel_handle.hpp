// A handle to a launched kernel: cheap to copy, usable from any thread, valid as long as its
// Runtime.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ringkernel/device/make_module.hpp"
#include "ringkernel/envelope.hpp"
#include "ringkernel/metrics.hpp"

namespace ringkernel {

class Runtime;
class RuntimeImpl;

// What became of a message from kernel to kernel or from the host, as far as the sender can know.
enum class DeliveryStatus : uint8_t {
  Delivered,
  Pending,
  NotFound,
  QueueFull,
  Timeout,
  MaxHopsExceeded
};
RK_API std::string_view to_string(DeliveryStatus status);

// A kernel's output, for Runtime::connect().
struct PortRef {
  std::string kernel;
  std::string port;
};

class RK_API KernelHandle {
 public:
  using Duration = std::chrono::nanoseconds;
  static constexpr Duration kDefaultTimeout = std::chrono::seconds(5);

  const std::string& id() const;

  // Lifecycle. Fail with InvalidStateTransition, naming both states.
  Result<void> activate() const;
  Result<void> deactivate() const;
  Result<void> suspend() const { return deactivate(); }
  Result<void> resume() const { return activate(); }
  // Drains what was accepted, runs on_stop, ends, saves buffers. Fails with Timeout where that
  // takes longer; what is left then is a dead letter. What waits at a kernel that is not active is
  // one at once, and its on_stop does not run. IoError, DeviceError: a buffer could not be saved.
  Result<void> terminate(Duration limit = std::chrono::seconds(30)) const;
  // Until the kernel has terminated, or Timeout.
  Result<void> wait(std::optional<Duration> timeout = {}) const;

  KernelState state() const;
  bool is_active() const { return state() == KernelState::Active; }
  bool is_terminated() const { return state() == KernelState::Terminated; }
  KernelStatus status() const;
  KernelMetrics metrics() const;

  // Sending waits for room. Errors: InvalidMessage (a type it does not accept), Timeout, Closed.
  template <class M>
  Result<void> send(const M& message, Duration timeout = kDefaultTimeout) const {
    return send_envelope(Envelope::of(message), timeout);
  }
  // Never blocks: QueueFull where there is no room.
  template <class M>
  Result<void> try_send(const M& message) const {
    return send_envelope(Envelope::of(message), Duration::zero());
  }
  // Priority, deadline and correlation are taken from the header; ids and stamps where they are 0
  // are filled in. The envelope is the caller's still where it fails.
  Result<void> send_envelope(const Envelope& envelope, Duration timeout = kDefaultTimeout) const;

  // What the kernel emits on ports that are connected to nothing, in order per block.
  // Errors: Timeout, QueueEmpty (try_receive), Closed (terminated and nothing left).
  Result<Envelope> receive() const { return receive_until(std::nullopt); }
  Result<Envelope> receive_timeout(Duration timeout) const { return receive_until(timeout); }
  Result<Envelope> try_receive() const;
  // Readable when something may be there to receive: for poll, epoll and event loops.
  Result<int> receive_descriptor() const;

  // Sends a request and waits for its one completion. Errors: those of send, Timeout, NoReply,
  // KernelFailed (the handler failed, with its words).
  template <class R, class M>
  Result<R> call(const M& message, Duration timeout = kDefaultTimeout) const {
    auto reply = call_envelope(Envelope::of(message), timeout);
    return reply.and_then([](Envelope& answer) -> Result<R> {
      const bool is_one =
          answer.payload.size() == sizeof(R) && answer.type == MessageTraits<R>::kName;
      answer.fingerprint = is_one ? MessageTraits<R>::kFingerprint : 0;
      return answer.template as<R>();
    });
  }
  Result<Envelope> call_envelope(const Envelope& request, Duration timeout = kDefaultTimeout) const;

  PortRef port(std::string name) const { return {id(), std::move(name)}; }

 private:
  friend class Runtime;
  struct Inner;
  explicit KernelHandle(std::shared_ptr<Inner> inner) : inner_(std::move(inner)) {}
  Result<Envelope> receive_until(std::optional<Duration> timeout) const;
  std::shared_ptr<Inner> inner_;
};

}  // namespace ringkernel
