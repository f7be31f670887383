// Every mistake that `check` knows: what was changed in the sample, and where it says what.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "sample.hpp"
#include "topology/load.hpp"

using namespace ringkernel;
using namespace ringkernel::topology;

namespace {

struct Mistake {
  const char* from;
  const char* to;
  const char* code;
  uint32_t line;
  uint32_t column;
};

const Mistake kMistakes[] = {
    {"ringk: 1", "ringk: 2", "bad-version", 1, 8},
    {"ringk: 1\n", "", "missing-key", 1, 1},
    {"name: sample", "name: Sample!", "bad-name", 2, 7},
    {"name: sample", "name: sample\nname: again", "duplicate-key", 3, 1},
    {"name: sample", "name: sample\n<<: {}", "merge-key", 3, 1},
    {"name: sample", "name: sample\njournal: {}", "not-available", 3, 1},
    {"name: sample", "name: sample\nmesages: {}", "unknown-key", 3, 1},
    {"name: sample", "name: ${NOPE}", "unset-variable", 2, 7},
    {"name: sample", "name: \"${NOPE\"", "bad-variable", 2, 7},
    {"name: sample", "name: sample\n---\na: 1", "second-document", 4, 1},
    {"    id: u64\n    account", "    id: u46\n    account", "unknown-type", 5, 9},
    {"    id: u64\n    account", "    id: string[0]\n    account", "bad-size", 5, 16},
    {"    id: u64\n    account", "    class: u64\n    account", "name-reserved", 5, 5},
    {"    id: u64\n    account", "    id: u64 = -1\n    account", "bad-default", 5, 15},
    {"    id: u64\n    account", "    id: Order\n    account", "recursive-message", 4, 3},
    {"  Order:\n", "  State:\n", "name-reserved", 4, 3},
    {"    builtin: echo", "    bultin: echo", "unknown-key", 13, 5},
    {"    builtin: echo", "    builtin: ecko", "unknown-builtin", 13, 14},
    {"    builtin: echo", "    builtin: echo\n    source: x.hpp", "two-handlers", 14, 5},
    {"    builtin: echo\n", "", "missing-handler", 12, 3},
    {"    builtin: echo", "    source: nowhere.hpp", "missing-source", 13, 13},
    {"    builtin: echo", "    builtin: discard", "builtin-shape", 13, 14},
    {"    code: |", "    code: >", "folded-code", 19, 11},
    {"  score:\n", "  class:\n", "name-reserved", 12, 3},
    {"  score:\n", "  sc.ore:\n", "bad-name", 12, 3},
    {"accepts: [Order]", "accepts: [Ordr]", "unknown-message", 14, 15},
    {"accepts: [Order]", "accepts: [Order, Order]", "duplicate-name", 14, 22},
    {"key: account", "key: acount", "unknown-key-field", 17, 10},
    {"key: account", "key: amount", "bad-key-type", 17, 10},
    {"key: account", "key: account\n    granularity: blok", "bad-value", 18, 18},
    {"key: account", "key: account\n    backend: metal", "not-available", 18, 14},
    {"key: account", "key: account\n    launch: {grid_size: 0}", "out-of-range", 18, 25},
    {"key: account", "key: account\n    launch: {grid_size: 010}", "bad-number", 18, 25},
    {"key: account", "key: account\n    launch: {auto_activate: yes}", "wrong-type", 18, 29},
    {"key: account", "key: account\n    launch: {shared_memory_size: 1KB}", "bad-size", 18, 34},
    {"key: account", "key: account\n    launch: {cluster_size: 9}", "out-of-range", 18, 28},
    {"key: account", "key: account\n    launch: {lease: 99ms}", "out-of-range", 18, 21},
    {"key: account", "key: account\n    launch: {lease: 25h}", "out-of-range", 18, 21},
    {"key: account", "key: account\n    launch: {lease: 5}", "bad-duration", 18, 21},
    {"key: account", "key: account\n    launch: {grid_size: 3, cluster_size: 2}", "bad-value", 18,
     42},
    {"key: account", "key: account\n    launch: {enable_k2k: false}", "k2k-disabled", 38, 14},
    {"key: account", "key: account\n    launch: {scheduler: {strategy: work_stealing}}",
     "stealing-with-key", 18, 25},
    {"key: account", "key: account\n    launch: {grid_size:4}", "missing-space", 18, 14},
    {"limit: f64 = 1000", "limit: f64", "missing-default", 27, 7},
    {"stdin: jsonl", "stdin: json", "bad-value", 30, 12},
    {"stdin: jsonl", "stdin: jsonl\n    file: a.jsonl", "two-sources", 31, 5},
    {"    stdin: jsonl\n", "", "missing-source", 29, 3},
    {"stdin: jsonl", "every: 5", "bad-duration", 30, 12},
    {"stdin: jsonl", "values: [{id: 1, account: -1, amount: 0}]", "out-of-range", 30, 31},
    {"stdin: jsonl", "values: [{id: 1, account: 1, amont: 0}]", "unknown-field", 30, 34},
    {"stdin: jsonl", "stdin: jsonl\n    deadline: {field: amount}", "bad-deadline-type", 31, 23},
    {"stdout: jsonl", "stdout: jsonl\n  more:\n    stdout: jsonl", "two-stdout", 35, 3},
    {"stdout: jsonl", "file: a\n  more:\n    file: a", "same-file", 35, 3},
    {"orders: score", "ordres: score", "unknown-sender", 36, 3},
    {"orders: score", "orders: scroe", "unknown-receiver", 36, 11},
    {"orders: score", "orders: [score, score]", "duplicate-wire", 36, 19},
    {"orders: score", "orders: {to: score, on_full: drop}", "bad-value", 36, 32},
    {"orders: score", "orders: {to: score, route: round_robin}", "route-with-key", 36, 30},
    {"orders: score", "orders: {to: score, credits: 3}", "bad-credits", 36, 32},
    {"orders: score", "orders: {to: alerts, credits: 3}", "bad-credits", 36, 33},
    {"orders: score", "orders: {to: [alerts, score], route: key}", "bad-route", 36, 40},
    {"orders: score", "orders: {to: scroe, route: all}", "unknown-receiver", 36, 16},
    {"orders: score", "orders: {too: score}", "unknown-key", 36, 12},
    {"orders: score", "orders: [{to: score, on_full: wiat}]", "bad-value", 36, 33},
    {"  orders: score\n", "", "unwired-input", 29, 3},
    {"score.out: audit", "score.uot: audit", "unknown-port", 37, 3},
    {"score.out: audit", "score: audit", "missing-port", 37, 3},
    {"score.out: audit", "score.out: {to: audit, route: key}", "bad-route", 37, 33},
    {"score.out: audit", "score.out: {to: audit, route: {block: idd}}", "unknown-field", 37, 41},
    {"score.out: audit", "score.out: {route: {block: idd}, to: audit}", "unknown-field", 37, 30},
    {"score.out: audit", "score.out: [{to: audit, route: {block: amount}}]", "bad-route", 37, 42},
    {"score.out: audit", "score.out: {to: audit, route: {blok: id}}", "bad-value", 37, 34},
    {"score.out: audit", "score.out: {to: audit, route: {block: [id]}}", "bad-value", 37, 41},
    {"score.out: audit", "score.out: {to: audit, route: keys}", "bad-value", 37, 33},
    {"score.out: audit", "score.out: {to: audit, credits: 0}", "out-of-range", 37, 35},
    {"score.out: audit", "score.out: {to: audit, credits: 8}", "bad-credits", 37, 35},
    {"score.out: audit", "score.out: {to: [audit, audit]}", "duplicate-wire", 37, 27},
    {"score.out: audit", "score.out: alerts", "unreachable-kernel", 18, 3},
    {"audit.alert: alerts", "audit.alert: score", "type-mismatch", 38, 16},
    {"  audit.alert: alerts\n", "", "port-without-wire", 25, 7},
    {"  audit.alert: alerts", "  audit.alert: alerts\nrun: {until: ever}", "bad-value", 39, 14},
    {"  audit.alert: alerts", "  audit.alert: alerts\nrun: {until: {output: x, count: 1}}",
     "unknown-output", 39, 23},
    {"  audit.alert: alerts", "  audit.alert: alerts\nrun: {max_failed: many}", "wrong-type", 39,
     19},
    {"  audit.alert: alerts", "  audit.alert: alerts\ntests: [{name: a, expect: {alert: []}}]",
     "unknown-target", 39, 28},
    {"  audit.alert: alerts",
     "  audit.alert: alerts\ntests: [{name: a, expect: {alerts: [{idd: 1}]}}]", "unknown-field", 39,
     38},
    {"  audit.alert: alerts", "  audit.alert: alerts\n bad", "yaml-syntax", 39, 2},
    {"    amount: f64", "    amount: {type: string[3]}", "quote-type", 7, 20},
};

}  // namespace

TEST_CASE("every mistake is found where it stands, with its code") {
  for (const Mistake& mistake : kMistakes) {
    std::string text = sample_with(mistake.from, mistake.to);
    LoadOptions options;
    options.variable = [](const std::string&) { return std::nullopt; };
    LoadResult result = load_text(text, "t.yaml", "", options);
    CAPTURE(mistake.to);
    INFO(render(result.diagnostics, result.sources, false));
    CHECK(!result.topology.has_value());
    bool found =
        std::any_of(result.diagnostics.begin(), result.diagnostics.end(), [&](const Diagnostic& d) {
          return d.code == mistake.code && d.position.line == mistake.line &&
                 d.position.column == mistake.column && d.severity == Severity::Error;
        });
    CHECK(found);
  }
}

TEST_CASE("one mistake makes one error") {
  for (const Mistake& mistake : kMistakes) {
    // What has another name, or no wire, is missing elsewhere.
    const std::string_view code = mistake.code;
    if (code == "name-reserved" || code == "bad-name" || code == "unwired-input") continue;
    LoadResult result = load_text(sample_with(mistake.from, mistake.to), "t.yaml", "");
    CAPTURE(mistake.to);
    INFO(render(result.diagnostics, result.sources, false));
    auto errors = std::count_if(result.diagnostics.begin(), result.diagnostics.end(),
                                [](const Diagnostic& d) { return d.severity == Severity::Error; });
    CHECK(errors <= 2);
  }
}

TEST_CASE("a mistake in a wire to several receivers is told once") {
  std::string text =
      sample_with("score.out: audit", "score.out: {to: [audit, more], route: {block: x}}");
  text.replace(text.find("inputs:"), 7, "  more: {builtin: discard, accepts: [Order]}\ninputs:");
  LoadResult result = load_text(text, "t.yaml", "");
  INFO(render(result.diagnostics, result.sources, false));
  REQUIRE(result.diagnostics.size() == 1);
  CHECK(result.diagnostics[0].message == "'x' is no field of Order");
}

TEST_CASE("independent mistakes are all reported in one run") {
  std::string text = sample_with("    builtin: echo", "    bultin: echo");
  auto replace = [&](const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
  };
  replace("id: u64\n    reason", "id: u46\n    reason");
  replace("stdin: jsonl", "stdin: json");
  replace("  audit.alert: alerts", "  audit.alert: alerts\n  audit.agian: score");
  LoadResult result = load_text(text, "t.yaml", "");
  std::set<std::string> codes;
  for (const Diagnostic& d : result.diagnostics) codes.insert(d.code);
  CHECK(codes.contains("unknown-key"));
  CHECK(codes.contains("unknown-type"));
  CHECK(codes.contains("bad-value"));
}

TEST_CASE("a cycle that waits is told with its kernels, beside other mistakes") {
  std::string text =
      sample_with("      alert: Alert\n", "      alert: Alert\n      again: Order\n");
  text += "  audit.again: score\n";
  text.replace(text.find("    builtin: echo"), 17, "    bultin: echo");
  LoadResult result = load_text(text, "t.yaml", "");
  auto cycle = std::find_if(result.diagnostics.begin(), result.diagnostics.end(),
                            [](const Diagnostic& d) { return d.code == "waiting-cycle"; });
  REQUIRE(cycle != result.diagnostics.end());
  CHECK(cycle->message == "every edge of the cycle score -> audit -> score waits: it can deadlock");
  CHECK(cycle->position.line == 40);
  CHECK(result.diagnostics.size() == 2);
}

TEST_CASE("credits that could not bound their cycle are refused") {
  std::string text = sample_with("      alert: Alert\n",
                                 "      alert: Alert\n      again: {message: Order, max: 2}\n");
  text += "  audit.again: {to: score, credits: 8}\n";
  LoadResult result = load_text(text, "t.yaml", "");
  REQUIRE(result.diagnostics.size() == 1);
  CHECK(result.diagnostics[0].code == "credits-unbounded");
  text = sample_with("      alert: Alert\n", "      alert: Alert\n      again: Order\n");
  text += "  audit.again: {to: score, credits: 5000}\n";
  result = load_text(text, "t.yaml", "");
  REQUIRE(result.diagnostics.size() == 2);  // both queues are too small
  CHECK(result.diagnostics[0].code == "credits-too-many");
}

TEST_CASE("a warning is no error") {
  std::string text =
      sample_with("    code: |", "    launch: {grid_size: 2}\n    key: id\n    code: |");
  text.replace(text.find("    builtin: echo"), 17, "    builtin: echo\n    launch: {grid_size: 2}");
  LoadResult result = load_text(text, "t.yaml", "");
  REQUIRE(result.topology.has_value());
  REQUIRE(result.diagnostics.size() == 1);
  CHECK(result.diagnostics[0].code == "order-lost");
  result = load_text(sample_with("  Alert:\n", "  Unused:\n    id: u8\n  Alert:\n"), "t.yaml", "");
  REQUIRE(result.diagnostics.size() == 1);
  CHECK(result.diagnostics[0].code == "unused-message");
  CHECK(result.topology.has_value());
}

TEST_CASE("any prefix and any mutation of a topology is answered, never fatal") {
  uint32_t random = 1;
  for (size_t length = 0; length < kSample.size(); length += 3)
    load_text(kSample.substr(0, length), "t.yaml", "");
  for (int round = 0; round < 300; ++round) {
    std::string text = kSample;
    for (int change = 0; change < 3; ++change) {
      random = random * 1664525 + 1013904223;
      size_t at = (random >> 8) % text.size();
      constexpr std::string_view kBytes = "{}[]:,|>'\"&*!#%@`-? \n\t$~0a\x80";
      text[at] = kBytes[(random >> 4) % kBytes.size()];
    }
    LoadResult result = load_text(text, "t.yaml", "");
    CHECK((result.topology.has_value() || !result.diagnostics.empty()));
    render(result.diagnostics, result.sources, true);
  }
}
