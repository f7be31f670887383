#include "handlers/declared_module.hpp"

#include <algorithm>
#include <deque>
#include <mutex>

namespace ringkernel::handlers {
namespace {

// A module with what it points to.
struct Declared {
  HandlerSpec spec;
  HandlerModule module;
  std::vector<MessageInfo> accepts;
  std::vector<KeySpec> keys;
  std::vector<PortInfo> ports;
  std::vector<BufferInfo> buffers;
};

MessageInfo info_of(const schema::MessageType& type) {
  return {type.name.c_str(), type.fingerprint, type.size, type.alignment};
}

KeySpec key_of(const HandlerSpec& spec, const schema::MessageType& message) {
  KeySpec made;
  for (const KeyFields& key : spec.keys) {
    if (key.message.get() != &message) continue;
    for (const std::string& name : key.fields) {
      const schema::Type& type = message.field(name)->type;
      const bool sized =
          type.kind == schema::Type::Kind::String || type.kind == schema::Type::Kind::Bytes;
      KeyField& field = made.fields[made.field_count++];
      field.offset = message.field(name)->offset;
      field.size = type.value_size;
      field.sized = sized ? 1 : 0;
      field.optional = type.optional ? 1 : 0;
      made.size += field.size + field.optional;
    }
  }
  return made;
}

BufferInfo info_of(const BufferSpec& buffer) {
  BufferInfo info;
  info.name = buffer.name.c_str();
  info.element = buffer.type.element;
  info.rank = static_cast<uint32_t>(buffer.type.extents.size());
  std::copy(buffer.type.extents.begin(), buffer.type.extents.end(), info.extents);
  info.bytes = bytes_of(buffer.type).value_or(0);
  return info;
}

}  // namespace

const HandlerModule* declared_module(const HandlerSpec& spec, const HandlerModule& code) {
  static std::mutex mutex;
  static auto& all = *new std::deque<Declared>();
  const std::lock_guard lock(mutex);
  Declared& made = all.emplace_back();
  made.spec = spec;
  for (const auto& type : made.spec.accepts) {
    made.accepts.push_back(info_of(*type));
    if (!made.spec.keys.empty()) made.keys.push_back(key_of(made.spec, *type));
  }
  for (const PortSpec& port : made.spec.emits)
    made.ports.push_back({port.name.c_str(), info_of(*port.message), port.max});
  for (const BufferSpec& buffer : made.spec.buffers) made.buffers.push_back(info_of(buffer));

  HandlerModule& module = made.module;
  module = code;
  module.accepts = made.accepts.data();
  module.accept_count = static_cast<uint32_t>(made.accepts.size());
  module.keys = made.keys.empty() ? nullptr : made.keys.data();
  module.ports = made.ports.data();
  module.port_count = static_cast<uint32_t>(made.ports.size());
  module.buffers = made.buffers.data();
  module.buffer_count = static_cast<uint32_t>(made.buffers.size());
  module.reply = made.spec.replies == nullptr ? MessageInfo() : info_of(*made.spec.replies);
  module.granularity = made.spec.granularity;
  return &module;
}

}  // namespace ringkernel::handlers
