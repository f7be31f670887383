// A condition on a status document, for `status --fail-if`.
//
//   expression  comparison { ("&&" | "||") comparison }      && binds tighter; "!", parentheses
//   comparison  sum [ ("<" | "<=" | ">" | ">=" | "==" | "!=") sum ]
//   sum         product { ("+" | "-") product },  product  value { ("*" | "/") value }
//   value       number | "text" | true | false | path
//   path        member { "." member | "[" "text" "]" }
//
// A path starts at a member of the totals ("failed"), of the document ("uptime_s", "state"), or at
// the name of a kernel, input or output ("score.failed"). In a list, the member is an element's
// name, or its id: edges["orders:score"].depth. A name with '-' needs the brackets:
// kernels["my-kernel"].handled.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ringkernel/error.hpp"
#include "ringkernel/export.hpp"
#include "ringkernel/status_document.hpp"

namespace ringkernel {

class RK_API StatusExpression {
 public:
  // InvalidConfig, with the column, where it is no expression.
  static Result<StatusExpression> parse(std::string_view text);
  ~StatusExpression();
  StatusExpression(StatusExpression&& other) noexcept;
  StatusExpression& operator=(StatusExpression&& other) noexcept;

  // InvalidConfig: a path that the document does not have, or values that do not compare. Null
  // (no latency yet) compares as false.
  Result<bool> holds(const StatusDocument& document) const;

  struct Node;

 private:
  explicit StatusExpression(std::unique_ptr<Node> root);
  std::unique_ptr<Node> root_;
};

}  // namespace ringkernel
