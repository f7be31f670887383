// Numbers are spelled as in JSON wherever a topology takes one.
#include <doctest/doctest.h>

#include "sample.hpp"
#include "schema/type_text.hpp"
#include "topology/load.hpp"

using namespace ringkernel;
using namespace ringkernel::topology;

namespace {

std::string findings(const std::string& text, const LoadOptions& options = {}) {
  std::string all;
  LoadResult result = load_text(text, "t.yaml", "", options);
  INFO(render(result.diagnostics, result.sources, false));
  for (const Diagnostic& d : result.diagnostics)
    all += (all.empty() ? "" : ", ") + d.code + " " + std::to_string(d.position.line) + ":" +
           std::to_string(d.position.column) + " " + d.suggestion;
  return all;
}

std::string with(const std::string& from, const std::string& to) {
  return findings(sample_with(from, to));
}

std::string advice(const char* text) { return schema::number_advice(text).suggestion; }

const std::string kOctal = "write 10, or 8: YAML reads 010 as octal";

}  // namespace

TEST_CASE("a number in another spelling than JSON's is told how to write it") {
  CHECK(advice("010") == kOctal);
  CHECK(advice("-010") == "write -10, or -8: YAML reads -010 as octal");
  CHECK(advice("08") == "write 8");
  CHECK(advice("07") == "write 7");
  CHECK(advice("000") == "write 0");
  CHECK(advice("+1") == "write 1");
  CHECK(advice("0x10") == "write 16");
  CHECK(advice("0o17") == "write 15");
  CHECK(advice("0b11") == "write 3");
  CHECK(advice("1_000") == "write 1000");
  CHECK(advice(".5") == "write 0.5");
  CHECK(advice("5.") == "write 5");
  CHECK(advice("01.50") == "write 1.50");
  CHECK(advice("1.e3") == "write 1e3");
  for (const char* text :
       {"0", "-0",  "10",    "1.5", "1e9", "-1E-9", "",    "-",   "+",   ".",
        "_", "abc", "1.2.3", "0x",  "0xg", "1kB",   "+-1", "inf", "nan", ".inf"}) {
    CAPTURE(text);
    CHECK(advice(text) == "");
  }
}

TEST_CASE("defaults and params are spelled as in JSON") {
  CHECK(with("    amount: f64", "    amount: u8 = 010") == "bad-number 7:18 " + kOctal);
  CHECK(with("    amount: f64", "    amount: f64 = 010") == "bad-number 7:19 " + kOctal);
  CHECK(with("    amount: f64", "    amount: {type: u8 = 010}") == "bad-number 7:25 " + kOctal);
  CHECK(with("    amount: f64", "    amount: {type: \"u8? = 010\"}") ==
        "bad-number 7:27 " + kOctal);
  CHECK(with("    amount: f64", "    amount: string[8] = 010") == "");
  CHECK(with("limit: f64 = 1000", "limit: u32 = 010") == "bad-number 27:20 " + kOctal);
  CHECK(with("limit: f64 = 1000", "limit: f64 = 1_000") == "bad-number 27:20 write 1000");
  CHECK(with("limit: f64 = 1000", "limit: i8 = +1") == "bad-number 27:19 write 1");
}

TEST_CASE("a value over a default's is shown where it stands") {
  std::string text = sample_with("kernels:\n", "defaults: {params: {limit: f64 = 7}}\nkernels:\n");
  text.replace(text.find("      limit: f64 = 1000"), 23, "      limit: 010");
  CHECK(findings(text) == "bad-number 28:14 " + kOctal);
  text.replace(text.find("limit: 010"), 10, "limit: abc");
  CHECK(findings(text) == "bad-default 28:14 ");
}

TEST_CASE("sizes within types are spelled as in JSON") {
  CHECK(with("    amount: f64", "    amount: string[010]") == "bad-number 7:20 " + kOctal);
  CHECK(with("    amount: f64", "    amount: u8[<= 0x10 ]") == "bad-number 7:19 write 16");
  CHECK(with("    amount: f64", "    amount: u8[+2]") == "bad-number 7:16 write 2");
}

TEST_CASE("options are spelled as in JSON") {
  auto kernel = [](const std::string& line) {
    return with("    key: account", "    key: account\n    " + line);
  };
  CHECK(kernel("launch: {block_size: 0100}") ==
        "bad-number 18:26 write 100, or 64: YAML reads 0100 as octal");
  CHECK(kernel("launch: {grid_size: +1}") == "bad-number 18:25 write 1");
  CHECK(kernel("launch: {input_queue_capacity: 1_000}") == "bad-number 18:36 write 1000");
  CHECK(kernel("launch: {shared_memory_size: 064KiB}") == "bad-number 18:34 write 64KiB");
  CHECK(kernel("launch: {shared_memory_size: 0x10}") == "bad-number 18:34 write 16");
  CHECK(kernel("launch: {scheduler: {strategy: priority, levels: 04}}") ==
        "bad-number 18:54 write 4");
  CHECK(kernel("constants: {n: 010}") == "bad-number 18:20 " + kOctal);
  CHECK(kernel("key_capacity: 010") == "bad-number 18:19 " + kOctal);
  CHECK(kernel("device: 00") == "bad-number 18:13 write 0");
  CHECK(with("      out: Order", "      out: {message: Order, max: 01}") ==
        "bad-number 16:34 write 1");
  CHECK(with("stdin: jsonl", "stdin: jsonl\n    deadline: 010ms") == "bad-number 31:15 write 10ms");
  CHECK(with("stdin: jsonl", "stdin: jsonl\n    deadline: 1_000us") ==
        "bad-number 31:15 write 1000us");
  auto run = [](const std::string& line) { return findings(kSample + "run: {" + line + "}\n"); };
  CHECK(run("max_failed: 010") == "bad-number 39:19 " + kOctal);
  CHECK(run("max_failed: 05%") == "bad-number 39:19 write 5%");
  CHECK(run("on_signal_drain: .5s") == "bad-number 39:24 write 0.5s");
  CHECK(run("until: {output: alerts, count: 010}") == "bad-number 39:38 " + kOctal);
}

TEST_CASE("values of messages are spelled as in JSON, and text is text") {
  CHECK(with("stdin: jsonl", "values: [{id: 010, account: 1, amount: 1}]") ==
        "bad-number 30:19 " + kOctal);
  CHECK(with("stdin: jsonl", "values: [{id: 1, account: 1, amount: .5}]") ==
        "bad-number 30:42 write 0.5");
  CHECK(with("stdin: jsonl", "values: [{id: '010', account: 1, amount: 1}]") ==
        "wrong-type 30:19 ");
  const std::string test = "tests:\n  - name: a\n    expect: {alerts: {";
  CHECK(findings(kSample + test + "approx: 01, contains: [{id: 1}]}}\n") ==
        "bad-number 41:31 write 1");
  CHECK(findings(kSample + test + "contains: [{id: 0x10}]}}\n") == "bad-number 41:39 write 16");
}

TEST_CASE("--set spells numbers as in JSON") {
  for (const char* path :
       {"kernels.audit.params.limit", "kernels.score.launch.grid_size", "run.max_failed"}) {
    CAPTURE(path);
    LoadOptions options;
    options.sets = {{path, "010"}};
    CHECK(findings(kSample, options) == "bad-number 0:0 " + kOctal);
  }
}
