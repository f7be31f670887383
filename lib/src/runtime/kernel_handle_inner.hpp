// What a KernelHandle holds: shared with the runtime, which makes handles.
#pragma once

#include <string>

#include "ringkernel/kernel_handle.hpp"
#include "runtime/graph.hpp"

namespace ringkernel {

struct KernelHandle::Inner {
  std::string id;
  runtime::Engine* engine;
  runtime::GraphNode* node;

  // `request`: who waits for the answer; null: whom the envelope names.
  Result<void> send(const Envelope& envelope, const runtime::RequestTable::Ticket* request,
                    Duration timeout) const;
};

}  // namespace ringkernel
