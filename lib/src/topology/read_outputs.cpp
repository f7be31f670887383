#include "topology/reader.hpp"

namespace ringkernel::topology {
namespace {

void read_target(Reader& reader, const Value& value, const std::string& way, Output& output) {
  if (way == "stdout") {
    output.kind = Output::Kind::Stdout;
    if (auto codec = reader.choice(value, Section::Output, "stdout"))
      output.codec = static_cast<Codec>(*codec);
  } else if (way == "file") {
    output.kind = Output::Kind::File;
    if (auto text = reader.text(value, "file"))
      output.path = reader.resolve(*text, value.find("file")->position);
    if (auto codec = reader.choice(value, Section::Output, "codec"))
      output.codec = static_cast<Codec>(*codec);
    if (auto append = reader.boolean(value, "append")) output.append = *append;
  } else {
    output.kind = Output::Kind::Discard;
    if (auto discard = reader.boolean(value, "discard"); discard && !*discard)
      reader.error(value.find("discard")->position, "'discard' can only be true", "bad-value");
  }
  for (const char* key : {"codec", "append"})
    if (const Value* found = value.find(key); found != nullptr && way != "file")
      reader.error(found->position, "'" + std::string(key) + "' goes with 'file'", "no-effect");
  if (auto tag = reader.text(value, "tag")) {
    output.tag = *tag;
    if (output.codec == Codec::Raw)
      reader.error(value.find("tag")->position, "raw output has no members to tag", "no-effect");
    if (tag->empty()) reader.error(value.find("tag")->position, "a tag needs a name", "bad-value");
  }
}

// Two writers of one place would mix their lines.
void check_place(Reader& reader, const Value::Key& key, const Output& output) {
  for (const Output& other : reader.topology.outputs) {
    if (other.kind != output.kind || reader.is_broken(other.name)) continue;
    if (output.kind == Output::Kind::Stdout)
      reader.error(key.position, "'" + other.name + "' writes standard output already",
                   "two-stdout", "", "wire both to one output");
    if (output.kind == Output::Kind::File && other.path == output.path)
      reader.error(key.position, "'" + other.name + "' writes '" + output.path + "' already",
                   "same-file", "", "wire both to one output");
  }
}

void read_output(Reader& reader, const Value::Key& key, const Value& value) {
  Output output;
  output.name = key.text;
  output.position = key.position;
  size_t before = reader.diagnostics.size();
  if (reader.check_keys(value, Section::Output, "output '" + key.text + "'"))
    if (auto way = reader.only_one(value, key, {"stdout", "file", "discard"}, "target"))
      read_target(reader, value, *way, output);
  if (reader.diagnostics.size() == before) check_place(reader, key, output);
  if (reader.diagnostics.size() != before) reader.broken.push_back(key.text);
  reader.topology.outputs.push_back(std::move(output));
}

}  // namespace

void read_outputs(Reader& reader) {
  const Value* outputs = reader.document.find("outputs");
  if (outputs == nullptr || outputs->is_null()) return;
  if (!outputs->is_map()) {
    reader.error(outputs->position, "'outputs' must be a map of outputs", "wrong-type");
    return;
  }
  for (const auto& [key, value] : outputs->members)
    if (reader.check_name(key, "an output")) read_output(reader, key, value);
}

}  // namespace ringkernel::topology
