#include "handlers/compiler_output.hpp"

#include <string_view>

namespace ringkernel::handlers {
namespace {

constexpr size_t kMostLines = 40;

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  if (from.empty() || from == to) return;
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

bool tells_nothing(std::string_view line) {
  return line.starts_with("In file included from ") || line.starts_with("                 from ") ||
         line.find(": In instantiation of ") != std::string_view::npos ||
         line.find(":   required from ") != std::string_view::npos ||
         line.find(":   required by ") != std::string_view::npos ||
         line.starts_with("compilation terminated");
}

}  // namespace

std::string users_part(const std::string& output, const CompiledFiles& files) {
  std::string text = output;
  replace_all(text, files.included, files.source);
  replace_all(text, files.generated, "<before the handler>");
  std::string part;
  size_t lines = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty() || tells_nothing(line)) continue;
    if (++lines > kMostLines) return part + "(and more)";
    part += std::string(line) + "\n";
  }
  while (part.ends_with('\n')) part.pop_back();
  return part;
}

}  // namespace ringkernel::handlers
