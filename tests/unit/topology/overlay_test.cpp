// Variables, --set, overlays and defaults: what a value is before the checks see it.
#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

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

std::string only_error(const std::string& text, Sets sets = {}) {
  LoadResult result = load_with(text, std::move(sets));
  INFO(render(result.diagnostics, result.sources, false));
  REQUIRE(result.diagnostics.size() == 1);
  return result.diagnostics[0].code + ": " + result.diagnostics[0].message;
}

// Files of a folder of their own, so that an overlay can be laid over a topology.
LoadResult with_overlay(const std::string& text, const std::string& overlay) {
  namespace fs = std::filesystem;
  std::string pattern = (fs::temp_directory_path() / "overlay-XXXXXX").string();
  REQUIRE(mkdtemp(pattern.data()) != nullptr);
  const fs::path folder = pattern;
  std::ofstream(folder / "t.yaml") << text;
  std::ofstream(folder / "o.yaml") << overlay;
  LoadOptions options;
  options.overlays = {(folder / "o.yaml").string()};
  auto loaded = load((folder / "t.yaml").string(), options);
  fs::remove_all(folder);
  REQUIRE(loaded.has_value());
  INFO(render(loaded->diagnostics, loaded->sources, false));
  return *loaded;
}

LoadResult valid_with_overlay(const std::string& text, const std::string& overlay) {
  LoadResult result = with_overlay(text, overlay);
  INFO(render(result.diagnostics, result.sources, false));
  CHECK(result.diagnostics.empty());
  REQUIRE(result.topology.has_value());
  return result;
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

TEST_CASE("an overlay's way in takes the place of the topology's") {
  const std::string file = "inputs: {orders: {file: x.jsonl}}\n";
  LoadResult result = valid_with_overlay(kSample, file);
  CHECK(result.topology->inputs[0].kind == Input::Kind::File);
  CHECK(result.topology->inputs[0].message->name == "Order");
  // With its options: those of a timer say nothing of a file, nor those of a file of values.
  const std::string timer = sample_with(
      "stdin: jsonl", "every: 1s\n    value: {id: 1, account: 1, amount: 1}\n    count: 3");
  result = valid_with_overlay(timer, file);
  CHECK(result.topology->inputs[0].kind == Input::Kind::File);
  CHECK(!result.topology->inputs[0].count);
  const std::string raw = sample_with("stdin: jsonl", "file: a\n    codec: raw\n    follow: true");
  result = valid_with_overlay(raw, "inputs: {orders: {values: []}}\n");
  CHECK(result.topology->inputs[0].kind == Input::Kind::Values);
  result = valid_with_overlay(raw, "inputs: {orders: {stdin: jsonl}}\n");
  CHECK(result.topology->inputs[0].codec == Codec::Jsonl);
  // The same way keeps them.
  result = valid_with_overlay(raw, file);
  CHECK(result.topology->inputs[0].codec == Codec::Raw);
  CHECK(result.topology->inputs[0].follow);
  // An overlay's own options are its own, and so are its mistakes.
  result = valid_with_overlay(timer, "inputs: {orders: {file: x, codec: raw}}\n");
  CHECK(result.topology->inputs[0].codec == Codec::Raw);
  result = with_overlay(kSample, "inputs: {orders: {file: x, values: []}}\n");
  REQUIRE(result.diagnostics.size() == 1);
  CHECK(result.diagnostics[0].code == "two-sources");
  result = with_overlay(kSample, "inputs: {orders: {file: x, count: 3}}\n");
  REQUIRE(result.diagnostics.size() == 1);
  CHECK(result.diagnostics[0].code == "no-effect");
}

TEST_CASE("an overlay's way out takes the place of the topology's") {
  LoadResult result = valid_with_overlay(kSample, "outputs: {alerts: {file: x.jsonl}}\n");
  CHECK(result.topology->outputs[0].kind == Output::Kind::File);
  const std::string file =
      sample_with("stdout: jsonl", "file: a\n    codec: jsonl\n    append: true\n    tag: kind");
  result = valid_with_overlay(file, "outputs: {alerts: {stdout: jsonl}}\n");
  CHECK(result.topology->outputs[0].kind == Output::Kind::Stdout);
  CHECK(result.topology->outputs[0].tag == "kind");
  result = valid_with_overlay(file, "outputs: {alerts: {discard: true}}\n");
  CHECK(result.topology->outputs[0].kind == Output::Kind::Discard);
  result = valid_with_overlay(file, "outputs: {alerts: {file: b}}\n");
  CHECK(result.topology->outputs[0].append);
}

TEST_CASE("an overlay's handler takes the place of the topology's") {
  const std::string code = "code: \"void on_message(Context&, const Order&) {}\"";
  LoadResult result = valid_with_overlay(kSample, "kernels: {score: {" + code + "}}\n");
  CHECK(result.topology->kernels[0].handler.kind == Handler::Kind::Code);
  CHECK(result.topology->kernels[0].keys.size() == 1);
  const std::string defaults = sample_with("    builtin: echo\n", "");
  result = valid_with_overlay("defaults: {" + code + "}\n" + defaults,
                              "defaults: {builtin: echo}\nkernels: {audit: {" + code + "}}\n");
  CHECK(result.topology->kernels[0].handler.kind == Handler::Kind::Builtin);
  CHECK(result.topology->kernels[1].handler.kind == Handler::Kind::Code);
}

TEST_CASE("--set replaces a way as an overlay does") {
  LoadResult result =
      load_with(kSample, {{"inputs.orders.file", "x.jsonl"}, {"outputs.alerts.discard", "true"}});
  REQUIRE(result.topology.has_value());
  CHECK(result.topology->inputs[0].kind == Input::Kind::File);
  CHECK(result.topology->outputs[0].kind == Output::Kind::Discard);
}

TEST_CASE("a number of an overlay is shown where it stands") {
  LoadResult result = with_overlay(kSample, "kernels:\n  audit:\n    params: {limit: 010}\n");
  REQUIRE(result.diagnostics.size() == 1);
  CHECK(result.diagnostics[0].position.file.ends_with("o.yaml"));
  CHECK(result.diagnostics[0].position.line == 3);
  CHECK(result.diagnostics[0].position.column == 21);
}
