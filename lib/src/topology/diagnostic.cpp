#include "topology/diagnostic.hpp"

#include <algorithm>

namespace ringkernel::topology {
namespace {

std::string line_of(const std::vector<SourceText>& sources, const Position& position) {
  for (const SourceText& source : sources) {
    if (source.file != position.file) continue;
    size_t start = 0;
    for (uint32_t line = 1; line < position.line; ++line) {
      start = source.text.find('\n', start);
      if (start == std::string::npos) return "";
      ++start;
    }
    size_t end = std::min(source.text.find('\n', start), source.text.size());
    std::string text = source.text.substr(start, end - start);
    if (!text.empty() && text.back() == '\r') text.pop_back();
    return text;
  }
  return "";
}

std::string margin(uint32_t line) {
  std::string number = line == 0 ? "" : std::to_string(line);
  return std::string(number.size() < 5 ? 5 - number.size() : 0, ' ') + number;
}

}  // namespace

std::string render(const std::vector<Diagnostic>& diagnostics,
                   const std::vector<SourceText>& sources, bool colour) {
  const std::string bold = colour ? "\x1b[1m" : "";
  const std::string red = colour ? "\x1b[1;31m" : "";
  const std::string yellow = colour ? "\x1b[1;33m" : "";
  const std::string green = colour ? "\x1b[32m" : "";
  const std::string off = colour ? "\x1b[0m" : "";
  std::string out;
  for (const Diagnostic& d : diagnostics) {
    bool error = d.severity == Severity::Error;
    out += bold + d.position.file;
    if (d.position.line > 0)
      out += ":" + std::to_string(d.position.line) + ":" + std::to_string(d.position.column);
    out += ":" + off + " " + (error ? red + "error:" : yellow + "warning:") + off + " " +
           d.message + " [" + d.code + "]\n";
    std::string source = d.position.line > 0 ? line_of(sources, d.position) : "";
    if (!source.empty()) {
      out += margin(d.position.line) + " | " + source + "\n";
      uint32_t column =
          std::min<uint32_t>(d.position.column, static_cast<uint32_t>(source.size()) + 1);
      uint32_t room = static_cast<uint32_t>(source.size()) + 1 - column;
      uint32_t length = std::max(1U, std::min(d.position.length, room));
      // Tabs before the caret are kept, so that it stands under its text in every terminal.
      std::string indent = source.substr(0, column - 1);
      for (char& c : indent) c = c == '\t' ? '\t' : ' ';
      out += margin(0) + " | " + indent + green + "^" + std::string(length - 1, '~') + off;
      if (!d.suggestion.empty()) out += " " + d.suggestion;
      out += "\n";
    } else if (!d.suggestion.empty()) {
      out += margin(0) + " = " + d.suggestion + "\n";
    }
    if (!d.note.empty()) out += margin(0) + " = " + d.note + "\n";
  }
  return out;
}

}  // namespace ringkernel::topology
