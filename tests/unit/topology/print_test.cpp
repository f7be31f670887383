#include "topology/print.hpp"

#include <doctest/doctest.h>

#include <filesystem>

#include "sample.hpp"
#include "topology/load.hpp"

using namespace ringkernel;
using namespace ringkernel::topology;

namespace {

void check_reprint(const std::string& text, const std::string& file, const std::string& folder) {
  LoadResult first = load_text(text, file, folder);
  INFO(render(first.diagnostics, first.sources, false));
  REQUIRE(first.topology.has_value());
  LoadResult second = load_text(first.effective_yaml, "effective.yaml", "");
  INFO(first.effective_yaml);
  INFO(render(second.diagnostics, second.sources, false));
  REQUIRE(second.topology.has_value());
  CHECK(second.effective_yaml == first.effective_yaml);
}

}  // namespace

TEST_CASE("the effective topology loads and prints as itself") {
  check_reprint(kSample, "t.yaml", "");
}

TEST_CASE("every kind of value survives printing") {
  check_reprint(R"(ringk: 1
name: values
messages:
  Inner: {x: f32, y: "i8 = -3"}
  Every:
    a: bool = true
    b: "u64 = 18446744073709551615"
    c: "f64? = 1.5e-300"
    d: "string[12] = a $$ 'b'"
    e: "bytes[6] = aGk="
    f: "enum[one, two] = two"
    g: "Inner[2]"
    h: "u16[<=3]"
    i: {type: "f64?", json: "IMDB Rating"}
kernels:
  copy:
    code: |
        RK_HANDLER void on_message(Context& ctx, const Every& m) {
          ctx.emit(port::out, m);  // ${not} $$ a variable
        }
    accepts: [Every]
    emits: {out: {message: Every, max: 3}}
    key: [a, b]
    key_capacity: 7
    params: {name: "string[8] = a b", n: "i32 = -4", f: "f32 = 0.1"}
    constants: {N: 4}
    build: {flags: ["-DX=$$1"], math: fast}
    launch: {scheduler: {strategy: priority, levels: 3}, shared_memory_size: 4KiB, grid_size: 6,
      cluster_size: 2, lease: 1500ms}
inputs:
  tick: {every: 1500us, count: 2, message: Every, value: {b: 1, c: null, d: "x\"y\\ $$5: , {", g: [{x: 1}, {x: 2}], h: []}}
  list: {values: [], message: Every, deadline: 5s, priority: high}
outputs:
  o: {stdout: jsonl, tag: type}
wires:
  tick: copy
  list: {to: copy, on_full: drop_oldest}
  copy.out: o
run: {max_failed: 2.5%, until: {output: o, count: 3}, on_kernel_failure: restart,
      max_restarts: 7, restart_window: 1h, restart_delay: 2s}
dead_letters: {file: d.jsonl}
tests:
  - name: "quotes \" and $$"
    send: {list: ["{not json", {b: 2, g: [{x: 1}, {x: 2}], h: [1]}]}
    expect: {o: {contains: [{b: 2}], count: 1, approx: 0.001}}
)",
                "t.yaml", "");
}

TEST_CASE("capacities are printed with what they were and the bytes they take") {
  const std::string text = sample_with(
      "    key: account",
      "    launch: {input_queue_capacity: 1000, output_queue_capacity: 3}\n    key: account");
  LoadResult result = load_text(text, "t.yaml", "");
  REQUIRE(result.topology.has_value());
  auto printed = [&](const char* line) {
    CAPTURE(line);
    INFO(result.effective_yaml);
    CHECK(result.effective_yaml.find(line) != std::string::npos);
  };
  // A slot is 128 bytes, header and Order together; a ring has 256 bytes of its own.
  printed("input_queue_capacity: 1024  # rounded up from 1000; 131328 bytes in all rings into it");
  printed("output_queue_capacity: 4  # rounded up from 3; 0 bytes in all rings to outputs");
  printed("output_queue_capacity: 1024  # 131328 bytes in all rings to outputs");
  result = load_text(sample_with("    key: account",
                                 "    launch: {grid_size: 4, scheduler: {strategy: priority}}"),
                     "t.yaml", "");
  printed("input_queue_capacity: 1024  # 2101248 bytes in all rings into it");  // 4 levels
}

TEST_CASE("what was printed is checked without a finding") {
  LoadResult first = load_text(sample_with("    key: account",
                                           "    backend: cpu\n    launch:\n"
                                           "      scheduler: {strategy: work_stealing}"),
                               "t.yaml", "");
  REQUIRE(first.topology.has_value());
  LoadResult second = load_text(first.effective_yaml, "effective.yaml", "");
  INFO(render(second.diagnostics, second.sources, false));
  CHECK(second.diagnostics.empty());
}

TEST_CASE("every topology of configs/ loads without a finding and prints as itself") {
  namespace fs = std::filesystem;
  int seen = 0;
  for (const auto& entry : fs::recursive_directory_iterator(RK_SOURCE_DIR "/configs")) {
    if (entry.path().extension() != ".yaml") continue;
    auto loaded = load(entry.path().string());
    REQUIRE(loaded.has_value());
    INFO(render(loaded->diagnostics, loaded->sources, false));
    CHECK(loaded->diagnostics.empty());
    REQUIRE(loaded->topology.has_value());
    LoadResult again = load_text(loaded->effective_yaml, "effective.yaml", "");
    INFO(render(again.diagnostics, again.sources, false));
    REQUIRE(again.topology.has_value());
    CHECK(again.effective_yaml == loaded->effective_yaml);
    ++seen;
  }
  CHECK(seen >= 13);
}
