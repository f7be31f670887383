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
  if (name.empty() || !(rest.empty() || has_default || has_message)) {
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
             ? std::string(rest.substr(2))
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

}  // namespace

void interpolate(Value& value, const Lookup& variable, std::vector<Diagnostic>& diagnostics) {
  switch (value.kind) {
    case Value::Kind::Null:
      break;
    case Value::Kind::Scalar:
      if (value.style != Value::Style::Literal && value.style != Value::Style::Folded)
        interpolate_scalar(value, variable, diagnostics);
      break;
    case Value::Kind::Sequence:
      for (Value& item : value.items) interpolate(item, variable, diagnostics);
      break;
    case Value::Kind::Map:
      for (auto& [key, member] : value.members)
        if (key.text != "code") interpolate(member, variable, diagnostics);
      break;
  }
}

}  // namespace ringkernel::topology
