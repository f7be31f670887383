// What YAML makes easy to get wrong, and what a hostile file may hold.
#include <doctest/doctest.h>

#include "sample.hpp"
#include "topology/load.hpp"

using namespace ringkernel;
using namespace ringkernel::topology;

namespace {

std::string messages(const std::string& lines) { return "ringk: 1\nname: a\n" + lines; }

}  // namespace

TEST_CASE("an alias that contains itself is refused") {
  CHECK(findings("a: &x\n  b: *x\n").find("too-large") == 0);
  CHECK(findings("a: &x [1, *x]\n").find("too-large") == 0);
}

TEST_CASE("aliases of aliases cannot fill the memory") {
  std::string text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int n = 0; n < 10; ++n) text += (n == 0 ? "" : ", ") + before;
    text += "]\n";
  }
  CHECK(findings(text).find("too-large") == 0);
}

TEST_CASE("values that nest too deep are refused") {
  CHECK(findings("a: " + std::string(100000, '[')).find("yaml-syntax") == 0);
  CHECK(findings("a: " + std::string(100000, '[') + std::string(100000, ']')).find("yaml-syntax") ==
        0);
}

TEST_CASE("a colon without a space is told in block style too") {
  CHECK(findings(messages("run:\n  max_failed:4\n")) == "missing-space 4:3");
  CHECK(findings(messages("run:\n  max_failed:4\n  until: forever\n")) == "missing-space 4:3");
  CHECK(findings(messages("run: {max_failed:4}\n")) == "missing-space 3:7");
}

TEST_CASE("what must be quoted within braces is found where it stands") {
  CHECK(findings(messages("messages:\n  A: {a: u8, b: string[3]}\n")) == "quote-type 4:17");
  CHECK(findings(messages("messages:\n  A: {a: \"u8[2]\", b: u64?}\n")) == "quote-type 4:22");
  CHECK(findings(messages("messages:\n  A: {\n    a: u8,\n    b: string[3],\n    c: u8\n  }\n")) ==
        "quote-type 6:8");
  CHECK(findings(messages("messages:\n  A: {\n    a: u64?,\n    c: u8\n  }\n")) ==
        "quote-type 5:8");
}

TEST_CASE("a tab that indents is named") {
  LoadResult result = load_text(messages("run:\n\tmax_failed: 1\n"), "t.yaml", "");
  REQUIRE(result.diagnostics.size() == 1);
  CHECK(result.diagnostics[0].message == "a tab cannot indent");
  CHECK(result.diagnostics[0].position.line == 4);
}

TEST_CASE("what stands in a second document is not missed in the first") {
  CHECK(findings(sample_with("wires:\n", "---\nwires:\n")) == "second-document 36:1");
  // yaml-cpp finds no end of documents here.
  CHECK(findings(", sys\n# more") == "yaml-syntax 1:1");
}

TEST_CASE("no duration is not-a-number") {
  CHECK(findings(sample_with("stdin: jsonl", "every: nans")).find("bad-duration 30:12") == 0);
}
