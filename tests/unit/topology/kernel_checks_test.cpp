// What the parts of a kernel say of each other, and which names a handler can have.
#include <doctest/doctest.h>

#include "sample.hpp"
#include "topology/handler_text.hpp"
#include "topology/load.hpp"

using namespace ringkernel;
using namespace ringkernel::topology;

namespace {

std::string findings_with(const std::string& from, const std::string& to) {
  return findings(sample_with(from, to));
}

std::string key(const std::string& lines) {
  return findings_with("    key: account", "    key: account\n" + lines);
}

}  // namespace

TEST_CASE("State is found in a handler's text") {
  CHECK(defines_state("struct State { int n; };"));
  CHECK(defines_state("struct /* the */ State\n  : Base {};"));
  CHECK(defines_state("using State = Mine;"));
  CHECK(defines_state("auto n = 1'000; struct State final {};"));
  CHECK_FALSE(defines_state("struct States {};  struct State;"));
  CHECK_FALSE(
      defines_state("// struct State {\n/* struct State { */ auto s = \"struct State {\";"));
  CHECK_FALSE(defines_state("auto s = R\"x(struct State {})x\"; char c = '\"';"));
  CHECK_FALSE(defines_state("void f(State& state);"));
  CHECK_FALSE(defines_state("\"never closed"));
}

TEST_CASE("thread with a State needs a key") {
  const std::string code = "    code: |\n      struct State { int n; };\n";
  CHECK(findings_with("    code: |\n", "    granularity: thread\n" + code) ==
        "thread-without-key 19:18");
  CHECK(findings_with("    code: |\n", "    granularity: thread\n    key: id\n" + code) == "");
  CHECK(findings_with("    code: |\n", "    granularity: block\n" + code) == "");
  CHECK(findings_with("    code: |\n", "    granularity: thread\n    code: |\n") == "");
}

TEST_CASE("granularity and cooperative agree") {
  CHECK(key("    granularity: block\n    launch: {cooperative: true}") ==
        "two-granularities 19:27");
  CHECK(key("    granularity: grid\n    launch: {cooperative: false}") ==
        "two-granularities 19:27");
  CHECK(key("    granularity: grid\n    launch: {cooperative: true}") == "");
  CHECK(key("    launch: {cooperative: true}") == "");
}

TEST_CASE("a device is an index, any or a UUID") {
  CHECK(key("    device: banana") == "bad-value 18:13");
  CHECK(key("    device: -1") == "bad-value 18:13");
  CHECK(key("    device: 0") == "");
  CHECK(key("    device: any") == "");
  CHECK(key("    device: GPU-8a6dd04f-1f6e-4a6c-9a2f-0f5f0a3a8c11") == "");
}

TEST_CASE("an option without effect is told") {
  CHECK(findings_with("    code: |", "    key_capacity: 5\n    code: |") == "no-effect 19:19");
  CHECK(key("    launch: {scheduler: {steal_threshold: 5}}") == "no-effect 18:43");
  CHECK(key("    launch: {scheduler: {levels: 5}}") == "no-effect 18:34");
  CHECK(key("    launch: {scheduler: {strategy: priority, levels: 5}}") == "");
  CHECK(key("    backend: cpu\n    launch: {block_size: 64}") == "no-effect 19:26");
  CHECK(key("    backend: cpu\n    granularity: grid\n    launch: {grid_size: 4}") ==
        "no-effect 20:25");
  CHECK(key("    backend: cpu\n    launch: {grid_size: 4}") == "");
  CHECK(key("    backend: cpu\n    device: any") == "no-effect 19:13");
  // On a GPU, or where one may be found, they act.
  for (const std::string backend : {"auto", "cuda"}) {
    CAPTURE(backend);
    CHECK(key("    backend: " + backend +
              "\n    granularity: grid\n    device: any\n    launch: {block_size: 64, grid_size: "
              "4}") == "");
  }
  CHECK(key("    granularity: grid\n    launch: {block_size: 64, grid_size: 4}") == "");
  // Not where it is a default for all kernels.
  CHECK(findings_with("kernels:\n", "defaults: {key_capacity: 5}\nkernels:\n") == "");
}

TEST_CASE("keys of several messages are of one type") {
  const std::string two = "  Alert:\n    account: u64\n";
  std::string text = sample_with("  Alert:\n", two);
  text.replace(text.find("accepts: [Order]"), 16, "accepts: [Order, Alert]");
  text.replace(text.find("    builtin: echo"), 17, "    code: |\n      // nothing");
  LoadResult result = load_text(text, "t.yaml", "");
  bool found = false;
  for (const Diagnostic& d : result.diagnostics) found = found || d.code == "key-mismatch";
  CHECK(found);
}

TEST_CASE("a source has no key, and the lists of build are lists") {
  CHECK(findings_with("    accepts: [Order]\n    emits:\n      alert",
                      "    key: id\n    emits:\n      alert")
            .find("unknown-key-field 23:10") == 0);
  CHECK(key("    build: {include: {a: b}}") == "wrong-type 18:22");
}

TEST_CASE("what every handler has cannot be named again") {
  for (const std::string name : {"State", "Context", "Params", "reply", "uint32_t", "class"}) {
    CAPTURE(name);
    CHECK(findings_with("      alert: Alert", "      " + name + ": Alert")
              .find("name-reserved 25:7") != std::string::npos);
    CHECK(findings_with("    amount: f64", "    " + name + ": f64") == "name-reserved 7:5");
    CHECK(findings_with("velocity", name) == "name-reserved 10:26");
    CHECK(findings_with("      limit", "      " + name) == "name-reserved 27:7");
    CHECK(findings_with("    code: |", "    constants: {" + name + ": 1}\n    code: |") ==
          "name-reserved 19:17");
  }
  for (const std::string name : {"reply", "u8", "string", "std", "uint8_t", "on_message"}) {
    CAPTURE(name);
    CHECK(findings_with("  Alert:\n", "  " + name + ":\n").find("name-reserved 8:3") == 0);
  }
}

TEST_CASE("keys of later versions are known everywhere") {
  for (const std::string name :
       {"journal", "checkpoint", "restart", "observe", "cluster", "node"}) {
    CAPTURE(name);
    CHECK(key("    " + name + ": 1") == "not-available 18:5");
    CHECK(findings_with("kernels:\n", name + ": 1\nkernels:\n") == "not-available 11:1");
  }
}

TEST_CASE("a kernel that no wire names is told beside other mistakes") {
  const std::string lost = "  lost:\n    builtin: discard\n    accepts: [Order]\n";
  CHECK(findings_with("  score:\n    builtin", lost + "  score:\n    bultin") ==
        "unreachable-kernel 12:3, unknown-key 16:5");
  // Nor is it said where a wire does not say whom it means.
  CHECK(findings_with("  orders: score", "  orders:") == "wrong-type 36:3");
  CHECK(findings_with("  orders: score", "  orders: {on_full: wait}") == "missing-key 36:11");
}

TEST_CASE("a caret stands in a quoted type where it stands in a plain one") {
  CHECK(findings_with("    id: u64\n    account", "    id: 'string[0]'\n    account") ==
        "bad-size 5:17");
  CHECK(findings_with("limit: f64 = 1000", "limit: \"f64 = abc\"") == "bad-default 27:21");
}
