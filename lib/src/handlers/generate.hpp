// The translation unit of a handler: the message structs, ports and Params that the topology
// declares, the user's code, and the glue that makes a module of it. Compiles for the host and,
// with the same text, under NVRTC.
#pragma once

#include <string>

#include "handlers/handler_spec.hpp"

namespace ringkernel::handlers {

// The entry that the unit has under NVRTC.
inline constexpr const char* kDeviceEntry = "rk_resident";

// Says nothing of the kernel's name or its params' values, so that kernels with one handler share
// one module. `source`: the path that the handler file is included by.
std::string generate(const HandlerSpec& spec, const std::string& source);

// The part of it that stands before the user's code.
std::string declarations(const HandlerSpec& spec);

// What a topology's author and an editor see of a message: its C++ struct.
std::string message_struct(const schema::MessageType& type);

}  // namespace ringkernel::handlers
