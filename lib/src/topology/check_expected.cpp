// Expected messages of tests: partial ones, which no reader of lines would take.
#include <algorithm>

#include "schema/json_codec.hpp"
#include "topology/reader.hpp"

namespace ringkernel::topology {
namespace {

using Types = std::vector<schema::MessageTypePtr>;

// The first thing about a value that no message of its type can have.
struct Misfit {
  Position position;
  std::string message;
  std::string code;
  std::string suggestion;
};

std::optional<Misfit> misfit(const Value& value, const schema::Type& type, const std::string& path);

std::optional<Misfit> misfit(const Value& value, const schema::MessageType& type,
                             const std::string& path) {
  for (const auto& [key, member] : value.members) {
    const std::string& name = key.text;
    auto field = std::find_if(type.fields.begin(), type.fields.end(),
                              [&](const schema::Field& f) { return f.json_name == name; });
    if (field == type.fields.end()) {
      std::vector<std::string> names;
      for (const schema::Field& f : type.fields) names.push_back(f.json_name);
      return Misfit{key.position, "'" + name + "' is no field of " + type.name, "unknown-field",
                    did_you_mean(name, names)};
    }
    if (auto found = misfit(member, field->type, path + "." + name)) return found;
  }
  return std::nullopt;
}

// As the reader of lines sees it, so that both say the same of it.
std::optional<Misfit> misfit_alone(const Value& value, schema::Type type, const std::string& path) {
  type.optional = false;
  auto message = std::make_shared<schema::MessageType>();
  message->fields.push_back({"value", path, type, 0, {}});
  message->size = std::max(type.size, 1U);
  message->alignment = type.alignment;
  schema::JsonReader codec({message}, false, schema::UnknownFields::Error);
  Value object;
  object.kind = Value::Kind::Map;
  object.members.push_back({{path, value.position}, value});
  std::string line = to_json(object);
  const size_t length = line.size();
  line.resize(length + schema::JsonReader::kPadding);
  std::vector<std::byte> payload(message->size + 64);
  auto parsed = codec.read(std::string_view(line).substr(0, length), payload.data());
  if (parsed) return std::nullopt;
  if (auto advice = number_advice(value, parsed.error().detail); !advice.empty())
    return Misfit{value.position, "field '" + path + "': '" + value.text + "' is no JSON number",
                  "bad-number", advice};
  std::string code(parsed.error().reason);
  std::replace(code.begin(), code.end(), '_', '-');
  return Misfit{value.position, parsed.error().detail, code, ""};
}

std::optional<Misfit> misfit(const Value& value, const schema::Type& type,
                             const std::string& path) {
  using K = schema::Type::Kind;
  const bool floating = type.kind == K::Scalar &&
                        (type.scalar == schema::Scalar::F32 || type.scalar == schema::Scalar::F64);
  // What is absent is written as null, and so is what is no finite number.
  if (to_json(value) == "null" && (type.optional || floating)) return std::nullopt;
  if (type.kind == K::Message && value.is_map()) return misfit(value, *type.message, path);
  const bool list = type.kind == K::List;
  if ((list || type.kind == K::Array) && value.is_sequence()) {
    if (list ? value.items.size() > type.count : value.items.size() != type.count)
      return Misfit{value.position,
                    "field '" + path + "': " + std::to_string(value.items.size()) +
                        " elements do not fit " + to_string(type),
                    list ? "list-too-long" : "wrong-length", ""};
    for (size_t i = 0; i < value.items.size(); ++i)
      if (auto found = misfit(value.items[i], *type.element, path + "[" + std::to_string(i) + "]"))
        return found;
    return std::nullopt;
  }
  return misfit_alone(value, type, path);
}

// The type that the message's tag names, of all that arrive.
Types tagged_types(Reader& reader, const Value& tag, const Types& types) {
  std::vector<std::string> names;
  for (const auto& type : types) {
    if (tag.is_scalar() && type->name == tag.text) return {type};
    names.push_back(type->name);
  }
  reader.error(tag.position, "'" + tag.text + "' is no message that arrives here", "unknown-type",
               did_you_mean(tag.text, names));
  return {};
}

}  // namespace

void check_expected(Reader& reader, const Value& message, const Types& arriving,
                    const std::string& tag) {
  if (!message.is_map()) {
    reader.error(message.position,
                 "an expected message is a map, not " + std::string(name_of(message.kind)),
                 "wrong-type");
    return;
  }
  if (arriving.empty()) return;  // what leads here has been reported as wrong
  const Value* named = tag.empty() ? nullptr : message.find(tag);
  const Types types = named == nullptr ? arriving : tagged_types(reader, *named, arriving);
  if (types.empty()) return;
  for (const auto& [key, value] : message.members) {
    if (&value == named) continue;
    std::vector<std::string> names;
    std::optional<Misfit> first;
    bool fits = false;
    for (const auto& type : types)
      for (const schema::Field& field : type->fields) {
        names.push_back(field.json_name);
        if (field.json_name != key.text) continue;
        auto found = misfit(value, field.type, key.text);
        fits = fits || !found;
        if (!first) first = std::move(found);
      }
    if (fits) continue;
    if (first)
      reader.error(first->position, first->message, first->code, first->suggestion);
    else
      reader.error(key.position, "'" + key.text + "' is no field of what arrives here",
                   "unknown-field", did_you_mean(key.text, names));
  }
}

}  // namespace ringkernel::topology
