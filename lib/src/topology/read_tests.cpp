#include <algorithm>
#include <charconv>

#include "schema/json_codec.hpp"
#include "schema/type_text.hpp"
#include "topology/reader.hpp"

namespace ringkernel::topology {
namespace {

std::vector<std::string> expected_list(Reader& reader, const Value& list,
                                       const std::vector<schema::MessageTypePtr>& types,
                                       const std::string& tag) {
  std::vector<std::string> messages;
  if (!list.is_sequence())
    reader.error(list.position,
                 "expected a list of messages, not " + std::string(name_of(list.kind)),
                 "wrong-type");
  for (const Value& item : list.items) {
    check_expected(reader, item, types, tag);
    messages.push_back(to_json(item));
  }
  return messages;
}

void read_expectation(Reader& reader, const Value::Key& key, const Value& value, Test& test) {
  Expectation expectation;
  expectation.target = key.text;
  expectation.position = key.position;
  const Topology& topology = reader.topology;
  if (reader.is_broken(key.text)) return;
  const Output* output = topology.output(key.text);
  const Kernel* kernel = topology.kernel(key.text);
  if (output == nullptr && kernel == nullptr) {
    std::vector<std::string> names;
    for (const Output& o : topology.outputs) names.push_back(o.name);
    for (const Kernel& k : topology.kernels) names.push_back(k.name);
    reader.error(key.position, "there is no output or kernel '" + key.text + "'", "unknown-target",
                 did_you_mean(key.text, names));
    return;
  }
  const auto& types = output != nullptr ? output->messages : kernel->accepts;
  const std::string tag = output != nullptr ? output->tag : "";
  if (!value.is_map()) {
    expectation.messages = expected_list(reader, value, types, tag);
    test.expect.push_back(std::move(expectation));
    return;
  }
  if (!reader.check_keys(value, Section::Expectation, "what '" + key.text + "' expects")) return;
  if (value.find("messages") != nullptr && value.find("contains") != nullptr)
    reader.error(value.find("contains")->position, "give either 'messages' or 'contains'",
                 "two-expectations");
  for (const char* list : {"messages", "contains"})
    if (const Value* messages = value.find(list)) {
      expectation.messages = expected_list(reader, *messages, types, tag);
      expectation.contains = std::string_view(list) == "contains";
    }
  if (auto ordered = reader.boolean(value, "ordered")) expectation.ordered = *ordered;
  if (auto count = reader.integer(value, "count", 0, uint64_t{1} << 62)) expectation.count = *count;
  if (const Value* approx = value.find("approx")) {
    double tolerance = -1;
    const char* end = approx->text.data() + approx->text.size();
    auto [at, code] = std::from_chars(approx->text.data(), end, tolerance);
    if (reader.misspelt_number(*approx, approx->text)) return;
    if (!approx->is_scalar() || code != std::errc() || at != end || !(tolerance >= 0))
      reader.error(approx->position, "'approx' is a relative tolerance, such as 1e-9",
                   "wrong-type");
    else
      expectation.approx = tolerance;
  }
  if (!expectation.messages && !expectation.count)
    reader.error(value.position, "nothing is expected of '" + key.text + "'", "empty-expectation",
                 "", "give it messages, contains or count");
  test.expect.push_back(std::move(expectation));
}

void read_send(Reader& reader, const Value& send, Test& test) {
  if (!send.is_map()) {
    reader.error(send.position, "'send' is a map: input to messages", "wrong-type");
    return;
  }
  for (const auto& [key, list] : send.members) {
    if (reader.is_broken(key.text)) continue;
    const Input* input = reader.topology.input(key.text);
    if (input == nullptr) {
      std::vector<std::string> names;
      for (const Input& i : reader.topology.inputs) names.push_back(i.name);
      reader.error(key.position, "there is no input '" + key.text + "'", "unknown-target",
                   did_you_mean(key.text, names));
      continue;
    }
    if (!list.is_sequence()) {
      reader.error(list.position, "expected a list of messages", "wrong-type");
      continue;
    }
    std::vector<std::string> messages;
    for (const Value& item : list.items) {
      // A scalar is a line as it is: also one that is no message.
      if (item.is_scalar()) {
        messages.push_back(item.text);
      } else if (reader.check_object(item, input->messages, input->message == nullptr,
                                     input->ignore_unknown_fields)) {
        messages.push_back(to_json(item));
      }
    }
    test.send.emplace_back(key.text, std::move(messages));
  }
}

void read_test(Reader& reader, const Value& value) {
  if (!reader.check_keys(value, Section::Test, "a test")) return;
  Test test;
  test.position = value.position;
  test.name = reader.text(value, "name").value_or("");
  for (const Test& other : reader.topology.tests)
    if (!test.name.empty() && other.name == test.name)
      reader.error(value.find("name")->position, "a test '" + test.name + "' stands above already",
                   "duplicate-name");
  if (const Value* send = value.find("send"); send != nullptr && !send->is_null())
    read_send(reader, *send, test);
  if (const Value* expect = value.find("expect")) {
    if (!expect->is_map() || expect->members.empty())
      reader.error(expect->position, "'expect' is a map: output or kernel to messages",
                   "wrong-type");
    for (const auto& [key, expected] : expect->members)
      read_expectation(reader, key, expected, test);
  }
  if (auto within = reader.duration(value, "within")) {
    test.within = *within;
    if (within->count() == 0)
      reader.error(value.find("within")->position, "a test needs a time limit above 0",
                   "out-of-range");
  }
  if (auto backend = reader.choice(value, Section::Test, "backend")) {
    constexpr Backend kBackends[] = {Backend::Auto, Backend::Cpu, Backend::Cuda};
    test.backend = kBackends[*backend];
  }
  reader.topology.tests.push_back(std::move(test));
}

// What stands at "a.b[2]' ..." in an object, and where: the value, its name where that is what is
// wrong, and what should hold it where it is missing.
struct Place {
  const Value* value;
  Position position;
};

Place place_of(const Value& value, std::string_view path, bool of_name) {
  if (!path.empty() && path[0] == '.') path.remove_prefix(1);
  if (value.is_sequence() && !path.empty() && path[0] == '[') {
    size_t index = 0;
    auto [at, code] = std::from_chars(path.data() + 1, path.data() + path.size(), index);
    if (code != std::errc() || index >= value.items.size()) return {&value, value.position};
    path.remove_prefix(static_cast<size_t>(at - path.data()) + 1);
    return place_of(value.items[index], path, of_name);
  }
  for (const auto& [key, member] : value.members) {
    if (key.text.empty() || path.substr(0, key.text.size()) != key.text) continue;
    const std::string_view rest = path.substr(key.text.size());
    if (rest.empty() || rest[0] == '\'') return {&member, of_name ? key.position : member.position};
    if (rest[0] == '.' || rest[0] == '[') return place_of(member, rest, of_name);
  }
  return {&value, value.position};
}

std::string nearest_field(std::string_view name, const std::vector<schema::MessageTypePtr>& types) {
  std::vector<std::string> names;
  for (const auto& type : types)
    for (const schema::Field& field : type->fields) names.push_back(field.json_name);
  return did_you_mean(name, names);
}

}  // namespace

std::string number_advice(const Value& value, std::string_view detail) {
  const bool wanted = detail.find("expected an integer") != std::string_view::npos ||
                      detail.find("expected a number") != std::string_view::npos;
  if (!wanted || !value.is_scalar() || value.style != Value::Style::Plain) return "";
  return schema::number_advice(value.text).suggestion;
}

bool Reader::check_object(const Value& value, const std::vector<schema::MessageTypePtr>& types,
                          bool tagged, bool ignore_unknown) {
  if (types.empty()) return false;  // what may come has been reported as wrong
  schema::JsonReader codec(
      types, tagged, ignore_unknown ? schema::UnknownFields::Ignore : schema::UnknownFields::Error);
  std::string line = to_json(value);
  const size_t length = line.size();
  line.resize(length + schema::JsonReader::kPadding);
  uint32_t largest = 1;
  for (const auto& type : types) largest = std::max(largest, type->size);
  std::vector<std::byte> payload(largest + 64);
  auto parsed = codec.read(std::string_view(line).substr(0, length), payload.data());
  if (parsed) return true;
  const std::string& detail = parsed.error().detail;
  Position position = value.position;
  std::string suggestion;
  constexpr std::string_view kField = "field '";
  if (const Value* named = value.find("type"); named && parsed.error().reason == "unknown_type") {
    position = named->position;
    std::vector<std::string> names;
    for (const auto& type : types) names.push_back(type->name);
    suggestion = did_you_mean(named->text, names);
  } else if (detail.compare(0, kField.size(), kField) == 0) {
    const bool unknown = parsed.error().reason == "unknown_field";
    const std::string_view path = std::string_view(detail).substr(kField.size());
    const Place place = place_of(value, path, unknown);
    position = place.position;
    if (suggestion = number_advice(*place.value, detail); !suggestion.empty()) {
      error(position,
            std::string("field '").append(path.substr(0, path.find('\''))) + "': '" +
                place.value->text + "' is no JSON number",
            "bad-number", suggestion);
      return false;
    }
    if (unknown) suggestion = nearest_field(path.substr(0, path.find('\'')), types);
  }
  std::string code(parsed.error().reason);
  std::replace(code.begin(), code.end(), '_', '-');
  error(position, detail, code, suggestion);
  return false;
}

void read_values(Reader& reader) {
  const Value* inputs = reader.document.find("inputs");
  for (Input& input : reader.topology.inputs) {
    if (reader.is_broken(input.name)) continue;
    const Value& value = *inputs->find(input.name);
    std::vector<const Value*> values;
    if (const Value* list = value.find("values"))
      for (const Value& item : list->items) values.push_back(&item);
    Value empty;
    empty.kind = Value::Kind::Map;
    empty.position = input.position;
    if (input.kind == Input::Kind::Every) {
      const Value* one = value.find("value");
      values.push_back(one != nullptr ? one : &empty);
    }
    for (const Value* item : values)
      if (reader.check_object(*item, input.messages, input.message == nullptr,
                              input.ignore_unknown_fields))
        input.values.push_back(to_json(*item));
  }
}

void read_tests(Reader& reader) {
  const Value* tests = reader.document.find("tests");
  if (tests == nullptr || tests->is_null()) return;
  if (!tests->is_sequence()) {
    reader.error(tests->position, "'tests' must be a list", "wrong-type");
    return;
  }
  for (const Value& test : tests->items) read_test(reader, test);
}

}  // namespace ringkernel::topology
