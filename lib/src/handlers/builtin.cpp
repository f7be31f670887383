#include "handlers/builtin.hpp"

#include <deque>
#include <mutex>

#include "ringkernel/device/make_module.hpp"

namespace ringkernel::handlers {
namespace {

namespace port {
inline constexpr Port<"out", Opaque> out{};  // NOLINT(readability-identifier-naming): a port
}

struct NoKeys {
  template <class M>
  static KeySpec spec() {
    return {};
  }
};

struct Echo {
  using Accepts = ringkernel::Accepts<Opaque>;
  using Ports = ringkernel::Ports<port::out>;
  using Context = ringkernel::Context<Echo>;
  static void on_message(Context& ctx, const Opaque& message) { ctx.emit(port::out, message); }
};
struct KeyedEcho {
  using Accepts = ringkernel::Accepts<Opaque>;
  using Ports = ringkernel::Ports<port::out>;
  using Keys = NoKeys;
  using Context = ringkernel::Context<KeyedEcho>;
  static void on_message(Context& ctx, const Opaque& message) { ctx.emit(port::out, message); }
};
struct ReplyingEcho {
  using Accepts = ringkernel::Accepts<Opaque>;
  using Ports = ringkernel::Ports<port::out>;
  using Reply = Opaque;
  using Context = ringkernel::Context<ReplyingEcho>;
  static void on_message(Context& ctx, const Opaque& message) {
    ctx.emit(port::out, message);
    ctx.reply(message);
  }
};
struct Discard {
  using Accepts = ringkernel::Accepts<Opaque>;
  using Context = ringkernel::Context<Discard>;
  static void on_message(Context&, const Opaque&) {}
};

// A module with the tables that it points to.
struct Made {
  HandlerModule module;
  std::vector<std::string> names;
  std::vector<MessageInfo> accepts;
  std::vector<PortInfo> ports;
  std::vector<KeySpec> keys;
};

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

Result<void> check(const HandlerSpec& spec) {
  const bool echo = spec.builtin == "echo";
  if (!echo && spec.builtin != "discard")
    return fail(ErrorCode::ValidationError, "unknown builtin '" + spec.builtin + "'", spec.kernel);
  if (echo &&
      (spec.accepts.size() != 1 || spec.emits.size() != 1 ||
       spec.emits[0].message != spec.accepts[0] ||
       (spec.replies != nullptr && (spec.replies != spec.accepts[0] || !spec.keys.empty()))))
    return fail(ErrorCode::ValidationError,
                "echo accepts one message, emits it on one port, and replies with it where it "
                "replies and is not keyed",
                spec.kernel);
  if (!echo && (!spec.emits.empty() || spec.replies != nullptr))
    return fail(ErrorCode::ValidationError, "discard emits nothing and does not reply",
                spec.kernel);
  return {};
}

}  // namespace

Result<const HandlerModule*> make_builtin(const HandlerSpec& spec) {
  // Never freed: blocks may run them until the process ends.
  static std::mutex mutex;
  static auto& all = *new std::deque<Made>();

  if (auto checked = check(spec); !checked) return tl::unexpected(checked.error());
  const bool echo = spec.builtin == "echo";
  const std::lock_guard lock(mutex);
  Made& made = all.emplace_back();
  made.module = !echo                     ? module_of<Discard>()
                : spec.replies != nullptr ? module_of<ReplyingEcho>()
                : !spec.keys.empty()      ? module_of<KeyedEcho>()
                                          : module_of<Echo>();
  made.names.reserve(spec.accepts.size() + spec.emits.size());
  auto info = [&](const schema::MessageType& type) {
    return MessageInfo{type.name.c_str(), type.fingerprint, type.size, type.alignment};
  };
  for (const auto& type : spec.accepts) {
    made.names.push_back(type->name);
    made.accepts.push_back(info(*type));
    made.accepts.back().name = made.names.back().c_str();
    if (echo && !spec.keys.empty()) made.keys.push_back(key_of(spec, *type));
  }
  for (const PortSpec& out : spec.emits) {
    made.names.push_back(out.name);
    made.ports.push_back({made.names.back().c_str(), made.accepts[0], out.max});
  }
  made.module.accepts = made.accepts.data();
  made.module.accept_count = static_cast<uint32_t>(made.accepts.size());
  made.module.ports = made.ports.data();
  made.module.keys = made.keys.empty() ? nullptr : made.keys.data();
  if (spec.replies != nullptr) made.module.reply = made.accepts[0];
  return &made.module;
}

Result<HandlerSpec> builtin_as_code(const HandlerSpec& spec) {
  if (auto checked = check(spec); !checked) return tl::unexpected(checked.error());
  HandlerSpec made = spec;
  made.kind = HandlerSpec::Kind::Code;
  made.code_file = "builtin " + spec.builtin;
  made.code_line = 1;
  for (const auto& message : spec.accepts) {
    made.code +=
        "RK_HANDLER void on_message(Context& ctx, const ::" + message->name + "& message) {";
    for (const PortSpec& out : spec.emits)
      made.code += " ctx.emit(port::" + out.name + ", message);";
    if (spec.replies != nullptr) made.code += " ctx.reply(message);";
    made.code += " }\n";
  }
  return made;
}

}  // namespace ringkernel::handlers
