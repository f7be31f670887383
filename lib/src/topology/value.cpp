#include "topology/value.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <set>

namespace ringkernel::topology {
namespace {

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

class Converter {
 public:
  Converter(std::string_view text, const std::string& file, std::vector<Diagnostic>& diagnostics)
      : lines_(split_lines(text)), file_(file), diagnostics_(diagnostics) {}

  Position at(const YAML::Mark& mark, size_t length = 1) const {
    return {file_, static_cast<uint32_t>(std::max(mark.line, 0)) + 1,
            static_cast<uint32_t>(std::max(mark.column, 0)) + 1,
            static_cast<uint32_t>(std::max<size_t>(length, 1))};
  }

  void report(Position position, std::string message, std::string code,
              std::string suggestion = {}) {
    diagnostics_.push_back({Severity::Error, std::move(position), std::move(message),
                            std::move(code), std::move(suggestion), ""});
  }

  Value convert(const YAML::Node& node) {
    Value value;
    value.position = at(node.Mark());
    switch (node.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null:
        break;
      case YAML::NodeType::Scalar: {
        value.kind = Value::Kind::Scalar;
        value.text = node.Scalar();
        if (node.Tag() == "!") value.style = Value::Style::Quoted;
        char mark = char_at(node.Mark());
        if (mark == '|') value.style = Value::Style::Literal;
        if (mark == '>') value.style = Value::Style::Folded;
        if (value.style == Value::Style::Plain && value.text.empty())
          value.kind = Value::Kind::Null;
        size_t shown = value.text.find('\n');
        value.position.length = static_cast<uint32_t>(std::max<size_t>(
            1, std::min(shown, value.text.size()) + (value.style == Value::Style::Quoted ? 2 : 0)));
        break;
      }
      case YAML::NodeType::Sequence:
        value.kind = Value::Kind::Sequence;
        for (const auto& item : node) value.items.push_back(convert(item));
        break;
      case YAML::NodeType::Map:
        convert_map(node, value);
        break;
    }
    return value;
  }

 private:
  char char_at(const YAML::Mark& mark) const {
    if (mark.line < 0 || static_cast<size_t>(mark.line) >= lines_.size()) return '\0';
    std::string_view line = lines_[static_cast<size_t>(mark.line)];
    auto column = static_cast<size_t>(std::max(mark.column, 0));
    return column < line.size() ? line[column] : '\0';
  }

  void convert_map(const YAML::Node& node, Value& value) {
    value.kind = Value::Kind::Map;
    std::set<std::string> seen;
    for (const auto& member : node) {
      if (!member.first.IsScalar()) {
        report(at(member.first.Mark()), "a key must be plain text", "bad-key");
        continue;
      }
      const std::string& key = member.first.Scalar();
      Position position = at(member.first.Mark(), key.size());
      if (key == "<<") {
        report(position, "merge keys ('<<') are not supported", "merge-key",
               "write the keys out, or use 'defaults' or --with");
        continue;
      }
      size_t colon = key.find(':');
      bool flow = char_at(node.Mark()) == '{';
      if (flow && member.second.IsNull() && colon != std::string::npos && colon > 0) {
        report(position, "'" + key + "' is read as one key without a value", "missing-space",
               "write '" + key.substr(0, colon) + ": " + key.substr(colon + 1) + "'");
        continue;
      }
      if (!seen.insert(key).second) {
        report(position, "key '" + key + "' stands twice", "duplicate-key");
        continue;
      }
      Value converted = convert(member.second);
      // A null's mark may be that of the next token.
      if (converted.is_null()) converted.position = position;
      value.members.push_back({{key, position}, std::move(converted)});
    }
  }

  std::vector<std::string_view> lines_;
  const std::string& file_;
  std::vector<Diagnostic>& diagnostics_;
};

// What probably went wrong where yaml-cpp gave up.
void explain(const YAML::Exception& error, std::string_view text, const std::string& file,
             Converter& converter) {
  Position position = converter.at(error.mark);
  if (error.mark.is_null()) position = {file, 1, 1, 1};
  auto lines = split_lines(text);
  std::string message = error.msg;
  std::string code = "yaml-syntax";
  std::string suggestion;
  for (uint32_t line : {position.line, position.line - 1}) {
    if (line == 0 || line > lines.size()) continue;
    std::string_view content = lines[line - 1];
    size_t brace = content.find('{');
    if (brace == std::string_view::npos) continue;
    size_t bracket = content.find('[', brace);
    bool after_word = bracket != std::string_view::npos && bracket > 0 &&
                      isalnum(static_cast<unsigned char>(content[bracket - 1])) != 0;
    bool variable = content.find("${", brace) != std::string_view::npos;
    size_t question = content.find('?', brace);
    if (after_word || variable || question != std::string_view::npos) {
      size_t where = after_word ? bracket : variable ? content.find("${", brace) : question;
      while (where > 0 && isalnum(static_cast<unsigned char>(content[where - 1])) != 0) --where;
      position.line = line;
      position.column = static_cast<uint32_t>(where) + 1;
      message = "inside { } this must be quoted";
      code = "quote-type";
      suggestion = "put it in \"double quotes\", or use one line per key";
      break;
    }
  }
  if (message.find("illegal map value") != std::string::npos ||
      message.find("map value") != std::string::npos)
    suggestion = suggestion.empty() ? "check the indentation, and quote text that contains ': '"
                                    : suggestion;
  converter.report(position, message, code, suggestion);
}

bool is_json_number(std::string_view text) {
  size_t i = 0;
  auto digits = [&] {
    size_t start = i;
    while (i < text.size() && isdigit(static_cast<unsigned char>(text[i])) != 0) ++i;
    return i - start;
  };
  if (i < text.size() && text[i] == '-') ++i;
  size_t first = i;
  size_t n = digits();
  if (n == 0 || (n > 1 && text[first] == '0')) return false;
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (digits() == 0) return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

std::string quote_json(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15U];
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

const Value* Value::find(std::string_view key) const {
  for (const auto& [name, value] : members)
    if (name.text == key) return &value;
  return nullptr;
}

Value* Value::find(std::string_view key) {
  for (auto& [name, value] : members)
    if (name.text == key) return &value;
  return nullptr;
}

std::string_view name_of(Value::Kind kind) {
  switch (kind) {
    case Value::Kind::Null:
      return "nothing";
    case Value::Kind::Scalar:
      return "text";
    case Value::Kind::Sequence:
      return "a list";
    case Value::Kind::Map:
      return "a map";
  }
  return "something else";
}

Value parse_yaml(std::string_view text, const std::string& file,
                 std::vector<Diagnostic>& diagnostics) {
  Converter converter(text, file, diagnostics);
  try {
    std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.empty()) {
      converter.report({file, 1, 1, 1}, "the file is empty", "empty-file");
      return {};
    }
    if (documents.size() > 1)
      converter.report(converter.at(documents[1].Mark()), "a second document starts here",
                       "second-document", "a topology is one document; remove the '---'");
    return converter.convert(documents[0]);
  } catch (const YAML::Exception& error) {
    explain(error, text, file, converter);
  }
  return {};
}

std::string to_json(const Value& value) {
  std::string out;
  switch (value.kind) {
    case Value::Kind::Null:
      return "null";
    case Value::Kind::Scalar:
      if (value.style == Value::Style::Plain) {
        if (value.text == "null" || value.text == "~") return "null";
        if (value.text == "true" || value.text == "false" || is_json_number(value.text))
          return value.text;
      }
      return quote_json(value.text);
    case Value::Kind::Sequence:
      for (const Value& item : value.items) out += (out.empty() ? "" : ",") + to_json(item);
      return "[" + out + "]";
    case Value::Kind::Map:
      for (const auto& [key, member] : value.members)
        out += (out.empty() ? "" : ",") + quote_json(key.text) + ":" + to_json(member);
      return "{" + out + "}";
  }
  return "null";
}

std::string quote_yaml(std::string_view text, bool force_quotes) {
  bool plain = !force_quotes && !text.empty() && text.front() != ' ' && text.back() != ' ';
  for (char c : text)
    plain = plain && (isalnum(static_cast<unsigned char>(c)) != 0 ||
                      std::string_view("_-./+%").find(c) != std::string_view::npos);
  if (plain && text.front() != '-' && text != "null" && text != "~") return std::string(text);
  return quote_json(text);
}

}  // namespace ringkernel::topology
