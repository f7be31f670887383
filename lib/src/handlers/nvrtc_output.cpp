#include "handlers/nvrtc_output.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

namespace ringkernel::handlers {
namespace {

constexpr std::string_view kLayoutIs = " rk_layout = ";

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// "file(3): error: what"
struct Complaint {
  std::string_view file, line, rest;
};
bool parse(std::string_view text, Complaint& complaint) {
  for (const std::string_view kind : {"): error", "): catastrophic error", "): warning"}) {
    const size_t close = text.find(kind);
    const size_t open = close == std::string_view::npos ? close : text.rfind('(', close);
    if (open == std::string_view::npos) continue;
    complaint = {text.substr(0, open), text.substr(open + 1, close - open - 1),
                 text.substr(close + 3)};
    return !complaint.line.empty() &&
           complaint.line.find_first_not_of("0123456789") == std::string_view::npos;
  }
  return false;
}

bool is_noise(std::string_view line) {
  return line.empty() || line.starts_with("          ") ||
         line.find(" detected in the compilation of ") != std::string_view::npos ||
         line.starts_with("Compilation terminated") || line.starts_with("Remark: ") ||
         (line.starts_with("ptxas ") && !line.starts_with("ptxas fatal") &&
          !line.starts_with("ptxas error"));
}

// The number that stands before `unit`.
uint32_t number_before(std::string_view line, std::string_view unit) {
  const size_t end = line.find(unit);
  if (end == std::string_view::npos) return 0;
  size_t begin = end;
  while (begin > 0 && line[begin - 1] >= '0' && line[begin - 1] <= '9') --begin;
  uint32_t number = 0;
  std::from_chars(line.data() + begin, line.data() + end, number);
  return number;
}

}  // namespace

std::string in_host_form(std::string_view log) {
  const auto lines = lines_of(log);
  std::string text;
  for (size_t i = 0; i < lines.size(); ++i) {
    Complaint complaint;
    if (!parse(lines[i], complaint)) {
      if (!is_noise(lines[i])) text += std::string(lines[i]) + "\n";
      continue;
    }
    text += std::string(complaint.file) + ":" + std::string(complaint.line) + ":";
    // The source line and the caret stand two columns to the right.
    const size_t caret = i + 2 < lines.size() ? lines[i + 2].find_first_not_of(" \t") : 0;
    const bool shown = i + 2 < lines.size() && lines[i + 1].starts_with("  ") &&
                       caret != std::string_view::npos && lines[i + 2][caret] == '^' && caret >= 2;
    if (shown) text += std::to_string(caret - 1) + ":";
    text += " " + std::string(complaint.rest) + "\n";
    if (shown) {
      text += std::string(lines[i + 1]) + "\n" + std::string(lines[i + 2]) + "\n";
      i += 2;
    }
  }
  return text;
}

KernelUsage usage_of(std::string_view log, std::string_view name) {
  KernelUsage usage;
  bool here = false;
  for (const std::string_view line : lines_of(log)) {
    if (line.find("Compiling entry function") != std::string_view::npos)
      here = line.find("'" + std::string(name) + "'") != std::string_view::npos;
    if (!here) continue;
    if (line.find("bytes stack frame") != std::string_view::npos) {
      usage.stack = std::max(usage.stack, number_before(line, " bytes stack frame"));
      usage.spilled +=
          number_before(line, " bytes spill stores") + number_before(line, " bytes spill loads");
    }
    if (line.find(" registers") != std::string_view::npos) {
      usage.registers = number_before(line, " registers");
      usage.stack = std::max({usage.stack, number_before(line, " bytes cumulative stack size"),
                              number_before(line, " stack,")});
      // What the linker says counts what the GPU keeps for itself, too.
      if (line.starts_with("ptxas")) usage.shared_memory = number_before(line, " bytes smem");
    }
  }
  return usage;
}

// ".visible .global .align 8 .u64 rk_layout = 4402341478424;"
std::string layout_line(std::string_view ptx) {
  for (const std::string_view line : lines_of(ptx))
    if (line.find(kLayoutIs) != std::string_view::npos) return std::string(line);
  return "";
}

std::optional<HandlerLayout> layout_of(std::string_view line) {
  const size_t at = line.find(kLayoutIs);
  if (at == std::string_view::npos) return std::nullopt;
  uint64_t bits = 0;
  const char* begin = line.data() + at + kLayoutIs.size();
  if (std::from_chars(begin, line.data() + line.size(), bits).ec != std::errc())
    return std::nullopt;
  HandlerLayout layout;
  layout.state_size = static_cast<uint32_t>(bits);
  layout.state_alignment = static_cast<uint32_t>(bits >> 32) & 0xFF;
  layout.has_start = (bits >> 40 & 1) != 0;
  layout.has_stop = (bits >> 41 & 1) != 0;
  layout.has_poll = (bits >> 42 & 1) != 0;
  return layout;
}

}  // namespace ringkernel::handlers
