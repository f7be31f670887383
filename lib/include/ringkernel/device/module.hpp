// What a compiled handler tells its backend, and the one function that runs it. A handler compiled
// on its own exports one C symbol of this type, `rk_handler_module`.
#pragma once

#include "ringkernel/device/block.hpp"
#include "ringkernel/device/scalar.hpp"

namespace ringkernel {

// Changes with every change to this folder that a compiled handler can see.
inline constexpr uint32_t kModuleAbi = 6;

struct MessageInfo {
  const char* name = nullptr;
  uint64_t fingerprint = 0;
  uint32_t size = 0;
  uint32_t alignment = 1;
};

struct PortInfo {
  const char* name = nullptr;
  MessageInfo message;
  uint32_t max = 1;
};

// An array in C order, the last extent varying fastest.
inline constexpr uint32_t kMostExtents = 4;
struct BufferInfo {
  const char* name = nullptr;
  Scalar element = Scalar::F32;
  uint32_t rank = 0;
  uint64_t extents[kMostExtents] = {};
  uint64_t bytes = 0;
};

enum class Granularity : uint8_t { Serial, Thread, Block, Grid };

struct HandlerModule {
  uint32_t abi = kModuleAbi;
  uint32_t block_size = sizeof(Block);  // guards against a module built with other headers
  const MessageInfo* accepts = nullptr;
  const KeySpec* keys = nullptr;  // one per accepted type, or null: not keyed
  uint32_t accept_count = 0;
  const PortInfo* ports = nullptr;
  uint32_t port_count = 0;
  const BufferInfo* buffers = nullptr;
  uint32_t buffer_count = 0;
  MessageInfo reply;  // name null: the handler does not reply
  uint32_t state_size = 0;
  uint32_t state_alignment = 1;
  uint32_t params_size = 0;
  uint32_t params_alignment = 1;
  Granularity granularity = Granularity::Serial;
  bool has_start = false;
  bool has_stop = false;
  bool has_poll = false;
  // The header and the name of a handler struct that a GPU can run; null: RK_DEVICE_SOURCE is not
  // in it.
  const char* device_source = nullptr;
  const char* device_type = nullptr;
  // Runs at most `budget` messages of the block. REQUIRES: the caller owns the block. Null in the
  // module of a kernel that runs on a device.
  StepResult (*run)(Block* block, uint32_t budget) = nullptr;
};

}  // namespace ringkernel

// In a program's handler struct: it may run on a GPU. NVRTC compiles the header in which this
// stands, which includes nothing but ringkernel/handler.hpp, ringkernel/message.hpp and the like.
#define RK_DEVICE_SOURCE(Type)                           \
  static constexpr const char* kDeviceSource = __FILE__; \
  static constexpr const char* kDeviceType = #Type
