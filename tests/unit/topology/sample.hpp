// A small valid topology that the tests change a line of.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "topology/load.hpp"

namespace ringkernel::topology {

inline const std::string kSample = R"(ringk: 1
name: sample
messages:
  Order:
    id: u64
    account: u32
    amount: f64
  Alert:
    id: u64
    reason: enum[amount, velocity]
kernels:
  score:
    builtin: echo
    accepts: [Order]
    emits:
      out: Order
    key: account
  audit:
    code: |
      RK_HANDLER void on_message(Context& ctx, const Order& order) {
        ctx.emit(port::alert, Alert{order.id, Alert::Reason::amount});
      }
    accepts: [Order]
    emits:
      alert: Alert
    params:
      limit: f64 = 1000
inputs:
  orders:
    stdin: jsonl
    message: Order
outputs:
  alerts:
    stdout: jsonl
wires:
  orders: score
  score.out: audit
  audit.alert: alerts
)";

// kSample with one piece of it replaced.
inline std::string sample_with(const std::string& from, const std::string& to) {
  std::string text = kSample;
  size_t at = text.find(from);
  if (at == std::string::npos) return "no '" + from + "' in the sample";
  return text.replace(at, from.size(), to);
}

// "code line:column", of each finding.
inline std::string findings(const std::string& text) {
  std::string all;
  for (const Diagnostic& d : load_text(text, "t.yaml", "").diagnostics)
    all += (all.empty() ? "" : ", ") + d.code + " " + std::to_string(d.position.line) + ":" +
           std::to_string(d.position.column);
  return all;
}

// The default of the kernel's first param, an f64.
inline double limit_of(const LoadResult& result, const char* kernel = "audit") {
  REQUIRE(result.topology.has_value());
  double limit = 0;
  std::memcpy(&limit, result.topology->kernel(kernel)->params.at(0).default_value.data(),
              sizeof limit);
  return limit;
}

}  // namespace ringkernel::topology
