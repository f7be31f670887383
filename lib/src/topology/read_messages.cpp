#include <algorithm>
#include <set>

#include "topology/reader.hpp"

namespace ringkernel::topology {
namespace {

struct Declared {
  Value::Key name;
  std::vector<schema::FieldDeclaration> fields;
  std::vector<Position> places;  // of each field's type
  std::vector<Position> names;   // of each field's name
  std::vector<bool> quoted;      // whether the type stands in quotes
};

std::optional<Declared> declare(Reader& reader, const Value::Key& name, const Value& fields) {
  // What a handler sees under these names, and the types of fields.
  static const std::vector<std::string> reserved = {
      "Handler",  "Key",     "port",    "buf",        "String",    "Optional",   "Array",
      "Bytes",    "string",  "bytes",   "std",        "main",      "ringkernel", "size_t",
      "on_start", "on_stop", "on_poll", "on_message", "rk_handler"};
  if (!schema::is_identifier(name.text) || schema::is_reserved_name(name.text) ||
      schema::scalar_from_string(name.text) ||
      std::find(reserved.begin(), reserved.end(), name.text) != reserved.end()) {
    reader.error(name.position,
                 "'" + name.text + "' cannot name a message: it becomes a C++ struct",
                 schema::is_identifier(name.text) ? "name-reserved" : "bad-name");
    return std::nullopt;
  }
  if (!fields.is_map()) {
    reader.error(fields.position, "message '" + name.text + "' must be a map of fields",
                 "wrong-type");
    return std::nullopt;
  }
  Declared declared{name, {}, {}, {}, {}};
  for (const auto& [key, value] : fields.members) {
    schema::FieldDeclaration field{key.text, "", ""};
    const Value* written = &value;
    if (value.is_map()) {
      if (!reader.check_keys(value, Section::Field, "field '" + key.text + "'")) continue;
      field.type = reader.text(value, "type").value_or("");
      field.json_name = reader.text(value, "json").value_or("");
      if (const Value* type = value.find("type")) written = type;
    } else if (value.is_scalar()) {
      field.type = value.text;
    } else {
      reader.error(key.position, "field '" + key.text + "' needs a type", "bad-type");
      continue;
    }
    declared.fields.push_back(std::move(field));
    declared.places.push_back(written->position);
    declared.quoted.push_back(written->style == Value::Style::Quoted);
    declared.names.push_back(key.position);
  }
  return declared;
}

}  // namespace

void read_messages(Reader& reader) {
  const Value* messages = reader.document.find("messages");
  if (messages == nullptr) return;
  if (!messages->is_map()) {
    reader.error(messages->position, "'messages' must be a map of message types", "wrong-type");
    return;
  }
  std::vector<Declared> waiting;
  std::set<std::string> all;
  for (const auto& [name, fields] : messages->members) {
    all.insert(name.text);
    if (auto declared = declare(reader, name, fields)) waiting.push_back(std::move(*declared));
  }
  // A message that nests another waits until that is laid out.
  std::vector<schema::MessageTypePtr> made;
  std::set<std::string> failed;
  bool progress = true;
  while (progress && !waiting.empty()) {
    progress = false;
    for (auto it = waiting.begin(); it != waiting.end();) {
      bool ready = true;
      for (const auto& field : it->fields)
        for (const std::string& name : schema::referenced_messages(field))
          if (all.contains(name) && !failed.contains(name))
            ready = ready &&
                    std::any_of(made.begin(), made.end(), [&](auto& m) { return m->name == name; });
      if (!ready) {
        ++it;
        continue;
      }
      progress = true;
      auto type = schema::make_message_type(it->name.text, it->fields, made);
      if (type) {
        made.push_back(*type);
      } else {
        failed.insert(it->name.text);
        for (const schema::DeclarationError& e : type.error()) {
          Position place = it->name.position;
          for (size_t i = 0; i < it->fields.size(); ++i) {
            if (it->fields[i].name != e.field) continue;
            bool about_name =
                e.code == "bad-name" || e.code == "name-reserved" || e.code == "duplicate-name";
            place = about_name && e.offset == 0 ? it->names[i] : it->places[i];
            size_t offset = e.offset + (e.offset > 0 && it->quoted[i] ? 1 : 0);
            place.column += static_cast<uint32_t>(offset);
            place.length = place.length > offset ? place.length - static_cast<uint32_t>(offset) : 1;
          }
          bool nested = e.code == "unknown-type" &&
                        std::any_of(failed.begin(), failed.end(), [&](const std::string& f) {
                          return e.message.find("'" + f + "'") != std::string::npos;
                        });
          if (!nested) reader.error(place, e.message, e.code, e.suggestion);
        }
      }
      it = waiting.erase(it);
    }
  }
  for (const Declared& left : waiting)
    reader.error(left.name.position, "message '" + left.name.text + "' contains itself",
                 "recursive-message");
  for (const auto& [name, fields] : messages->members)
    for (const auto& type : made)
      if (type->name == name.text) reader.topology.messages.push_back(type);
}

}  // namespace ringkernel::topology
