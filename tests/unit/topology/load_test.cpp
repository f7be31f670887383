#include "topology/load.hpp"

#include <doctest/doctest.h>

#include <cstring>

#include "sample.hpp"

using namespace ringkernel;
using namespace ringkernel::topology;

namespace {

LoadResult load_sample(const std::string& text, LoadOptions options = {}) {
  if (!options.variable)
    options.variable = [](const std::string& name) -> std::optional<std::string> {
      if (name == "LIMIT") return "250";
      if (name == "EMPTY") return "";
      return std::nullopt;
    };
  LoadResult result = load_text(text, "t.yaml", "", options);
  INFO(render(result.diagnostics, result.sources, false));
  CHECK(result.topology.has_value());
  return result;
}

}  // namespace

TEST_CASE("a topology becomes a model with every default filled in") {
  LoadResult result = load_sample(kSample);
  REQUIRE(result.topology);
  CHECK(result.diagnostics.empty());
  const topology::Topology& t = *result.topology;
  CHECK(t.name == "sample");
  REQUIRE(t.kernels.size() == 2);
  const Kernel& score = t.kernels[0];
  CHECK(score.handler.builtin == "echo");
  CHECK(score.launch.grid_size == 1);
  CHECK(score.launch.block_size == 256);
  CHECK(score.launch.input_queue_capacity == 1024);
  CHECK(score.backend == Backend::Auto);
  REQUIRE(score.keys.size() == 1);
  CHECK(score.keys[0].fields == std::vector<std::string>{"account"});
  CHECK(t.kernels[1].handler.code_line == 20);
  CHECK(t.kernels[1].handler.code.find("on_message") != std::string::npos);
  REQUIRE(t.wires.size() == 3);
  CHECK(t.wires[1].id() == "score.out:audit");
  CHECK(t.wires[1].on_full == OnFull::Wait);
  CHECK(t.output("alerts")->messages.at(0)->name == "Alert");
  CHECK(drain_order(t) == std::vector<std::vector<std::string>>{{"score"}, {"audit"}});
  CHECK(cycles(t).empty());
}

TEST_CASE("variables are substituted into values") {
  CHECK(limit_of(load_sample(sample_with("f64 = 1000", "f64 = ${LIMIT}"))) == 250);
  CHECK(limit_of(load_sample(sample_with("f64 = 1000", "f64 = ${NONE:-7}"))) == 7);
  CHECK(limit_of(load_sample(sample_with("f64 = 1000", "\"f64 = ${EMPTY:-8}\""))) == 8);
  LoadResult numbers = load_sample(
      sample_with("    key: account", "    key_capacity: \"${LIMIT}\"\n    key: account"));
  CHECK(numbers.topology->kernels[0].key_capacity == 250);
  LoadResult code = load_sample(sample_with("ctx.emit(port", "/* ${NOT_READ} $$ */ ctx.emit(port"));
  CHECK(code.topology->kernels[1].handler.code.find("${NOT_READ} $$") != std::string::npos);
}

TEST_CASE("--set changes one value, and a param keeps its type") {
  LoadOptions options;
  options.sets = {{"kernels.audit.params.limit", "77"},
                  {"kernels.score.launch.grid_size", "3"},
                  {"run.max_failed", "5%"}};
  LoadResult result = load_sample(kSample, options);
  CHECK(limit_of(result) == 77);
  CHECK(result.topology->kernels[0].launch.grid_size == 3);
  CHECK(result.topology->run.max_failed_percent == 5.0);
}

TEST_CASE("defaults are merged under each kernel") {
  LoadResult result = load_sample(
      sample_with("kernels:\n", "defaults:\n  launch: {grid_size: 2, block_size: 64}\nkernels:\n"));
  CHECK(result.topology->kernels[0].launch.grid_size == 2);
  CHECK(result.topology->kernels[1].launch.block_size == 64);
}

TEST_CASE("capacities are rounded up to a power of two") {
  LoadResult result = load_sample(sample_with(
      "    key: account", "    launch: {input_queue_capacity: 1000}\n    key: account"));
  CHECK(result.topology->kernels[0].launch.input_queue_capacity == 1024);
}

TEST_CASE("a cycle bounded by credits is legal and is one group") {
  std::string text = sample_with("  audit.alert: alerts",
                                 "  audit.alert: alerts\n  audit.again: {to: score, credits: 8}");
  text.replace(text.find("      alert: Alert\n"), 19, "      alert: Alert\n      again: Order\n");
  LoadResult result = load_sample(text);
  REQUIRE(result.topology);
  REQUIRE(cycles(*result.topology).size() == 1);
  CHECK(cycles(*result.topology)[0] == std::vector<std::string>{"score", "audit"});
}

TEST_CASE("an untyped input may bring what its kernels accept") {
  LoadResult result = load_sample(sample_with("    message: Order\n", ""));
  REQUIRE(result.topology->inputs[0].messages.size() == 1);
  CHECK(result.topology->inputs[0].messages[0]->name == "Order");
  CHECK(result.topology->inputs[0].message == nullptr);
}

TEST_CASE("paths are relative to the file that says them") {
  LoadOptions options;
  LoadResult result =
      load_text(sample_with("stdout: jsonl", "file: out/a.jsonl"), "conf/t.yaml", "conf");
  REQUIRE(result.topology);
  CHECK(result.topology->outputs[0].path == "conf/out/a.jsonl");
}

TEST_CASE("a file that is not there is no diagnostic but an error") {
  auto missing = load("/nonexistent/t.yaml");
  REQUIRE(!missing);
  CHECK(missing.error().code == ErrorCode::NotFound);
  CHECK(missing.error().where == "/nonexistent/t.yaml");
  auto folder = load("/");
  REQUIRE(!folder);
  CHECK(folder.error().code == ErrorCode::IoError);
}

TEST_CASE("the editor schema knows every key of the checker's table") {
  std::string schema = json_schema();
  for (const char* key :
       {"steal_neighborhood", "on_signal_drain", "dead_letters", "credits", "approx"})
    CHECK(schema.find('"' + std::string(key) + '"') != std::string::npos);
}
