#include "topology/reader.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "schema/type_text.hpp"

namespace ringkernel::topology {

void Reader::error(const Position& position, std::string message, std::string code,
                   std::string suggestion, std::string note) {
  diagnostics.push_back({Severity::Error, position, std::move(message), std::move(code),
                         std::move(suggestion), std::move(note)});
}

void Reader::warning(const Position& position, std::string message, std::string code,
                     std::string note) {
  diagnostics.push_back(
      {Severity::Warning, position, std::move(message), std::move(code), "", std::move(note)});
}

bool Reader::check_keys(const Value& map, Section section, const std::string& what) {
  if (!map.is_map()) {
    error(map.position, what + " must be a map, not " + std::string(name_of(map.kind)),
          "wrong-type");
    return false;
  }
  for (const auto& [key, value] : map.members) {
    if (find_key(section, key.text) != nullptr) continue;
    if (is_later(section, key.text))
      error(
          key.position, "'" + key.text + "' is not available in this version", "not-available",
          key.text == "restart" ? "of the whole run there is: run.on_kernel_failure: restart" : "");
    else
      error(key.position, "unknown key '" + key.text + "' in " + what, "unknown-key",
            did_you_mean(key.text, keys_of(section)));
  }
  for (const KeyInfo& info : key_table())
    if (info.section == section && info.required && map.find(info.key) == nullptr)
      error(map.position, what + " needs '" + info.key + "'", "missing-key");
  return true;
}

std::optional<std::string> Reader::text(const Value& map, std::string_view key) {
  const Value* value = map.find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_scalar()) return value->text;
  error(value->position,
        "'" + std::string(key) + "' must be text, not " + std::string(name_of(value->kind)),
        "wrong-type");
  return std::nullopt;
}

std::optional<bool> Reader::boolean(const Value& map, std::string_view key) {
  const Value* value = map.find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_scalar() && value->style == Value::Style::Plain) {
    if (value->text == "true") return true;
    if (value->text == "false") return false;
  }
  error(value->position, "'" + std::string(key) + "' must be true or false", "wrong-type",
        value->text == "yes" || value->text == "on"   ? "write 'true'"
        : value->text == "no" || value->text == "off" ? "write 'false'"
                                                      : "");
  return std::nullopt;
}

bool Reader::misspelt_number(const Value& value, std::string_view number) {
  if (!value.is_scalar()) return false;
  const schema::NumberAdvice advice = schema::number_advice(number);
  if (advice.number.empty()) return false;
  const std::string unit = value.text.substr(number.size());
  error(value.position, "'" + value.text + "' is no number: they are written as in JSON",
        "bad-number", unit.empty() ? advice.suggestion : "write " + advice.number + unit);
  return true;
}

namespace {

// "0x10ms" without its unit.
std::string_view before_unit(std::string_view text) {
  while (!text.empty() && (isalpha(static_cast<unsigned char>(text.back())) != 0))
    text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<uint64_t> Reader::as_integer(const Value& value, uint64_t least, uint64_t most) {
  uint64_t number = 0;
  const char* end = value.text.data() + value.text.size();
  auto [at, code] = std::from_chars(value.text.data(), end, number);
  if (misspelt_number(value, value.text)) return std::nullopt;
  // Also what no uint64_t holds is a number.
  const bool whole =
      schema::is_json_number(value.text) && value.text.find_first_of(".eE") == std::string::npos;
  if (!value.is_scalar() || value.style != Value::Style::Plain || !whole) {
    error(value.position, "expected a whole number", "wrong-type");
    return std::nullopt;
  }
  if (code != std::errc() || at != end || number < least || number > most) {
    error(value.position, "must be " + std::to_string(least) + " to " + std::to_string(most),
          "out-of-range");
    return std::nullopt;
  }
  return number;
}

std::optional<uint64_t> Reader::integer(const Value& map, std::string_view key, uint64_t least,
                                        uint64_t most) {
  const Value* value = map.find(key);
  return value == nullptr ? std::nullopt : as_integer(*value, least, most);
}

std::optional<Duration> Reader::as_duration(const Value& value) {
  if (misspelt_number(value, before_unit(value.text))) return std::nullopt;
  double number = 0;
  const char* begin = value.text.data();
  const char* end = begin + value.text.size();
  auto [at, code] = std::from_chars(begin, end, number);
  std::string_view unit(at, static_cast<size_t>(end - at));
  double nanoseconds = unit == "ns"   ? 1
                       : unit == "us" ? 1e3
                       : unit == "ms" ? 1e6
                       : unit == "s"  ? 1e9
                       : unit == "m"  ? 60e9
                       : unit == "h"  ? 3600e9
                                      : 0;
  const bool huge = code == std::errc::result_out_of_range;
  if (!value.is_scalar() || nanoseconds == 0 || !(huge || code == std::errc()) ||
      (!huge && !std::isfinite(number))) {
    error(value.position, "expected a duration, such as 250ms, 5s or 2m", "bad-duration");
    return std::nullopt;
  }
  // A point in time plus this much is still one.
  constexpr double kHundredYears = 876000 * 3600e9;
  if (huge || number < 0 || number * nanoseconds > kHundredYears) {
    error(value.position, "a duration is 0 to 876000h, a hundred years", "out-of-range");
    return std::nullopt;
  }
  return Duration(static_cast<int64_t>(number * nanoseconds));
}

std::optional<Duration> Reader::duration(const Value& map, std::string_view key) {
  const Value* value = map.find(key);
  return value == nullptr ? std::nullopt : as_duration(*value);
}

std::optional<uint64_t> Reader::size(const Value& map, std::string_view key) {
  const Value* value = map.find(key);
  if (value == nullptr) return std::nullopt;
  if (misspelt_number(*value, value->text) || misspelt_number(*value, before_unit(value->text)))
    return std::nullopt;
  uint64_t number = 0;
  const char* end = value->text.data() + value->text.size();
  auto [at, code] = std::from_chars(value->text.data(), end, number);
  std::string_view unit(at, static_cast<size_t>(end - at));
  uint64_t factor = unit.empty() || unit == "B" ? 1
                    : unit == "KiB"             ? 1024
                    : unit == "MiB"             ? 1 << 20
                    : unit == "GiB"             ? 1 << 30
                                                : 0;
  const bool huge = code == std::errc::result_out_of_range;
  if (!value->is_scalar() || !(huge || code == std::errc()) || factor == 0) {
    error(value->position, "expected a size, such as 512, 64KiB or 1MiB", "bad-size");
    return std::nullopt;
  }
  // The most that the library takes.
  if (huge || number > (uint64_t{1} << 30) / factor) {
    error(value->position, "a size is at most 1GiB", "out-of-range");
    return std::nullopt;
  }
  return number * factor;
}

std::optional<size_t> Reader::choice(const Value& map, Section section, std::string_view key) {
  const Value* value = map.find(key);
  if (value == nullptr) return std::nullopt;
  std::vector<std::string> choices;
  std::string_view rest = find_key(section, key)->values;
  while (!rest.empty()) {
    size_t end = std::min(rest.find('|'), rest.size());
    choices.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (value->is_scalar())
    for (size_t i = 0; i < choices.size(); ++i)
      if (choices[i] == value->text) return i;
  std::string all;
  for (const std::string& c : choices) all += (all.empty() ? "" : ", ") + c;
  error(value->position, "'" + std::string(key) + "' is one of " + all, "bad-value",
        value->is_scalar() ? did_you_mean(value->text, choices) : "");
  return std::nullopt;
}

schema::MessageTypePtr Reader::message(const Value& name) {
  if (!name.is_scalar()) {
    error(name.position, "expected the name of a message, not " + std::string(name_of(name.kind)),
          "wrong-type");
    return nullptr;
  }
  std::vector<std::string> names;
  for (const auto& type : topology.messages) {
    if (type->name == name.text) return type;
    names.push_back(type->name);
  }
  // A message that is declared and wrong has been reported where it stands.
  const Value* declared = document.find("messages");
  if (declared != nullptr && declared->is_map() && declared->find(name.text) != nullptr)
    return nullptr;
  error(name.position, "unknown message '" + name.text + "'", "unknown-message",
        did_you_mean(name.text, names));
  return nullptr;
}

std::string Reader::resolve(const std::string& path, const Position& position) const {
  std::filesystem::path p(path);
  if (p.is_absolute()) return path;
  std::filesystem::path folder = topology.folder;
  if (position.line > 0 && position.file != topology.file)
    folder = std::filesystem::path(position.file).parent_path();
  if (position.line == 0) folder.clear();  // the command line: relative to the working folder
  return (folder / p).lexically_normal().string();
}

std::optional<std::string> Reader::only_one(const Value& map, const Value::Key& of,
                                            const std::vector<std::string>& ways,
                                            const char* code) {
  std::vector<const Value::Key*> found;
  for (const auto& [key, value] : map.members)
    if (std::find(ways.begin(), ways.end(), key.text) != ways.end()) found.push_back(&key);
  if (found.size() == 1) return found[0]->text;
  std::string list;
  for (size_t i = 0; i < ways.size(); ++i)
    list += (i == 0 ? "" : i + 1 == ways.size() ? " or " : ", ") + ways[i];
  if (found.empty())
    error(of.position, "'" + of.text + "' needs one of " + list, std::string("missing-") + code);
  else
    error(found[1]->position,
          "'" + of.text + "' has '" + found[0]->text + "' and '" + found[1]->text +
              "': give it one of " + list,
          std::string("two-") + code + "s");
  return std::nullopt;
}

bool Reader::is_broken(const std::string& name) const {
  return std::find(broken.begin(), broken.end(), name) != broken.end();
}

bool Reader::is_touched(const std::string& name) const {
  return std::find(touched.begin(), touched.end(), name) != touched.end();
}

bool Reader::has_errors() const {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& d) { return d.severity == Severity::Error; });
}

bool Reader::check_name(const Value::Key& key, const char* what) {
  static const std::vector<std::string> reserved = {"State",   "Context", "Params", "reply",
                                                    "Handler", "port",    "host"};
  bool good = !key.text.empty() && (isalpha(static_cast<unsigned char>(key.text[0])) != 0);
  for (char c : key.text)
    good = good && (isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-');
  if (!good) {
    error(
        key.position,
        std::string("'") + key.text + "' is no name for " + what + ": letters, digits, '_' and '-'",
        "bad-name");
    return false;
  }
  if (schema::is_cpp_keyword(key.text) ||
      std::find(reserved.begin(), reserved.end(), key.text) != reserved.end()) {
    error(key.position, "'" + key.text + "' is a reserved name", "name-reserved");
    return false;
  }
  if (topology.kernel(key.text) != nullptr || topology.input(key.text) != nullptr ||
      topology.output(key.text) != nullptr) {
    error(key.position,
          "'" + key.text + "' names two things; kernels, inputs and outputs share one namespace",
          "duplicate-name");
    return false;
  }
  return true;
}

}  // namespace ringkernel::topology
