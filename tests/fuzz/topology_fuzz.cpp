// Text is a topology or has diagnostics with places in it; the effective text of a topology is the
// same topology.
#include <algorithm>
#include <string>

#include "fuzz/fuzz.hpp"
#include "topology/load.hpp"

using namespace ringkernel;
using namespace ringkernel::topology;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  LoadOptions options;
  options.variable = [](const std::string& name) -> std::optional<std::string> {
    if (name == "X") return "12";
    return std::nullopt;
  };
  const std::string text(fuzz::text_of(data, size));
  const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  const LoadResult result = load_text(text, "fuzz.yaml", "/nowhere", options);
  bool errors = false;
  for (const Diagnostic& diagnostic : result.diagnostics) {
    errors = errors || diagnostic.severity == Severity::Error;
    fuzz::require(!diagnostic.code.empty() && !diagnostic.message.empty(), "a code and a sentence");
    fuzz::require(diagnostic.position.line <= lines, "a line of the text");
  }
  render(result.diagnostics, result.sources, false);
  fuzz::require(result.topology.has_value() != errors, "a topology, or an error");
  if (errors) return 0;
  options.variable = [](const std::string&) -> std::optional<std::string> { return std::nullopt; };
  const LoadResult again = load_text(result.effective_yaml, "again.yaml", "/nowhere", options);
  fuzz::require(again.topology.has_value(), "the effective text loads");
  fuzz::require(again.effective_yaml == result.effective_yaml, "the effective text is itself");
  return 0;
}
