// Lines that are requests: from `send --reply` to the kernel that an input leads to, and back.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "launcher/control_target.hpp"
#include "launcher/run_graph.hpp"

namespace ringkernel::launcher {

class RequestDesk {
 public:
  RequestDesk(RunGraph& graph, const topology::Topology& topology)
      : graph_(graph), topology_(topology) {}

  // As ControlTarget::request().
  Result<void> request(const RunGraph::Input& input, const RequestLine& line,
                       std::chrono::nanoseconds timeout, std::function<void(Reply)> done);

 private:
  const RunGraph::Kernel* receiver(const RunGraph::Input& input,
                                   const schema::MessageTypePtr& type) const;
  Reply reply_of(const runtime::RequestResult& result);

  RunGraph& graph_;
  const topology::Topology& topology_;
  std::mutex mutex_;
  std::map<const topology::Input*, MessageParser> parsers_;
  std::map<uint16_t, schema::JsonWriter> writers_;
};

}  // namespace ringkernel::launcher
