// What became of the message in hand, beside what was plainly emitted. It stands apart from the
// context, so that calls may write it and the context stays in registers.
#pragma once

#include "ringkernel/device/block.hpp"

namespace ringkernel {

struct Outcome {
  uint32_t replies;  // on the reply wire
  uint32_t unasked;
  bool replied;
  bool forwarded;
  Reason refused;  // of the copy that carried the duty to answer
  Reason fails;
  char detail[104];

  RK_HD void forget() {
    replies = unasked = 0;
    replied = forwarded = false;
    refused = fails = Reason::None;
    detail[0] = 0;
  }
};

}  // namespace ringkernel
