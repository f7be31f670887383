#include "handlers/generate.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <limits>
#include <set>

namespace ringkernel::handlers {
namespace {

using schema::Field;
using schema::MessageType;
using schema::MessageTypePtr;
using schema::Type;

std::string cpp_scalar(schema::Scalar scalar) {
  using S = schema::Scalar;
  switch (scalar) {
    case S::Bool:
      return "bool";
    case S::U8:
      return "uint8_t";
    case S::U16:
      return "uint16_t";
    case S::U32:
      return "uint32_t";
    case S::U64:
      return "uint64_t";
    case S::I8:
      return "int8_t";
    case S::I16:
      return "int16_t";
    case S::I32:
      return "int32_t";
    case S::I64:
      return "int64_t";
    case S::F32:
      return "float";
    case S::F64:
      return "double";
  }
  return "";
}

const Type& innermost(const Type& type) {
  const Type* at = &type;
  while (at->element != nullptr) at = at->element.get();
  return *at;
}

// reason -> Reason, order_kind -> OrderKind
std::string pascal(const std::string& name) {
  std::string out;
  bool upper = true;
  for (char c : name) {
    if (c == '_') {
      upper = true;
      continue;
    }
    out += upper ? static_cast<char>(toupper(static_cast<unsigned char>(c))) : c;
    upper = false;
  }
  return out.empty() ? "Value" : out;
}

// The enum types of a message, by field: named after it, with "Value" where that name is taken.
std::vector<std::string> enum_names(const MessageType& message) {
  std::set<std::string> taken = {message.name};
  for (const Field& field : message.fields) taken.insert(field.name);
  std::vector<std::string> names;
  for (const Field& field : message.fields) {
    std::string name;
    if (innermost(field.type).kind == Type::Kind::Enum) {
      name = pascal(field.name);
      while (!taken.insert(name).second) name += "Value";
    }
    names.push_back(std::move(name));
  }
  return names;
}

// The type and, for an array, what follows the name.
struct Declarator {
  std::string type;
  std::string suffix;
};
Declarator declare(const Type& type, const std::string& enum_name) {
  Declarator d;
  const std::string n = std::to_string(type.count);
  switch (type.kind) {
    case Type::Kind::Scalar:
      d.type = cpp_scalar(type.scalar);
      break;
    case Type::Kind::String:
      d.type = "ringkernel::String<" + n + ">";
      break;
    case Type::Kind::Bytes:
      d.type = "ringkernel::Bytes<" + n + ">";
      break;
    case Type::Kind::Enum:
      d.type = enum_name;
      break;
    case Type::Kind::Message:
      d.type = "::" + type.message->name;
      break;
    case Type::Kind::Array: {
      Declarator element = declare(*type.element, enum_name);
      d.type = element.type;
      d.suffix = "[" + n + "]" + element.suffix;
      break;
    }
    case Type::Kind::List: {
      Declarator element = declare(*type.element, enum_name);
      d.type = "ringkernel::Array<" + element.type + element.suffix + ", " + n + ">";
      break;
    }
  }
  if (type.optional) return {"ringkernel::Optional<" + d.type + d.suffix + ">", ""};
  return d;
}

void collect(const MessageTypePtr& message, std::vector<MessageTypePtr>& all) {
  if (message == nullptr || std::find(all.begin(), all.end(), message) != all.end()) return;
  for (const Field& field : message->fields) collect(innermost(field.type).message, all);
  all.push_back(message);
}

// A message's name is a global struct, so its own name goes before that of a library type.
std::string using_names(const std::vector<MessageTypePtr>& messages) {
  std::string text;
  for (const char* name :
       {"Array", "Bytes", "EmitOptions", "LogLevel", "Optional", "String", "View"}) {
    bool taken = std::any_of(messages.begin(), messages.end(),
                             [&](const MessageTypePtr& m) { return m->name == name; });
    if (!taken) text += "using ringkernel::" + std::string(name) + ";\n";
  }
  return text;
}

std::string traits_of(const MessageType& message) {
  const std::string& name = message.name;
  std::array<char, 32> fingerprint{};
  snprintf(fingerprint.data(), fingerprint.size(), "0x%016llXULL",
           static_cast<unsigned long long>(message.fingerprint));
  std::string text = "static_assert(sizeof(::" + name + ") == " + std::to_string(message.size) +
                     " && alignof(::" + name + ") == " + std::to_string(message.alignment) + ");\n";
  if (!message.fields.empty()) {
    text += "#if !defined(__CUDACC_RTC__)\n";  // it has no constant offsetof
    for (const Field& field : message.fields)
      text += "static_assert(offsetof(::" + name + ", " + field.name +
              ") == " + std::to_string(field.offset) + ");\n";
    text += "#endif\n";
  }
  text += "template <>\nstruct ringkernel::MessageTraits<::" + name +
          "> {\n  static constexpr const char* kName = \"" + name +
          "\";\n  static constexpr uint64_t kFingerprint = " + fingerprint.data() +
          ";\n  RK_HD static void clear_padding([[maybe_unused]] ::" + name + "& m) {\n";
  uint32_t at = 0;
  auto gap = [&](uint32_t to) {
    if (to > at)
      text += "    ringkernel::zero_bytes(reinterpret_cast<unsigned char*>(&m) + " +
              std::to_string(at) + ", " + std::to_string(to - at) + ");\n";
  };
  for (const Field& field : message.fields) {
    gap(field.offset);
    const Type& inner = innermost(field.type);
    if (field.type.optional || field.type.kind == Type::Kind::List ||
        (inner.kind != Type::Kind::Scalar && inner.kind != Type::Kind::Enum))
      text += "    ringkernel::clear_value(m." + field.name + ");\n";
    at = field.offset + field.type.size;
  }
  gap(message.size);
  return text + "  }\n};\n";
}

std::string ports_of(const HandlerSpec& spec) {
  std::string text = "namespace port {\n";
  for (const PortSpec& port : spec.emits)
    text += "inline constexpr ringkernel::Port<\"" + port.name + "\", ::" + port.message->name +
            ", " + std::to_string(port.max) + "> " + port.name + "{};\n";
  return text + "}\n";
}

std::string buffers_of(const HandlerSpec& spec) {
  if (spec.buffers.empty()) return "";
  std::string text = "namespace buf {\n";
  for (const BufferSpec& buffer : spec.buffers) {
    text += "inline constexpr ringkernel::Buffer<\"" + buffer.name + "\", " +
            cpp_scalar(buffer.type.element);
    for (const uint64_t extent : buffer.type.extents) text += ", " + std::to_string(extent);
    text += "> " + buffer.name + "{};\n";
  }
  return text + "}\n";
}

std::string params_of(const HandlerSpec& spec) {
  if (spec.params.empty()) return "using Params = ringkernel::Nothing;\n";
  std::string text = "struct Params {\n";
  for (const Field& field : spec.params)
    text += "  " + declare(field.type, "").type + " " + field.name + ";\n";
  return text + "};\n";
}

std::string constants_of(const HandlerSpec& spec) {
  std::string text;
  for (const auto& [name, value] : spec.constants) {
    const bool small = value >= std::numeric_limits<int32_t>::min() &&
                       value <= std::numeric_limits<int32_t>::max();
    text += std::string("inline constexpr ") + (small ? "int" : "int64_t") + " " + name + " = " +
            (value == std::numeric_limits<int64_t>::min() ? "-9223372036854775807 - 1"
                                                          : std::to_string(value)) +
            ";\n";
  }
  return text;
}

template <class List, class Text>
std::string join(const List& list, Text&& text) {
  std::string out;
  for (const auto& item : list) out += (out.empty() ? "" : ", ") + text(item);
  return out;
}

// What the context needs to know before the user's code is read.
std::string declaration_of(const HandlerSpec& spec) {
  constexpr const char* kGranularities[] = {"Serial", "Thread", "Block", "Grid"};
  std::string text = "struct rk_declaration {\n  using Params = ::Params;\n";
  text += "  using Accepts = ringkernel::Accepts<" +
          join(spec.accepts, [](const auto& m) { return "::" + m->name; }) + ">;\n";
  text += "  using Ports = ringkernel::Ports<" +
          join(spec.emits, [](const PortSpec& p) { return "::port::" + p.name; }) + ">;\n";
  if (!spec.buffers.empty())
    text += "  using Buffers = ringkernel::Buffers<" +
            join(spec.buffers, [](const BufferSpec& b) { return "::buf::" + b.name; }) + ">;\n";
  if (spec.replies != nullptr) text += "  using Reply = ::" + spec.replies->name + ";\n";
  if (!spec.keys.empty())
    text += "  using Keys = ringkernel::CompoundKeys<" +
            join(spec.keys,
                 [](const KeyFields& key) {
                   return "ringkernel::KeyOf<" +
                          join(key.fields,
                               [&](const std::string& field) {
                                 return "&::" + key.message->name + "::" + field;
                               }) +
                          ">";
                 }) +
            ">;\n";
  text += std::string(
              "  static constexpr ringkernel::Granularity kGranularity = "
              "ringkernel::Granularity::") +
          kGranularities[static_cast<size_t>(spec.granularity)] + ";\n};\n";
  return text + "using Context = ringkernel::Context<rk_declaration>;\n";
}

std::string in_quotes(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// How far the code is indented in its YAML file, so that columns are right.
std::string indentation(const HandlerSpec& spec) {
  std::ifstream file(spec.code_file);
  std::string line;
  for (uint32_t n = 0; n < spec.code_line && std::getline(file, line); ++n) {
  }
  const std::string first = spec.code.substr(0, spec.code.find('\n'));
  const size_t at = first.empty() ? std::string::npos : line.find(first);
  return at == std::string::npos || line.find_first_not_of(' ') < at ? "" : std::string(at, ' ');
}

std::string user_code(const HandlerSpec& spec, const std::string& source) {
  if (spec.kind == HandlerSpec::Kind::Source) return "#include " + in_quotes(source) + "\n";
  std::string text =
      "#line " + std::to_string(spec.code_line) + " " + in_quotes(spec.code_file) + "\n";
  const std::string indent = indentation(spec);
  std::string_view rest = spec.code;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    text += (end == 0 ? "" : indent) + std::string(rest.substr(0, end)) + "\n";
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return text;
}

// A user's State is found by a qualified name, which takes what the global namespace itself
// declares before what a using-directive brings. The functions are found by unqualified ones: NVRTC
// refuses a qualified call with the wrong arguments even where only a constraint asks.
constexpr const char* kGlue = R"(
namespace rk_absent {
using State = ringkernel::Nothing;
}
using namespace rk_absent;
namespace rk_call {
template <class C, class S, class M>
inline constexpr bool message_state = requires(C& c, S& s, const M& m) { on_message(c, s, m); };
template <class C, class M>
inline constexpr bool message = requires(C& c, const M& m) { on_message(c, m); };
template <class C, class S>
inline constexpr bool start_state = requires(C& c, S& s) { on_start(c, s); };
template <class C>
inline constexpr bool start = requires(C& c) { on_start(c); };
template <class C, class S>
inline constexpr bool stop_state = requires(C& c, S& s) { on_stop(c, s); };
template <class C>
inline constexpr bool stop = requires(C& c) { on_stop(c); };
template <class C, class S>
inline constexpr bool poll_state = requires(C& c, S& s) { on_poll(c, s); };
template <class C>
inline constexpr bool poll = requires(C& c) { on_poll(c); };
template <class C, class S, class M>
RK_HD void to_message(C& c, S& s, const M& m) {
  if constexpr (message_state<C, S, M>) on_message(c, s, m);
  else on_message(c, m);
}
template <class C, class S>
RK_HD void to_start(C& c, S& s) { on_start(c, s); }
template <class C>
RK_HD void to_start(C& c) { on_start(c); }
template <class C, class S>
RK_HD void to_stop(C& c, S& s) { on_stop(c, s); }
template <class C>
RK_HD void to_stop(C& c) { on_stop(c); }
template <class C, class S>
RK_HD bool to_poll(C& c, S& s) { return on_poll(c, s); }
template <class C>
RK_HD bool to_poll(C& c) { return on_poll(c); }
}
struct rk_handler : rk_declaration {
  using State = ::State;
  using Context = ::Context;
  template <class C, class S, class M>
  RK_HD static void on_message(C& ctx, S& state, const M& message) {
    rk_call::to_message(ctx, state, message);
  }
  template <class C, class S>
  requires rk_call::start_state<C, S>
  RK_HD static void on_start(C& ctx, S& state) { rk_call::to_start(ctx, state); }
  template <class C>
  requires rk_call::start<C>
  RK_HD static void on_start(C& ctx) { rk_call::to_start(ctx); }
  template <class C, class S>
  requires rk_call::stop_state<C, S>
  RK_HD static void on_stop(C& ctx, S& state) { rk_call::to_stop(ctx, state); }
  template <class C>
  requires rk_call::stop<C>
  RK_HD static void on_stop(C& ctx) { rk_call::to_stop(ctx); }
  template <class C, class S>
  requires rk_call::poll_state<C, S>
  RK_HD static bool on_poll(C& ctx, S& state) { return rk_call::to_poll(ctx, state); }
  template <class C>
  requires rk_call::poll<C>
  RK_HD static bool on_poll(C& ctx) { return rk_call::to_poll(ctx); }
};
)";

std::string asserts_of(const HandlerSpec& spec) {
  std::string text;
  for (const auto& message : spec.accepts)
    text += "static_assert(rk_call::message_state<Context, ::State, ::" + message->name +
            "> || rk_call::message<Context, ::" + message->name + ">, \"the kernel accepts " +
            message->name +
            ": write RK_HANDLER void on_message(Context& ctx, [State& state,] const " +
            message->name + "& message)\");\n";
  if (spec.accepts.empty())
    text +=
        "static_assert(rk_call::poll_state<Context, ::State> || rk_call::poll<Context>, \"the "
        "kernel accepts no message: "
        "write RK_HANDLER bool on_poll(Context& ctx)\");\n";
  return text;
}

constexpr const char* kExport = R"(
#if defined(__CUDACC_RTC__) || defined(RK_SIMULATED_DEVICE)
RK_EXPORT_RESIDENT(rk_handler)
#else
RK_EXPORT_HANDLER(rk_handler)
#endif
)";

}  // namespace

std::string message_struct(const MessageType& type) {
  std::string text = "struct " + type.name + " {\n";
  const auto names = enum_names(type);
  for (size_t i = 0; i < type.fields.size(); ++i) {
    const Field& field = type.fields[i];
    if (!names[i].empty()) {
      const Type& values = innermost(field.type);
      text += "  enum class " + names[i] + " : uint" +
              (values.names.size() > 256 ? std::string("16") : std::string("8")) + "_t { " +
              join(values.names, [](const std::string& n) { return n; }) + " };\n";
    }
    const Declarator d = declare(field.type, names[i]);
    text += "  " + d.type + " " + field.name + d.suffix + ";\n";
  }
  return text + "};\n";
}

std::string declarations(const HandlerSpec& spec) {
  std::vector<MessageTypePtr> messages;
  for (const auto& message : spec.accepts) collect(message, messages);
  for (const PortSpec& port : spec.emits) collect(port.message, messages);
  collect(spec.replies, messages);

  std::string text =
      "#include <ringkernel/handler.hpp>\n"
      "#if defined(__CUDACC_RTC__) || defined(RK_SIMULATED_DEVICE)\n"
      "#include <ringkernel/device/make_resident.hpp>\n"
      "#else\n"
      "#include <ringkernel/device/make_module.hpp>\n"
      "#endif\n"
      "#include <ringkernel/device/padding.hpp>\n";
  text += using_names(messages);
  for (const auto& message : messages) text += message_struct(*message) + traits_of(*message);
  return text + ports_of(spec) + buffers_of(spec) + params_of(spec) + constants_of(spec) +
         declaration_of(spec);
}

std::string generate(const HandlerSpec& spec, const std::string& source) {
  std::string text = declarations(spec);
  text += user_code(spec, source);
  text += "#line 1 \"<after the handler>\"\n";
  text += kGlue;
  text += asserts_of(spec);
  text += kExport;
  return text;
}

}  // namespace ringkernel::handlers
