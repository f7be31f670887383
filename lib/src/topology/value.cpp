#include "topology/value.hpp"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <sstream>

#include "schema/type_text.hpp"

namespace ringkernel::topology {
namespace {

// Aliases make a small file an endless or a huge document.
constexpr size_t kMaxValues = size_t{1} << 20;
constexpr size_t kMaxDepth = 500;

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

bool is_name_char(char c) {
  return isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
}

// "grid_size:4": how long the name before the colon is; 0 where the text is not of that form.
size_t name_before_colon(std::string_view text) {
  size_t n = 0;
  while (n < text.size() && is_name_char(text[n])) ++n;
  bool colon = n > 0 && n + 1 < text.size() && text[n] == ':';
  return colon && text[n + 1] != ' ' && text[n + 1] != '/' && text[n + 1] != ':' ? n : 0;
}

std::string with_space(std::string_view text, size_t name) {
  return "write '" + std::string(text.substr(0, name)) + ": " + std::string(text.substr(name + 1)) +
         "'";
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

  bool too_large() const { return too_large_; }

  Value convert(const YAML::Node& node) {
    ++depth_;
    Value value = convert_node(node);
    --depth_;
    return value;
  }

 private:
  Value convert_node(const YAML::Node& node) {
    Value value;
    value.position = at(node.Mark());
    if (++values_ > kMaxValues || depth_ > kMaxDepth) {
      if (!too_large_)
        report(value.position,
               depth_ > kMaxDepth ? "values nest too deep, or an alias contains itself"
                                  : "with its aliases this is too large for a topology",
               "too-large");
      too_large_ = true;
      return value;
    }
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
        for (const auto& item : node) {
          if (too_large_) break;
          value.items.push_back(convert(item));
        }
        break;
      case YAML::NodeType::Map:
        convert_map(node, value);
        break;
    }
    return value;
  }

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
      if (too_large_) return;
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
      // A plain "grid_size:4" alone below its key was meant to be a map.
      if (size_t name = name_before_colon(converted.text);
          name > 0 && converted.style == Value::Style::Plain &&
          converted.position.line > position.line &&
          converted.text.find(' ') == std::string::npos) {
        report(converted.position, "a colon needs a space behind it", "missing-space",
               with_space(converted.text, name));
        converted.kind = Value::Kind::Map;
      }
      // A null's mark may be that of the next token.
      if (converted.is_null()) converted.position = position;
      value.members.push_back({{key, position}, std::move(converted)});
    }
  }

  std::vector<std::string_view> lines_;
  const std::string& file_;
  std::vector<Diagnostic>& diagnostics_;
  size_t values_ = 0;
  size_t depth_ = 0;
  bool too_large_ = false;
};

// Whether a `{` is open before the line (0-based). What stands in quotes is balanced well enough.
bool inside_braces(const std::vector<std::string_view>& lines, size_t line) {
  constexpr size_t kFar = 200;
  int open = 0;
  for (size_t back = 0; back < kFar && back < line; ++back) {
    std::string_view content = lines[line - 1 - back];
    for (size_t i = content.size(); i > 0; --i) {
      if (content[i - 1] == '}') --open;
      if (content[i - 1] == '{' && ++open > 0) return true;
    }
  }
  return false;
}

// Where an unquoted `name[`, `${` or `?` begins within the braces of a line: npos where none is.
size_t unquoted_type(std::string_view line, bool inside) {
  char quote = '\0';
  int open = inside ? 1 : 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != '\0') {
      if (c == '\\' && quote == '"') ++i;
      if (c == quote) quote = '\0';
      continue;
    }
    if (c == '"' || c == '\'') quote = c;
    if (c == '#' && i > 0 && line[i - 1] == ' ') return std::string_view::npos;
    bool word = i > 0 && isalnum(static_cast<unsigned char>(line[i - 1])) != 0;
    bool variable = c == '$' && i + 1 < line.size() && line[i + 1] == '{';
    if (open > 0 && (variable || c == '?' || (c == '[' && word))) {
      while (i > 0 && isalnum(static_cast<unsigned char>(line[i - 1])) != 0) --i;
      return i;
    }
    if (c == '{') ++open;
    if (c == '}') --open;
  }
  return std::string_view::npos;
}

// What probably went wrong where yaml-cpp gave up.
void explain(const YAML::Exception& error, std::string_view text, const std::string& file,
             Converter& converter) {
  Position position = converter.at(error.mark);
  if (error.mark.is_null()) position = {file, 1, 1, 1};
  auto lines = split_lines(text);
  for (uint32_t line : {position.line, position.line - 1}) {
    if (line == 0 || line > lines.size()) continue;
    size_t where = unquoted_type(lines[line - 1], inside_braces(lines, line - 1));
    if (where == std::string_view::npos) continue;
    position.line = line;
    position.column = static_cast<uint32_t>(where) + 1;
    return converter.report(position, "inside { } this must be quoted", "quote-type",
                            "put it in \"double quotes\", or use one line per key");
  }
  if (position.line <= lines.size()) {
    std::string_view content = lines[position.line - 1];
    size_t tab = content.substr(0, content.find_first_not_of(" \t")).find('\t');
    if (tab != std::string_view::npos) {
      position.column = static_cast<uint32_t>(tab) + 1;
      return converter.report(position, "a tab cannot indent", "yaml-syntax", "use spaces");
    }
  }
  std::string message = dynamic_cast<const YAML::DeepRecursion*>(&error) != nullptr
                            ? "values nest too deep"
                            : error.msg;
  bool map_value = message.find("map value") != std::string::npos;
  // "grid_size:4" and then another key: yaml-cpp reads text that goes on in the next line.
  if (map_value && position.line >= 2 && position.line <= lines.size()) {
    std::string_view before = lines[position.line - 2];
    size_t start = std::min(before.find_first_not_of(' '), before.size());
    std::string_view entry = before.substr(start);
    if (size_t name = name_before_colon(entry); name > 0) {
      --position.line;
      position.column = static_cast<uint32_t>(start) + 1;
      position.length = static_cast<uint32_t>(entry.size());
      return converter.report(position, "a colon needs a space behind it", "missing-space",
                              with_space(entry, name));
    }
  }
  std::string suggestion;
  if (map_value)
    suggestion = "check the indentation, and quote text that contains ': '";
  else if (message == "end of map not found")
    suggestion = "check the indentation";
  converter.report(position, message, "yaml-syntax", suggestion);
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

namespace {

// Where the first two documents start. YAML::LoadAll would find no end of documents before a comma
// that starts a line.
struct Documents final : YAML::EventHandler {
  std::vector<YAML::Mark> starts;
  YAML::Mark second;  // of what the second one holds
  bool second_is_open = false;
  bool second_has_content = false;

  void value(const YAML::Mark& mark) {
    if (second_is_open) second = mark;
    second_is_open = false;
  }
  void content(const YAML::Mark& mark) {
    value(mark);
    second_has_content = second_has_content || starts.size() > 1;
  }
  void OnDocumentStart(const YAML::Mark& mark) override {
    starts.push_back(mark);
    second_is_open = starts.size() == 2;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { value(mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { content(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string&) override {
    content(mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    content(mark);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    content(mark);
  }
  void OnMapEnd() override {}
};

Documents first_documents(std::string_view text) {
  std::istringstream stream{std::string(text)};
  YAML::Parser parser(stream);
  Documents documents;
  while (documents.starts.size() < 2 && parser.HandleNextDocument(documents)) {
  }
  return documents;
}

}  // namespace

Value parse_yaml(std::string_view text, const std::string& file,
                 std::vector<Diagnostic>& diagnostics) {
  Converter converter(text, file, diagnostics);
  try {
    const Documents documents = first_documents(text);
    if (documents.starts.empty()) {
      converter.report({file, 1, 1, 1}, "the file is empty", "empty-file");
      return {};
    }
    if (documents.starts.size() > 1) {
      if (documents.starts[1].pos == documents.starts[0].pos) {
        converter.report(converter.at(documents.starts[1]), "no value can start with this",
                         "yaml-syntax");
        return {};
      }
      converter.report(converter.at(documents.second), "a second document starts here",
                       "second-document", "a topology is one document; remove the '---'");
      // What stands there would be missing here.
      if (documents.second_has_content) return {};
    }
    Value value = converter.convert(YAML::Load(std::string(text)));
    if (!converter.too_large()) return value;
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
        if (value.text == "true" || value.text == "false" || schema::is_json_number(value.text))
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
