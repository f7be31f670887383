#include "topology/reader.hpp"

namespace ringkernel::topology {
namespace {

void read_source(Reader& reader, const Value& value, const std::string& way, Input& input) {
  if (way == "stdin") {
    input.kind = Input::Kind::Stdin;
    if (auto codec = reader.choice(value, Section::Input, "stdin"))
      input.codec = static_cast<Codec>(*codec);
  } else if (way == "file") {
    input.kind = Input::Kind::File;
    const Value& path = *value.find("file");
    if (auto text = reader.text(value, "file")) input.path = reader.resolve(*text, path.position);
    if (auto codec = reader.choice(value, Section::Input, "codec"))
      input.codec = static_cast<Codec>(*codec);
    if (auto follow = reader.boolean(value, "follow")) input.follow = *follow;
  } else if (way == "every") {
    input.kind = Input::Kind::Every;
    if (auto every = reader.duration(value, "every")) {
      input.every = *every;
      if (every->count() == 0)
        reader.error(value.find("every")->position, "a timer needs an interval above 0",
                     "out-of-range");
    }
    if (auto count = reader.integer(value, "count", 0, uint64_t{1} << 62)) input.count = *count;
  } else {
    input.kind = Input::Kind::Values;
    if (!value.find("values")->is_sequence())
      reader.error(value.find("values")->position, "'values' is a list of messages", "wrong-type");
  }
}

// Keys that say something about another kind of input.
void check_fit(Reader& reader, const Value& value, const std::string& way) {
  struct Fit {
    const char* key;
    const char* way;
  };
  for (const auto& [key, needed] : {Fit{"codec", "file"}, Fit{"follow", "file"},
                                    Fit{"value", "every"}, Fit{"count", "every"}}) {
    const Value* found = value.find(key);
    if (found == nullptr || way == needed) continue;
    reader.error(found->position,
                 "'" + std::string(key) + "' goes with '" + needed + "', not with '" + way + "'",
                 "no-effect");
  }
}

void read_deadline(Reader& reader, const Value& value, Input& input) {
  const Value* deadline = value.find("deadline");
  if (deadline == nullptr) return;
  if (!deadline->is_map()) {
    input.deadline = reader.as_duration(*deadline);
    if (input.deadline && *input.deadline < std::chrono::microseconds(1))
      reader.error(deadline->position, "a deadline is at least 1us", "out-of-range");
    return;
  }
  const Value* field = deadline->find("field");
  if (field == nullptr || deadline->members.size() != 1 || !field->is_scalar()) {
    reader.error(deadline->position, "a deadline is a duration or {field: F}", "bad-value");
    return;
  }
  input.deadline_field = field->text;
  if (input.message != nullptr) reader.check_deadline(*field, *input.message);
}

void read_input(Reader& reader, const Value::Key& key, const Value& value) {
  Input input;
  input.name = key.text;
  input.position = key.position;
  size_t before = reader.diagnostics.size();
  if (reader.check_keys(value, Section::Input, "input '" + key.text + "'")) {
    auto way = reader.only_one(value, key, {"stdin", "file", "every", "values"}, "source");
    if (way) {
      read_source(reader, value, *way, input);
      check_fit(reader, value, *way);
    }
    const Value* message = value.find("message");
    if (message != nullptr) input.message = reader.message(*message);
    if (message == nullptr && input.codec == Codec::Raw)
      reader.error(key.position, "raw input '" + key.text + "' needs 'message'", "missing-key");
    if (auto unknown = reader.choice(value, Section::Input, "unknown_fields"))
      input.ignore_unknown_fields = *unknown == 1;
    if (auto priority = reader.choice(value, Section::Input, "priority"))
      input.priority = static_cast<Priority>(*priority);
    read_deadline(reader, value, input);
  }
  if (input.kind == Input::Kind::Stdin && reader.diagnostics.size() == before)
    for (const Input& other : reader.topology.inputs)
      if (other.kind == Input::Kind::Stdin && !reader.is_broken(other.name))
        reader.error(key.position, "'" + other.name + "' reads standard input already",
                     "two-stdin");
  if (reader.diagnostics.size() != before) reader.broken.push_back(key.text);
  reader.topology.inputs.push_back(std::move(input));
}

}  // namespace

void Reader::check_deadline(const Value& field, const schema::MessageType& type) {
  std::vector<std::string> names;
  for (const auto& f : type.fields) names.push_back(f.name);
  const schema::Field* found = type.field(field.text);
  if (found == nullptr)
    error(field.position, "'" + field.text + "' is no field of " + type.name, "unknown-field",
          did_you_mean(field.text, names));
  else if (found->type.kind != schema::Type::Kind::Scalar ||
           (found->type.scalar != schema::Scalar::U64 && found->type.scalar != schema::Scalar::I64))
    error(field.position, "field '" + field.text + "' holds a deadline and must be u64 or i64",
          "bad-deadline-type");
}

void read_inputs(Reader& reader) {
  const Value* inputs = reader.document.find("inputs");
  if (inputs == nullptr || inputs->is_null()) return;
  if (!inputs->is_map()) {
    reader.error(inputs->position, "'inputs' must be a map of inputs", "wrong-type");
    return;
  }
  for (const auto& [key, value] : inputs->members)
    if (reader.check_name(key, "an input")) read_input(reader, key, value);
}

}  // namespace ringkernel::topology
