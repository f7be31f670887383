// Numbers are spelled as in JSON wherever a topology takes one.
#include <doctest/doctest.h>

#include "sample.hpp"
#include "schema/type_text.hpp"
#include "topology/load.hpp"

using namespace ringkernel;
using namespace ringkernel::topology;

namespace {

std::string advised(const std::string& text, const LoadOptions& options = {}) {
  std::string all;
  LoadResult result = load_text(text, "t.yaml", "", options);
  INFO(render(result.diagnostics, result.sources, false));
  for (const Diagnostic& d : result.diagnostics)
    all += (all.empty() ? "" : ", ") + d.code + " " + std::to_string(d.position.line) + ":" +
           std::to_string(d.position.column) + " " + d.suggestion;
  return all;
}

std::string with(const std::string& from, const std::string& to) {
  return advised(sample_with(from, to));
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
  CHECK(advised(text) == "bad-number 28:14 " + kOctal);
  text.replace(text.find("limit: 010"), 10, "limit: abc");
  CHECK(advised(text) == "bad-default 28:14 ");
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
  CHECK(kernel("constants: {n: '010'}") == "bad-number 18:20 " + kOctal);
  CHECK(kernel("launch: {shared_memory_size: '064KiB'}") == "bad-number 18:34 write 64KiB");
  CHECK(kernel("key_capacity: 010") == "bad-number 18:19 " + kOctal);
  CHECK(kernel("device: 00") == "bad-number 18:13 write 0");
  CHECK(with("      out: Order", "      out: {message: Order, max: 01}") ==
        "bad-number 16:34 write 1");
  CHECK(with("stdin: jsonl", "stdin: jsonl\n    deadline: 010ms") == "bad-number 31:15 write 10ms");
  CHECK(with("stdin: jsonl", "stdin: jsonl\n    deadline: 1_000us") ==
        "bad-number 31:15 write 1000us");
  auto run = [](const std::string& line) { return advised(kSample + "run: {" + line + "}\n"); };
  CHECK(run("max_restarts: 0").find("39:21") != std::string::npos);
  CHECK(run("max_restarts: 3").find("no-effect") != std::string::npos);
  CHECK(run("max_failed: 010") == "bad-number 39:19 " + kOctal);
  CHECK(run("max_failed: 05%") == "bad-number 39:19 write 5%");
  CHECK(run("on_signal_drain: '05s'") == "bad-number 39:24 write 5s");
  CHECK(run("max_failed: '05%'") == "bad-number 39:19 write 5%");
  CHECK(run("on_signal_drain: .5s") == "bad-number 39:24 write 0.5s");
  CHECK(run("until: {output: alerts, count: 010}") == "bad-number 39:38 " + kOctal);
}

TEST_CASE("a number out of its range is told the range") {
  auto message = [](const std::string& text) {
    LoadResult result = load_text(text, "t.yaml", "");
    INFO(render(result.diagnostics, result.sources, false));
    REQUIRE(result.diagnostics.size() == 1);
    return result.diagnostics[0].code + " " + std::to_string(result.diagnostics[0].position.line) +
           ":" + std::to_string(result.diagnostics[0].position.column) + " " +
           result.diagnostics[0].message;
  };
  const std::string huge = "99999999999999999999999";
  for (const std::string& count : {std::string("0"), std::string("-1"), huge}) {
    CAPTURE(count);
    CHECK(message(kSample + "run: {until: {output: alerts, count: " + count + "}}\n") ==
          "out-of-range 39:38 must be 1 to 4611686018427387904");
    CHECK(message(
              sample_with("score.out: audit", "score.out: {to: audit, credits: " + count + "}")) ==
          "out-of-range 37:35 must be 1 to 16777216");
  }
  CHECK(message(kSample + "run: {max_failed: -1}\n") ==
        "out-of-range 39:19 must be 0 to 4611686018427387904");
  CHECK(message(kSample + "run: {max_failed: 1e3}\n") ==
        "wrong-type 39:19 expected a whole number");
  CHECK(message(kSample + "run: {max_failed: -1%}\n") ==
        "bad-value 39:19 'max_failed' is a number of messages or 0% to 100%");
  const std::string range = "a duration is 0 to 876000h, a hundred years";
  for (const std::string& time :
       {std::string("-5s"), std::string("876001h"), huge + "h", std::string("1e999s")}) {
    CAPTURE(time);
    CHECK(message(sample_with("stdin: jsonl", "stdin: jsonl\n    deadline: " + time)) ==
          "out-of-range 31:15 " + range);
    CHECK(message(kSample + "run: {on_signal_drain: " + time + "}\n") ==
          "out-of-range 39:24 " + range);
  }
  CHECK(message(sample_with("stdin: jsonl", "stdin: jsonl\n    deadline: 0s")) ==
        "out-of-range 31:15 a deadline is at least 1us");
  CHECK(message(sample_with("stdin: jsonl", "stdin: jsonl\n    deadline: 999ns")) ==
        "out-of-range 31:15 a deadline is at least 1us");
  const std::string value = "\n    value: {id: 1, account: 1, amount: 1}";
  CHECK(message(sample_with("stdin: jsonl", "every: 0s" + value)) ==
        "out-of-range 30:12 a timer needs an interval above 0");
  CHECK(message(sample_with("stdin: jsonl", "every: 0.1ns" + value)) ==
        "out-of-range 30:12 a timer needs an interval above 0");
  CHECK(message(sample_with("stdin: jsonl", "every: -1s" + value)) ==
        "out-of-range 30:12 " + range);
  CHECK(message(sample_with("stdin: jsonl", "stdin: jsonl\n    priority: 5")) ==
        "bad-value 31:15 'priority' is one of low, normal, high, critical");
  CHECK(message(kSample + "tests: [{name: a, expect: {alerts: {count: 1}}, within: 0s}]\n") ==
        "out-of-range 39:57 a test needs a time limit above 0");
  CHECK(message(sample_with("key: account", "key: account\n    constants: {n: " + huge + "}")) ==
        "out-of-range 18:20 a constant is an integer of 64 bits");
  CHECK(message(sample_with("key: account",
                            "key: account\n    launch: {shared_memory_size: " + huge + "}")) ==
        "out-of-range 18:34 a size is at most 1GiB");
  CHECK(message(sample_with("key: account",
                            "key: account\n    launch: {shared_memory_size: 1025MiB}")) ==
        "out-of-range 18:34 a size is at most 1GiB");
  CHECK(advised(sample_with("key: account",
                            "key: account\n    launch: {shared_memory_size: 1GiB}")) == "");
  CHECK(advised(kSample + "run: {on_signal_drain: 0s}\n") == "");
}

TEST_CASE("values of messages are spelled as in JSON, and text is text") {
  CHECK(with("stdin: jsonl", "values: [{id: 010, account: 1, amount: 1}]") ==
        "bad-number 30:19 " + kOctal);
  CHECK(with("stdin: jsonl", "values: [{id: 1, account: 1, amount: .5}]") ==
        "bad-number 30:42 write 0.5");
  CHECK(with("stdin: jsonl", "values: [{id: '010', account: 1, amount: 1}]") ==
        "wrong-type 30:19 ");
  const std::string test = "tests:\n  - name: a\n    expect: {alerts: {";
  CHECK(advised(kSample + test + "approx: 01, contains: [{id: 1}]}}\n") ==
        "bad-number 41:31 write 1");
  CHECK(advised(kSample + test + "contains: [{id: 0x10}]}}\n") == "bad-number 41:39 write 16");
}

TEST_CASE("--set spells numbers as in JSON") {
  for (const char* path :
       {"kernels.audit.params.limit", "kernels.score.launch.grid_size", "run.max_failed"}) {
    CAPTURE(path);
    LoadOptions options;
    options.sets = {{path, "010"}};
    CHECK(advised(kSample, options) == "bad-number 0:0 " + kOctal);
  }
}
