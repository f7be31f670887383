// Errors of the library: a code for programs, a sentence for people, and where it happened.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "ringkernel/export.hpp"

namespace ringkernel {

enum class ErrorCode : uint16_t {
  // Kernels and lifecycle
  KernelNotFound,
  KernelAlreadyExists,
  InvalidStateTransition,
  LaunchFailed,
  KernelFailed,
  // Messages
  QueueFull,
  QueueEmpty,
  MessageTooLarge,
  InvalidMessage,
  NoReply,
  MaxHopsExceeded,
  Timeout,
  Closed,
  DeadlinePassed,
  // Backends
  BackendUnavailable,
  DeviceError,
  OutOfMemory,
  // Handlers and topologies
  CompilationError,
  CompilerNotFound,
  ValidationError,
  InvalidConfig,
  // Clock
  ClockSkew,
  // The world outside
  NotFound,
  AlreadyRunning,
  PermissionDenied,
  IoError,
  ProtocolError,
  Cancelled,
  Internal,
};

RK_API std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::Internal;
  std::string message;  // one sentence, no final dot, says what to do where that is known
  std::string where;    // "file:line:column", a kernel, an edge; empty where there is no place
};

// "where: Code: message", without the first part where there is no place.
RK_API std::string to_string(const Error& error);

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorCode code, std::string message, std::string where = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(where)});
}

}  // namespace ringkernel
