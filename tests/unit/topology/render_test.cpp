#include <doctest/doctest.h>

#include "sample.hpp"
#include "topology/load.hpp"

using namespace ringkernel;
using namespace ringkernel::topology;

namespace {

std::string rendered(const std::string& text) {
  LoadResult result = load_text(text, "t.yaml", "");
  return render(result.diagnostics, result.sources, false);
}

}  // namespace

TEST_CASE("a finding shows its place, its line, a caret and a suggestion") {
  CHECK(rendered(sample_with("    builtin: echo", "    bultin: echo")) ==
        "t.yaml:13:5: error: unknown key 'bultin' in kernel 'score' [unknown-key]\n"
        "   13 |     bultin: echo\n"
        "      |     ^~~~~~ did you mean 'builtin'?\n");
  CHECK(rendered(sample_with("    id: u64\n    account", "    id: f46\n    account")) ==
        "t.yaml:5:9: error: unknown type 'f46' [unknown-type]\n"
        "    5 |     id: f46\n"
        "      |         ^~~ did you mean 'f64'?\n");
}

TEST_CASE("a caret stands under its text after tabs, and at the end of a line") {
  std::vector<SourceText> sources = {{"a.yaml", "k:\t\"x\"\n"}};
  Diagnostic d;
  d.position = {"a.yaml", 1, 4, 3};
  d.message = "m";
  d.code = "c";
  CHECK(render({d}, sources, false) ==
        "a.yaml:1:4: error: m [c]\n    1 | k:\t\"x\"\n      |   \t^~~\n");
  d.position.column = 90;
  CHECK(render({d}, sources, false).find("^\n") != std::string::npos);
}

TEST_CASE("a finding of the command line has no line") {
  LoadOptions options;
  options.sets = {{"kernels.scor.params.limit", "1"}};
  LoadResult result = load_text(kSample, "t.yaml", "", options);
  CHECK(render(result.diagnostics, result.sources, false) ==
        "--set kernels.scor.params.limit=1: error: there is no 'scor' [bad-set]\n"
        "      = did you mean 'score'?\n");
}
