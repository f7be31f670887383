#include "topology/interpolate.hpp"

#include <cctype>

namespace ringkernel::topology {
namespace {

using Lookup = std::function<std::optional<std::string>(const std::string&)>;

void report(std::vector<Diagnostic>& diagnostics, const Value& value, std::string message,
            std::string code) {
  diagnostics.push_back(
      {Severity::Error, value.position, std::move(message), std::move(code), "", ""});
}

// Length of the ${...} that starts at `at`, or 0: it is not closed.
size_t length_of(const std::string& text, size_t at) {
  size_t end = text.find('}', at);
  return end == std::string::npos ? 0 : end - at + 1;
}

std::string substitute(const Value& value, std::string_view inside, const Lookup& variable,
                       std::vector<Diagnostic>& diagnostics) {
  size_t n = 0;
  while (n < inside.size() &&
         (isalnum(static_cast<unsigned char>(inside[n])) != 0 || inside[n] == '_'))
    ++n;
  std::string name(inside.substr(0, n));
  std::string_view rest = inside.substr(n);
  bool has_default = rest.substr(0, 2) == ":-";
  bool has_message = rest.substr(0, 2) == ":?";
  bool is_name = !name.empty() && isdigit(static_cast<unsigned char>(name[0])) == 0;
  if (rest.find("${") != std::string_view::npos) {
    report(diagnostics, value, "'${" + name + "...': variables do not nest", "bad-variable");
    return "";
  }
  if (!is_name || !(rest.empty() || has_default || has_message)) {
    report(diagnostics, value,
           "'${" + std::string(inside) +
               "}' is no variable; write ${NAME}, ${NAME:-default} or ${NAME:?message}",
           "bad-variable");
    return "";
  }
  if (auto found = variable(name); found && !(found->empty() && (has_default || has_message)))
    return *found;
  if (has_default) return std::string(rest.substr(2));
  report(diagnostics, value,
         has_message
             ? "variable '" + name + "' is not set: " + std::string(rest.substr(2))
             : "variable '" + name + "' is not set; give it a default with ${" + name + ":-...}",
         "unset-variable");
  return "";
}

void interpolate_scalar(Value& value, const Lookup& variable,
                        std::vector<Diagnostic>& diagnostics) {
  const std::string& text = value.text;
  if (text.find('$') == std::string::npos) return;
  bool whole =
      text.size() > 3 && text[0] == '$' && text[1] == '{' && length_of(text, 0) == text.size();
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
    } else if (text[i + 1] == '$') {
      out += '$';
      ++i;
    } else if (text[i + 1] == '{') {
      size_t length = length_of(text, i);
      if (length == 0) {
        report(diagnostics, value, "'${' is not closed; write $$ for a dollar", "bad-variable");
        return;
      }
      out += substitute(value, std::string_view(text).substr(i + 2, length - 3), variable,
                        diagnostics);
      i += length - 1;
    } else {
      out += '$';
    }
  }
  value.text = std::move(out);
  if (whole) value.style = Value::Style::Plain;
}

// The code of kernels and of their defaults is C++, which has its own use for dollars.
bool is_code(const std::vector<std::string_view>& path) {
  return path.size() >= 2 && path.back() == "code" &&
         ((path.size() == 3 && path[0] == "kernels") ||
          (path.size() == 2 && path[0] == "defaults"));
}

void interpolate_at(Value& value, std::vector<std::string_view>& path, const Lookup& variable,
                    std::vector<Diagnostic>& diagnostics) {
  switch (value.kind) {
    case Value::Kind::Null:
      break;
    case Value::Kind::Scalar:
      if (!is_code(path)) interpolate_scalar(value, variable, diagnostics);
      break;
    case Value::Kind::Sequence:
      path.emplace_back("");
      for (Value& item : value.items) interpolate_at(item, path, variable, diagnostics);
      path.pop_back();
      break;
    case Value::Kind::Map:
      for (auto& [key, member] : value.members) {
        path.emplace_back(key.text);
        interpolate_at(member, path, variable, diagnostics);
        path.pop_back();
      }
      break;
  }
}

}  // namespace

void interpolate(Value& document, const Lookup& variable, std::vector<Diagnostic>& diagnostics) {
  std::vector<std::string_view> path;
  interpolate_at(document, path, variable, diagnostics);
}

}  // namespace ringkernel::topology
