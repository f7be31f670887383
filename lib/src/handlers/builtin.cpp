#include "handlers/builtin.hpp"

#include "handlers/declared_module.hpp"
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

// Nobody keeps State: keys decide which block a message goes to, and an echo is told its own.
HandlerSpec declaration_of(const HandlerSpec& spec) {
  HandlerSpec declared = spec;
  if (spec.builtin == "discard") declared.keys.clear();
  declared.params.clear();
  return declared;
}

}  // namespace

Result<const HandlerModule*> make_builtin(const HandlerSpec& spec) {
  if (auto checked = check(spec); !checked) return tl::unexpected(checked.error());
  const HandlerModule& code = spec.builtin == "discard" ? module_of<Discard>()
                              : spec.replies != nullptr ? module_of<ReplyingEcho>()
                              : !spec.keys.empty()      ? module_of<KeyedEcho>()
                                                        : module_of<Echo>();
  return declared_module(declaration_of(spec), code);
}

Result<HandlerSpec> builtin_as_code(const HandlerSpec& spec) {
  if (auto checked = check(spec); !checked) return tl::unexpected(checked.error());
  HandlerSpec made = declaration_of(spec);
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
