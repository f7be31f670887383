// Inputs, outputs, dead letters and saved buffers: what their messages must have, and that no two
// share a file.
#include <algorithm>
#include <filesystem>
#include <map>

#include "topology/reader.hpp"

namespace ringkernel::topology {
namespace {

bool has_json_name(const schema::MessageType& type, const std::string& name) {
  return std::any_of(type.fields.begin(), type.fields.end(),
                     [&](const schema::Field& field) { return field.json_name == name; });
}

const Value* written(const Reader& reader, const char* section, const std::string& name,
                     const char* key) {
  const Value* all = reader.document.find(section);
  const Value* one = all == nullptr ? nullptr : all->find(name);
  return one == nullptr ? nullptr : one->find(key);
}

// Of the types that an untyped input may bring, some have the field; those without have no
// deadline.
void check_deadlines(Reader& reader) {
  for (const Input& input : reader.topology.inputs) {
    if (input.deadline_field.empty() || input.message != nullptr || input.messages.empty() ||
        reader.is_broken(input.name))
      continue;
    const Value* deadline = written(reader, "inputs", input.name, "deadline");
    const Value* field = deadline == nullptr ? nullptr : deadline->find("field");
    if (field == nullptr) continue;
    bool found = false;
    for (const auto& type : input.messages) {
      if (type->field(field->text) == nullptr) continue;
      found = true;
      reader.check_deadline(*field, *type);
    }
    if (!found) reader.check_deadline(*field, *input.messages[0]);
  }
}

// A member that names the message cannot be a field as well.
void check_tags(Reader& reader) {
  for (const Input& input : reader.topology.inputs) {
    if (input.message != nullptr || reader.is_broken(input.name)) continue;
    for (const auto& type : input.messages)
      if (has_json_name(*type, "type"))
        reader.error(input.position,
                     "lines of '" + input.name + "' name their message in \"type\", which is a " +
                         "field of " + type->name,
                     "tag-taken", "",
                     "give the input a message, or the field another name with json");
  }
  for (const Output& output : reader.topology.outputs) {
    const Value* tag = written(reader, "outputs", output.name, "tag");
    if (tag == nullptr || output.tag.empty() || reader.is_broken(output.name)) continue;
    for (const auto& type : output.messages)
      if (has_json_name(*type, output.tag))
        reader.error(tag->position, "'" + output.tag + "' is a field of " + type->name, "tag-taken",
                     "", "take another name for the tag");
  }
}

std::string whole_path(const std::string& path) {
  std::error_code code;
  auto absolute = std::filesystem::absolute(path, code);
  return (code ? std::filesystem::path(path) : absolute).lexically_normal().string();
}

std::string dead_letters_of(const Topology& topology) {
  return topology.dead_letters_file.empty() ? topology.name + ".dead.jsonl"
                                            : topology.dead_letters_file;
}

// An output begins its file anew, also where an input or the dead letters are in it.
void check_files(Reader& reader) {
  const Topology& topology = reader.topology;
  const std::string dead = whole_path(dead_letters_of(topology));
  auto shared = [](const std::string& path) { return path.rfind("/dev/", 0) != 0; };
  for (const Input& input : topology.inputs)
    if (input.kind == Input::Kind::File && !reader.is_broken(input.name) &&
        whole_path(input.path) == dead && shared(dead))
      reader.error(input.position, "'" + input.name + "' reads the file of the dead letters",
                   "same-file", "", "give dead_letters another file");
  for (const Output& output : topology.outputs) {
    if (output.kind != Output::Kind::File || reader.is_broken(output.name)) continue;
    const std::string path = whole_path(output.path);
    if (!shared(path)) continue;
    if (path == dead)
      reader.error(output.position, "'" + output.name + "' writes the file of the dead letters",
                   "same-file", "", "give one of them another file");
    for (const Input& input : topology.inputs)
      if (input.kind == Input::Kind::File && !reader.is_broken(input.name) &&
          whole_path(input.path) == path)
        reader.error(output.position,
                     "'" + output.name + "' writes the file that '" + input.name + "' reads",
                     "same-file");
  }
}

// A buffer takes the place of whatever the file was.
void check_saves(Reader& reader) {
  const Topology& topology = reader.topology;
  std::map<std::string, std::string> writers;  // by whole path
  writers[whole_path(dead_letters_of(topology))] = "the dead letters";
  for (const Input& input : topology.inputs)
    if (input.kind == Input::Kind::File) writers[whole_path(input.path)] = "'" + input.name + "'";
  for (const Output& output : topology.outputs)
    if (output.kind == Output::Kind::File)
      writers[whole_path(output.path)] = "'" + output.name + "'";
  for (const Kernel& kernel : topology.kernels)
    for (const Buffer& buffer : kernel.buffers) {
      if (buffer.save.empty()) continue;
      const std::string name = "buffer '" + buffer.name + "' of '" + kernel.name + "'";
      const auto [other, first] = writers.emplace(whole_path(buffer.save), name);
      if (!first)
        reader.error(buffer.save_position,
                     name + " is saved to '" + buffer.save + "', the file of " + other->second,
                     "same-file", "", "give one of them another file");
    }
}

}  // namespace

void check_ends(Reader& reader) {
  check_deadlines(reader);
  check_tags(reader);
  check_files(reader);
  check_saves(reader);
}

}  // namespace ringkernel::topology
