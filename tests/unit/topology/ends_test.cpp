// Inputs and outputs: what their messages must have, and that no two share a file.
#include <doctest/doctest.h>

#include "sample.hpp"
#include "topology/load.hpp"

using namespace ringkernel;
using namespace ringkernel::topology;

namespace {

std::string with(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

}  // namespace

TEST_CASE("the deadline of an untyped input is a field of what it brings") {
  const std::string untyped = sample_with("    message: Order\n", "    deadline: {field: nix}\n");
  CHECK(findings(untyped) == "unknown-field 31:23");
  CHECK(findings(with(untyped, "field: nix", "field: amount")) == "bad-deadline-type 31:23");
  CHECK(findings(with(untyped, "field: nix", "field: id")) == "");
}

TEST_CASE("a member that names the message is no field") {
  CHECK(findings(with(sample_with("    message: Order\n", ""), "    amount: f64",
                      "    type: f64")) == "tag-taken 29:3");
  CHECK(findings(sample_with("stdout: jsonl", "stdout: jsonl\n    tag: reason")) ==
        "tag-taken 35:10");
  CHECK(findings(sample_with("stdout: jsonl", "stdout: jsonl\n    tag: kind")) == "");
}

TEST_CASE("no output writes what is read, or the dead letters") {
  const std::string files =
      with(sample_with("stdin: jsonl", "file: a.jsonl"), "stdout: jsonl", "file: ./b/../a.jsonl");
  CHECK(findings(files) == "same-file 33:3");
  CHECK(findings(sample_with("stdout: jsonl", "file: sample.dead.jsonl")) == "same-file 33:3");
  CHECK(findings(sample_with("stdin: jsonl", "file: d.jsonl") +
                 "dead_letters: {file: d.jsonl}\n") == "same-file 29:3");
  CHECK(findings(with(sample_with("stdin: jsonl", "file: /dev/null"), "stdout: jsonl",
                      "file: /dev/null")) == "");
}
