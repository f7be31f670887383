#include <nlohmann/json.hpp>

#include "schema/builtins.hpp"
#include "topology/key_table.hpp"
#include "topology/load.hpp"

namespace ringkernel::topology {
namespace {

using Json = nlohmann::ordered_json;

// A ${VARIABLE} may stand wherever a number or a word does.
const char* const kVariable = "^[^$]*\\$\\{.*\\}.*$";

struct SectionName {
  Section section;
  const char* name;
};
constexpr SectionName kSections[] = {{Section::Field, "field"},
                                     {Section::Kernel, "kernel"},
                                     {Section::Launch, "launch"},
                                     {Section::Scheduler, "scheduler"},
                                     {Section::Build, "build"},
                                     {Section::Port, "port"},
                                     {Section::Buffer, "buffer"},
                                     {Section::Input, "input"},
                                     {Section::Output, "output"},
                                     {Section::Wire, "wire"},
                                     {Section::Run, "run"},
                                     {Section::Until, "until"},
                                     {Section::DeadLetters, "dead_letters"},
                                     {Section::Test, "test"},
                                     {Section::Expectation, "expectation"}};

Json reference(const std::string& name) { return {{"$ref", "#/definitions/" + name}}; }
Json either(std::vector<Json> schemas) { return {{"anyOf", std::move(schemas)}}; }
Json type(const char* name) { return {{"type", name}}; }
Json text_like(const char* pattern) { return {{"type", "string"}, {"pattern", pattern}}; }

Json variable() { return text_like(kVariable); }

// Keys whose values have a shape of their own.
Json special(const KeyInfo& info) {
  const std::string key = info.key;
  Json name_or_names = either({type("string"), {{"type", "array"}, {"items", type("string")}}});
  if (info.section == Section::Top && key == "ringk") return {{"const", 1}};
  if (info.section == Section::Top && key == "name")
    return either({text_like("^[a-z][a-z0-9_-]{0,63}$"), variable()});
  if (info.section == Section::Top && key == "messages")
    return {{"type", "object"},
            {"additionalProperties",
             {{"type", "object"},
              {"additionalProperties", either({type("string"), reference("field")})}}}};
  if (info.section == Section::Top && key == "wires") {
    Json receiver = either({type("string"), reference("wire")});
    return {
        {"type", "object"},
        {"additionalProperties",
         either({type("string"), reference("wire"), {{"type", "array"}, {"items", receiver}}})}};
  }
  if (key == "builtin") {
    Json names = Json::array();
    for (const schema::Builtin& builtin : schema::kBuiltins) names.push_back(builtin.name);
    return either({{{"enum", names}}, variable()});
  }
  if (key == "accepts") return name_or_names;
  if (info.section == Section::Kernel && key == "emits")
    return {{"type", "object"},
            {"additionalProperties", either({type("string"), reference("port")})}};
  if (key == "buffers")
    return {{"type", "object"},
            {"additionalProperties", either({type("string"), reference("buffer")})}};
  if (key == "key")
    return either({type("string"),
                   {{"type", "array"}, {"items", type("string")}},
                   {{"type", "object"}, {"additionalProperties", name_or_names}}});
  if (key == "params") return {{"type", "object"}, {"additionalProperties", type("string")}};
  if (key == "constants")
    return {{"type", "object"}, {"additionalProperties", either({type("integer"), variable()})}};
  if (key == "include" || key == "flags") return name_or_names;
  if (key == "deadline")
    return either({text_like("^[0-9.]+(ns|us|ms|s|m|h)$"),
                   variable(),
                   {{"type", "object"},
                    {"required", {"field"}},
                    {"properties", {{"field", type("string")}}},
                    {"additionalProperties", false}}});
  if (key == "route")
    return either({{{"enum", {"key", "round_robin", "all"}}},
                   variable(),
                   {{"type", "object"},
                    {"required", {"block"}},
                    {"properties", {{"block", type("string")}}},
                    {"additionalProperties", false}}});
  if (key == "until")
    return either({{{"enum", {"inputs_end", "forever"}}}, variable(), reference("until")});
  if (key == "max_failed") return either({type("integer"), text_like("^[0-9.]+%?$"), variable()});
  if (key == "to") return name_or_names;
  if (key == "device") return either({type("string"), type("integer")});
  if (key == "expect") {
    Json list = {{"type", "array"}, {"items", type("object")}};
    return {{"type", "object"}, {"additionalProperties", either({list, reference("expectation")})}};
  }
  if (key == "send") return {{"type", "object"}, {"additionalProperties", {{"type", "array"}}}};
  return {};
}

Json shape_of(const KeyInfo& info) {
  if (Json own = special(info); !own.is_null()) return own;
  switch (info.shape) {
    case Shape::Text:
      return type("string");
    case Shape::Integer:
      return either({type("integer"), variable()});
    case Shape::Number:
      return either({type("number"), variable()});
    case Shape::Boolean:
      return either({type("boolean"), variable()});
    case Shape::Time:
      return either({text_like("^[0-9.]+(ns|us|ms|s|m|h)$"), variable()});
    case Shape::Size:
      return either({type("integer"), text_like("^[0-9]+(B|KiB|MiB|GiB)?$"), variable()});
    case Shape::Enum: {
      Json values = Json::array();
      std::string_view rest = info.values;
      while (!rest.empty()) {
        size_t end = std::min(rest.find('|'), rest.size());
        values.push_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
      return either({{{"enum", values}}, variable()});
    }
    case Shape::List: {
      Json list = type("array");
      if (info.values[0] != '\0') list["items"] = reference(info.values);
      return list;
    }
    case Shape::Map: {
      Json map = type("object");
      if (info.values[0] != '\0')
        map["additionalProperties"] = either({reference(info.values), type("null")});
      return map;
    }
    case Shape::Section:
      return reference(info.values);
    case Shape::Any:
      break;
  }
  return Json::object();
}

Json section_schema(Section section) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const KeyInfo& info : key_table()) {
    if (info.section != section) continue;
    Json shape = shape_of(info);
    shape["description"] = info.text;
    properties[info.key] = std::move(shape);
    if (info.required) required.push_back(info.key);
  }
  Json schema = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) schema["required"] = std::move(required);
  schema["additionalProperties"] = false;
  return schema;
}

}  // namespace

std::string json_schema() {
  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                 {"title", "ringk topology"}};
  schema.update(section_schema(Section::Top));
  Json definitions = Json::object();
  for (const auto& [section, name] : kSections) definitions[name] = section_schema(section);
  schema["definitions"] = std::move(definitions);
  return schema.dump(2) + "\n";
}

}  // namespace ringkernel::topology
