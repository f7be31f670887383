// The tests that a topology carries: each runs the topology with its own messages, in a process of
// its own, and compares what comes out.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ringkernel/error.hpp"
#include "ringkernel/export.hpp"
#include "ringkernel/topology.hpp"

namespace ringkernel {

struct TestRequest {
  uint32_t threads = 1;  // per block: what a handler of granularity thread or block runs on
  uint32_t workers = 0;  // 0: the cores that the process may use
  std::string only;      // run the tests whose name contains this; empty: all
};

struct TestOutcome {
  std::string file;
  std::string name;
  uint32_t line = 0;  // where the topology says it
  bool passed = false;
  bool crashed = false;  // a handler ended the process; not passed
  double seconds = 0;
  std::string failure;  // what was expected and what came, some lines; empty where it passed
};

// Runs them one after the other and calls `done` after each. An error: the topology cannot be run
// at all (CompilationError and those of launch()).
// REQUIRES: topology.valid(); no other thread in this process, which is forked for each test.
RK_API Result<std::vector<TestOutcome>> run_tests(
    const Topology& topology, const TestRequest& request,
    const std::function<void(const TestOutcome&)>& done = {});

// A JUnit report, one suite per file.
RK_API std::string junit_report(const std::vector<TestOutcome>& outcomes);

}  // namespace ringkernel
