#include "ringkernel/error.hpp"

namespace ringkernel {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::KernelNotFound:
      return "KernelNotFound";
    case ErrorCode::KernelAlreadyExists:
      return "KernelAlreadyExists";
    case ErrorCode::InvalidStateTransition:
      return "InvalidStateTransition";
    case ErrorCode::LaunchFailed:
      return "LaunchFailed";
    case ErrorCode::KernelFailed:
      return "KernelFailed";
    case ErrorCode::QueueFull:
      return "QueueFull";
    case ErrorCode::QueueEmpty:
      return "QueueEmpty";
    case ErrorCode::MessageTooLarge:
      return "MessageTooLarge";
    case ErrorCode::InvalidMessage:
      return "InvalidMessage";
    case ErrorCode::NoReply:
      return "NoReply";
    case ErrorCode::MaxHopsExceeded:
      return "MaxHopsExceeded";
    case ErrorCode::Timeout:
      return "Timeout";
    case ErrorCode::Closed:
      return "Closed";
    case ErrorCode::DeadlinePassed:
      return "DeadlinePassed";
    case ErrorCode::BackendUnavailable:
      return "BackendUnavailable";
    case ErrorCode::DeviceError:
      return "DeviceError";
    case ErrorCode::OutOfMemory:
      return "OutOfMemory";
    case ErrorCode::CompilationError:
      return "CompilationError";
    case ErrorCode::CompilerNotFound:
      return "CompilerNotFound";
    case ErrorCode::ValidationError:
      return "ValidationError";
    case ErrorCode::InvalidConfig:
      return "InvalidConfig";
    case ErrorCode::ClockSkew:
      return "ClockSkew";
    case ErrorCode::NotFound:
      return "NotFound";
    case ErrorCode::AlreadyRunning:
      return "AlreadyRunning";
    case ErrorCode::PermissionDenied:
      return "PermissionDenied";
    case ErrorCode::IoError:
      return "IoError";
    case ErrorCode::ProtocolError:
      return "ProtocolError";
    case ErrorCode::Cancelled:
      return "Cancelled";
    case ErrorCode::Internal:
      return "Internal";
  }
  return "Unknown";
}

std::string to_string(const Error& error) {
  std::string text;
  if (!error.where.empty()) text = error.where + ": ";
  text += to_string(error.code);
  if (!error.message.empty()) text += ": " + error.message;
  return text;
}

}  // namespace ringkernel
