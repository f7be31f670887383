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

namespace {

// The excerpt and the caret's line of a finding in one line of text.
std::string excerpt(const std::string& line, uint32_t column, uint32_t length = 1) {
  Diagnostic d;
  d.position = {"a", 1, column, length};
  d.message = "m";
  d.code = "c";
  const std::string text = render({d}, {{"a", line + "\n"}}, false);
  return text.substr(text.find('\n') + 1);
}

std::string said(const std::string& message) {
  Diagnostic d;
  d.position = {"a", 0, 0, 1};
  d.message = message;
  d.code = "c";
  return render({d}, {}, false);
}

}  // namespace

TEST_CASE("what a terminal would obey, and what is no UTF-8, is shown as bytes") {
  CHECK(excerpt("a: \x1b[2Jb", 8) ==
        "    1 | a: \\x1B[2Jb\n"
        "      |           ^\n");
  CHECK(excerpt("a: \xff\xc3\x28 b", 8, 1) ==
        "    1 | a: \\xFF\\xC3( b\n"
        "      |              ^\n");
  CHECK(excerpt("\xc2\x9b\xe2\x80\xae"
                "x",
                6) ==
        "    1 | \\xC2\\x9B\\xE2\\x80\\xAEx\n"
        "      |                     ^\n");
  CHECK(excerpt("a: \x7f\x07", 4, 2) ==
        "    1 | a: \\x7F\\x07\n"
        "      |    ^~~~~~~~\n");
  CHECK(excerpt("\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf", 1).find("\\xED\\xA0\\x80\\xF4\\x90") !=
        std::string::npos);
  CHECK(said("'a\x1b]0;b\nc\xff' is wrong") == "a: error: 'a\\x1B]0;b\\x0Ac\\xFF' is wrong [c]\n");
}

TEST_CASE("a caret counts characters, not bytes") {
  CHECK(excerpt("gr\xc3\xbc\xc3\x9f: x", 9) ==
        "    1 | gr\xc3\xbc\xc3\x9f: x\n"
        "      |       ^\n");
  CHECK(excerpt("\xe6\xbc\xa2\xe5\xad\x97: x", 9) ==
        "    1 | \xe6\xbc\xa2\xe5\xad\x97: x\n"
        "      |       ^\n");
  CHECK(excerpt("\xef\xbb\xbf"
                "ab",
                2) == "    1 | ab\n      |  ^\n");
}

TEST_CASE("a long line is cut to what stands about its caret") {
  const std::string dots = "...";
  CHECK(excerpt(std::string(1000, 'a') + "X" + std::string(1000, 'b'), 1001) ==
        "    1 | ..." + std::string(80, 'a') + "X" + std::string(119, 'b') + "...\n" + "      | " +
            std::string(83, ' ') + "^\n");
  CHECK(excerpt("X" + std::string(1000, 'b'), 1, 2000) ==
        "    1 | X" + std::string(119, 'b') + "...\n      | ^" + std::string(119, '~') + "\n");
  CHECK(excerpt(std::string(1000, 'a'), 1001) ==
        "    1 | ..." + std::string(80, 'a') + "\n      | " + std::string(83, ' ') + "^\n");
  // No character is cut in two.
  std::string umlauts;
  for (int i = 0; i < 500; ++i) umlauts += "\xc3\xbc";
  CHECK(excerpt("a" + umlauts, 500).find('\\') == std::string::npos);
  const std::string message = said("'" + std::string(100000, 'v') + "' is no number");
  CHECK(message.size() < 700);
  CHECK(message.find("v...v") != std::string::npos);
  CHECK(message.find("' is no number [c]") != std::string::npos);
}
