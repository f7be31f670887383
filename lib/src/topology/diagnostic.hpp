// What `check` says: one finding with its place, a stable code and, where there is one, a
// suggestion.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringkernel::topology {

struct Position {
  std::string file;     // as given on the command line, or relative to the topology
  uint32_t line = 0;    // 1-based; 0: no place
  uint32_t column = 0;  // 1-based, in bytes
  uint32_t length = 1;  // bytes to underline
};

enum class Severity : uint8_t { Error, Warning };

struct Diagnostic {
  Severity severity = Severity::Error;
  Position position;
  std::string message;     // "unknown key 'sorce' in kernel 'score'"
  std::string code;        // "unknown-key"
  std::string suggestion;  // "did you mean 'source'?", shown beside the caret
  std::string note;        // shown below, after "= "
};

// file:line:column: error: message [code], the source line, a caret line; several findings in order
// of file, line and column. `sources` gives the text of files by name.
struct SourceText {
  std::string file;
  std::string text;
};
std::string render(const std::vector<Diagnostic>& diagnostics,
                   const std::vector<SourceText>& sources, bool colour);

}  // namespace ringkernel::topology
