// Variables, --set, overlays and defaults: what a value is before the checks see it.
#include <doctest/doctest.h>

#include <cstring>

#include "sample.hpp"
#include "topology/load.hpp"
#include "topology/merge.hpp"

using namespace ringkernel;
using namespace ringkernel::topology;

namespace {

using Sets = std::vector<std::pair<std::string, std::string>>;

LoadResult load_with(const std::string& text, Sets sets = {}) {
  LoadOptions options;
  options.sets = std::move(sets);
  options.variable = [](const std::string& name) -> std::optional<std::string> {
    if (name == "OUT") return "out.jsonl";
    return std::nullopt;
  };
  LoadResult result = load_text(text, "t.yaml", "", options);
  INFO(render(result.diagnostics, result.sources, false));
  return result;
}

double limit_of(const LoadResult& result, const char* kernel = "audit") {
  REQUIRE(result.topology.has_value());
  double limit = 0;
  std::memcpy(&limit, result.topology->kernel(kernel)->params.at(0).default_value.data(),
              sizeof limit);
  return limit;
}

std::string only_error(const std::string& text, Sets sets = {}) {
  LoadResult result = load_with(text, std::move(sets));
  INFO(render(result.diagnostics, result.sources, false));
  REQUIRE(result.diagnostics.size() == 1);
  return result.diagnostics[0].code + ": " + result.diagnostics[0].message;
}

// The sample with the param of audit declared by the defaults.
std::string with_default_param() {
  std::string text =
      sample_with("kernels:\n", "defaults:\n  params:\n    limit: f64 = 7\nkernels:\n");
  const std::string own = "    params:\n      limit: f64 = 1000\n";
  return text.erase(text.find(own), own.size());
}

}  // namespace

TEST_CASE("only the code of kernels is left alone by variables") {
  std::string text = sample_with("  alerts:\n    stdout: jsonl", "  code:\n    file: ${OUT}");
  text.replace(text.find("audit.alert: alerts"), 19, "audit.alert: code");
  LoadResult result = load_with(text);
  REQUIRE(result.topology.has_value());
  CHECK(result.topology->output("code")->path == "out.jsonl");
  result = load_with(sample_with("    code: |",
                                 "    granularity: |-\n      ${GRANULARITY:-block}\n"
                                 "    code: |"));
  REQUIRE(result.topology.has_value());
  CHECK(result.topology->kernel("audit")->granularity == Granularity::Block);
}

TEST_CASE("a variable that cannot be substituted is one mistake") {
  CHECK(only_error(sample_with("name: sample", "name: ${NOPE}")).find("unset-variable") == 0);
  CHECK(only_error(sample_with("name: sample", "name: ${NOPE:?say it}")) ==
        "unset-variable: variable 'NOPE' is not set: say it");
  CHECK(only_error(sample_with("name: sample", "name: ${NOPE:-${OUT}}")).find("bad-variable") == 0);
  CHECK(only_error(sample_with("name: sample", "name: ${1X}")).find("bad-variable") == 0);
}

TEST_CASE("a param that the defaults declare keeps its type") {
  CHECK(limit_of(load_with(with_default_param())) == 7);
  CHECK(limit_of(load_with(with_default_param(), {{"kernels.audit.params.limit", "5"}})) == 5);
  CHECK(limit_of(load_with(with_default_param(), {{"kernels.audit.params.limit", "5"}}), "score") ==
        7);
  CHECK(limit_of(load_with(with_default_param(), {{"defaults.params.limit", "6"}})) == 6);
  std::string text = with_default_param();
  text.replace(text.find("    code: |"), 11, "    params: {limit: 9}\n    code: |");
  CHECK(limit_of(load_with(text)) == 9);
}

TEST_CASE("a kernel may be all defaults") {
  std::string text = sample_with("kernels:\n",
                                 "defaults:\n  builtin: echo\n  accepts: [Order]\n"
                                 "  emits: {out: Order}\nkernels:\n");
  const std::string own =
      "    builtin: echo\n    accepts: [Order]\n    emits:\n      out: Order\n    key: account\n";
  LoadResult result = load_with(text.erase(text.find(own), own.size()));
  // audit emits alert and, from the defaults, out.
  REQUIRE(result.diagnostics.size() == 1);
  CHECK(result.diagnostics[0].message == "port audit.out has no wire");
}

TEST_CASE("--set reaches the wires of ports") {
  LoadResult result = load_with(kSample, {{"wires.score.out.on_full", "fail"}});
  REQUIRE(result.diagnostics.size() == 1);  // it is text, not a map
  CHECK(result.diagnostics[0].message.find("leads into text") != std::string::npos);
  const std::string map = sample_with("score.out: audit", "score.out: {to: audit}");
  result = load_with(map, {{"wires.score.out.on_full", "fail"}});
  REQUIRE(result.topology.has_value());
  CHECK(result.topology->wires[1].on_full == OnFull::Fail);
  result = load_with(sample_with("  audit.alert: alerts\n", ""), {{"wires.audit.alert", "alerts"}});
  CHECK(result.topology.has_value());
}

TEST_CASE("what is wrong with a param of --set is said of --set") {
  LoadResult result = load_with(kSample, {{"kernels.audit.params.limit", "abc"}});
  REQUIRE(result.diagnostics.size() == 1);
  CHECK(result.diagnostics[0].position.file == "--set kernels.audit.params.limit=abc");
  CHECK(result.diagnostics[0].position.line == 0);
}
