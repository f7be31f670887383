#include "topology/diagnostic.hpp"

#include <algorithm>
#include <string_view>

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
    // yaml-cpp counts no columns for a byte order mark.
    if (position.line == 1 && text.compare(0, 3, "\xEF\xBB\xBF") == 0) text.erase(0, 3);
    return text;
  }
  return "";
}

std::string margin(uint32_t line) {
  std::string number = line == 0 ? "" : std::to_string(line);
  return std::string(number.size() < 5 ? 5 - number.size() : 0, ' ') + number;
}

constexpr size_t kLongLine = 200;  // longer ones are cut to a window about the caret
constexpr size_t kBefore = 80;
constexpr size_t kAfter = 120;
constexpr size_t kLongText = 600;  // longer ones lose their middle

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80; }

size_t character_start(std::string_view text, size_t at) {
  for (int n = 0; n < 3 && at > 0 && at < text.size() && continues(text[at]); ++n) --at;
  return at;
}

size_t character_end(std::string_view text, size_t at) {
  for (int n = 0; n < 3 && at < text.size() && continues(text[at]); ++n) ++at;
  return at;
}

// The code point that starts the text and its length; length 0: that is no UTF-8.
size_t decode(std::string_view text, uint32_t& point) {
  const auto first = static_cast<unsigned char>(text[0]);
  point = first;
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  point = first & (0xFFU >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if (!continues(text[i])) return 0;
    point = point << 6 | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  const uint32_t least = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  return point < least || point > 0x10FFFF || surrogate ? 0 : length;
}

// What moves the cursor, hides or reorders text would show another text than the file's.
bool is_harmful(uint32_t point) {
  return point < 0x20 || (point >= 0x7F && point < 0xA0) || (point >= 0x200B && point <= 0x200F) ||
         (point >= 0x2028 && point <= 0x202E) || (point >= 0x2060 && point <= 0x206F) ||
         point == 0xFEFF;
}

// Columns of a terminal, near enough for a caret.
size_t width_of(uint32_t point) {
  if ((point >= 0x300 && point <= 0x36F) || (point >= 0xFE00 && point <= 0xFE0F)) return 0;
  const bool wide = (point >= 0x1100 && point <= 0x115F) || (point >= 0x2E80 && point <= 0xA4CF) ||
                    (point >= 0xAC00 && point <= 0xD7A3) || (point >= 0xF900 && point <= 0xFAFF) ||
                    (point >= 0xFE30 && point <= 0xFE6F) || (point >= 0xFF00 && point <= 0xFF60) ||
                    (point >= 0xFFE0 && point <= 0xFFE6) ||
                    (point >= 0x1F300 && point <= 0x1FAFF) || point >= 0x20000;
  return wide ? 2 : 1;
}

struct Shown {
  std::string text;
  std::string blank;  // as wide as the text
};

// Text that a terminal can be given: whatever is harmful or no UTF-8 becomes \xNN.
Shown shown(std::string_view text, bool keep_tabs) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  Shown out;
  while (!text.empty()) {
    uint32_t point = 0;
    size_t length = decode(text, point);
    if (length > 0 && point == '\t' && keep_tabs) {
      out.text += '\t';
      out.blank += '\t';
    } else if (length > 0 && !is_harmful(point)) {
      out.text += text.substr(0, length);
      out.blank.append(width_of(point), ' ');
    } else {
      length = std::max<size_t>(length, 1);
      for (const char c : text.substr(0, length)) {
        const auto byte = static_cast<unsigned char>(c);
        out.text += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15U]};
        out.blank += "    ";
      }
    }
    text.remove_prefix(length);
  }
  return out;
}

// The message of a finding may quote a value of any length.
std::string prose(std::string_view text) {
  if (text.size() <= kLongText) return shown(text, false).text;
  const size_t head = character_start(text, kLongText / 2);
  const size_t tail = character_end(text, text.size() - kLongText / 4);
  return shown(text.substr(0, head), false).text + "..." + shown(text.substr(tail), false).text;
}

// The line of a finding and, for below it, what leads to the caret and what it underlines.
struct Excerpt {
  std::string line;
  std::string indent;
  size_t length = 1;
};

Excerpt excerpt(std::string_view line, const Position& position) {
  const size_t column = std::min<size_t>(std::max(position.column, 1U) - 1, line.size());
  const size_t caret = character_start(line, column);
  size_t begin = 0;
  size_t end = line.size();
  if (line.size() > kLongLine) {
    begin = character_start(line, caret > kBefore ? caret - kBefore : 0);
    end = character_end(line, std::min(caret + kAfter, line.size()));
  }
  const size_t length = std::clamp<size_t>(position.length, 1, line.size());
  const size_t stop = std::min(end, character_end(line, std::min(column + length, line.size())));
  const Shown before = shown(line.substr(begin, caret - begin), true);
  const Shown under = shown(line.substr(caret, stop - caret), true);
  const Shown after = shown(line.substr(stop, end - stop), true);
  Excerpt out;
  const std::string cut = begin > 0 ? "..." : "";
  out.line = cut + before.text + under.text + after.text + (end < line.size() ? "..." : "");
  out.indent = std::string(cut.size(), ' ') + before.blank;
  out.length = std::max<size_t>(under.blank.size(), 1);
  return out;
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
    const std::string suggestion = prose(d.suggestion);
    out += bold + prose(d.position.file);
    if (d.position.line > 0)
      out += ":" + std::to_string(d.position.line) + ":" + std::to_string(d.position.column);
    out += ":" + off + " " + (error ? red + "error:" : yellow + "warning:") + off + " " +
           prose(d.message) + " [" + d.code + "]\n";
    const std::string source = d.position.line > 0 ? line_of(sources, d.position) : "";
    if (!source.empty()) {
      // Tabs before the caret are kept, so that it stands under its text in every terminal.
      const Excerpt cut = excerpt(source, d.position);
      out += margin(d.position.line) + " | " + cut.line + "\n";
      out += margin(0) + " | " + cut.indent + green + "^" + std::string(cut.length - 1, '~') + off;
      if (!suggestion.empty()) out += " " + suggestion;
      out += "\n";
    } else if (!suggestion.empty()) {
      out += margin(0) + " = " + suggestion + "\n";
    }
    if (!d.note.empty()) out += margin(0) + " = " + prose(d.note) + "\n";
  }
  return out;
}

}  // namespace ringkernel::topology
