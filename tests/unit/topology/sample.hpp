// A small valid topology that the tests change a line of.
#pragma once

#include <string>

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

}  // namespace ringkernel::topology
