// The messages of tests: what is sent and what is expected fits the types that come in and arrive.
#include <doctest/doctest.h>

#include "sample.hpp"
#include "topology/load.hpp"

using namespace ringkernel;
using namespace ringkernel::topology;

namespace {

const std::string kTyped = R"(ringk: 1
name: a
messages:
  Point: {x: i8, y: f32}
  A:
    id: u8
    when: u64?
    weight: f64
    on: bool
    kind: enum[one, two]
    tag: string[3]
    raw: bytes[3]
    pair: u8[2]
    some: u8[<=2]
    at: Point
    path: Point[<=2]
    other: {type: u8, json: "Other One"}
  B: {id: "string[4]", note: u8}
kernels:
  k: {builtin: discard, accepts: [A]}
  e: {builtin: echo, accepts: [B], emits: {out: B}}
inputs:
  in: {stdin: jsonl, message: A}
  bs: {values: [], message: B}
outputs:
  only: {discard: true}
  both: {stdout: jsonl, tag: type}
wires:
  in: [k, only, both]
  bs: e
  e.out: both
tests:
  - name: t
)";

std::string expected(const std::string& message, const std::string& target = "only") {
  return findings(kTyped + "    expect:\n      " + target + ":\n        - " + message + "\n");
}

std::string sent(const std::string& fields) {
  return findings(
      kTyped +
      "    expect: {only: {count: 1}}\n    send:\n      in:\n        - {id: 1, weight: 1, on: "
      "true, "
      "kind: one, tag: a, raw: '', pair: [1, 2], some: [], 'Other One': 1,\n           " +
      fields + "}\n");
}

}  // namespace

TEST_CASE("an expected value fits its field") {
  CHECK(expected("{id: 255, when: null, weight: null, on: true, kind: two, tag: abc, raw: YWJj}") ==
        "");
  CHECK(expected("{pair: [1, 2], some: [], at: {x: -1}, path: [{}, {y: 1.5}], 'Other One': 3}") ==
        "");
  CHECK(expected("{id: 256}") == "out-of-range 36:16");
  CHECK(expected("{id: -1}") == "out-of-range 36:16");
  CHECK(expected("{id: one}") == "wrong-type 36:16");
  CHECK(expected("{id: 1.5}") == "wrong-type 36:16");
  CHECK(expected("{id: null}") == "wrong-type 36:12");
  CHECK(expected("{id: \"1\"}") == "wrong-type 36:16");
  CHECK(expected("{weight: much}") == "wrong-type 36:20");
  CHECK(expected("{on: 1}") == "wrong-type 36:16");
  CHECK(expected("{kind: three}") == "unknown-name 36:18");
  CHECK(expected("{tag: abcd}") == "string-too-long 36:17");
  CHECK(expected("{raw: '!'}") == "bad-base64 36:17");
  CHECK(expected("{pair: [1]}") == "wrong-length 36:18");
  CHECK(expected("{pair: [1, 256]}") == "out-of-range 36:22");
  CHECK(expected("{some: [1, 2, 3]}") == "list-too-long 36:18");
  CHECK(expected("{some: 1}") == "wrong-type 36:18");
  CHECK(expected("{at: 1}") == "wrong-type 36:16");
  CHECK(expected("{at: {x: 200}}") == "out-of-range 36:20");
  CHECK(expected("{at: {z: 1}}") == "unknown-field 36:17");
  CHECK(expected("{path: [{x: 1}, {x: 1, y: no}]}") == "wrong-type 36:37");
  CHECK(expected("{other: 1}") == "unknown-field 36:12");
  CHECK(expected("{id: 300, on: 1}") == "out-of-range 36:16, wrong-type 36:25");
}

TEST_CASE("approx, contains and kernels change no types") {
  CHECK(expected("{id: 256}", "k") == "out-of-range 36:16");
  CHECK(findings(kTyped + "    expect: {only: {approx: 0.1, contains: [{id: 1.1}]}}\n") ==
        "wrong-type 34:50");
}

TEST_CASE("where several messages arrive, an expected value fits one of them") {
  CHECK(expected("{id: 3}", "both") == "");
  CHECK(expected("{id: text}", "both") == "");
  CHECK(expected("{id: [1]}", "both") == "wrong-type 36:16");
  CHECK(expected("{note: 1}", "both") == "");
  CHECK(expected("{note: 256}", "both") == "out-of-range 36:18");
  CHECK(expected("{type: B, id: text}", "both") == "");
  CHECK(expected("{type: A, id: text}", "both") == "wrong-type 36:25");
  CHECK(expected("{type: A, note: 1}", "both") == "unknown-field 36:21");
  CHECK(expected("{type: C, id: 1}", "both") == "unknown-type 36:18");
}

TEST_CASE("a sent value that does not fit is shown where it stands, however deep") {
  CHECK(sent("path: [], at: {x: 1, y: 1}") == "");
  CHECK(sent("path: [], at: {x: 128, y: 1}") == "out-of-range 38:30");
  CHECK(sent("path: [], at: {x: 1, z: 1}") == "unknown-field 38:33");
  CHECK(sent("path: [], at: {x: 1}") == "missing-field 38:26");
  CHECK(sent("path: [{x: 1, y: 1}, {x: 1, y: a}], at: {x: 1, y: 1}") == "wrong-type 38:43");
  CHECK(sent("path: [1], at: {x: 1, y: 1}") == "wrong-type 38:19");
  CHECK(sent("path: [], att: {x: 1, y: 1}") == "unknown-field 38:22");
}
