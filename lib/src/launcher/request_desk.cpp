#include "launcher/request_desk.hpp"

#include <algorithm>

#include "core/clock.hpp"

namespace ringkernel::launcher {

const RunGraph::Kernel* RequestDesk::receiver(const RunGraph::Input& input,
                                              const schema::MessageTypePtr& type) const {
  const RunGraph::Kernel* found = nullptr;
  for (const topology::Wire& wire : topology_.wires) {
    if (wire.from != input.input->name) continue;
    const RunGraph::Kernel* kernel = graph_.kernel(wire.to);
    if (kernel == nullptr) continue;
    const auto& accepts = kernel->kernel->accepts;
    if (std::find(accepts.begin(), accepts.end(), type) == accepts.end()) continue;
    if (kernel->kernel->replies != nullptr) return kernel;
    if (found == nullptr) found = kernel;  // it may forward
  }
  return found;
}

Result<void> RequestDesk::request(const RunGraph::Input& input, const RequestLine& line,
                                  std::chrono::nanoseconds timeout,
                                  std::function<void(Reply)> done) {
  const bool any_replies =
      std::any_of(topology_.kernels.begin(), topology_.kernels.end(),
                  [](const topology::Kernel& kernel) { return kernel.replies != nullptr; });
  if (!any_replies)
    return fail(ErrorCode::InvalidConfig, "no kernel of this topology replies", input.input->name);
  std::string padded(line.text);
  padded.resize(line.text.size() + schema::JsonReader::kPadding);
  const Record record{line.kind, std::string_view(padded).substr(0, line.text.size()), line.number};
  const RunGraph::Kernel* kernel = nullptr;
  std::vector<std::byte> payload;
  uint16_t type_id = 0;
  {
    const std::lock_guard lock(mutex_);
    auto parser = parsers_.find(input.input);
    if (parser == parsers_.end()) parser = parsers_.try_emplace(input.input, *input.input).first;
    if (parser->second.raw())
      return fail(ErrorCode::InvalidConfig,
                  "requests are lines of JSON, and this input takes structs", input.input->name);
    auto message = parser->second.parse(record, wall_us());
    if (!message) {
      input.step->refuse(record, message.error());
      done({Reply::Outcome::BadLine, "", std::string(message.error().reason),
            message.error().detail});
      return {};
    }
    const schema::MessageTypePtr& type = parser->second.types()[message->type];
    kernel = receiver(input, type);
    const auto* bytes = static_cast<const std::byte*>(message->payload);
    payload.assign(bytes, bytes + type->size);
    for (size_t i = 0; i < topology_.messages.size(); ++i)
      if (topology_.messages[i] == type) type_id = graph_.type_ids[i];
  }
  if (kernel == nullptr)
    return fail(ErrorCode::InvalidConfig, "this input leads to no kernel that could reply",
                input.input->name);
  return graph_.engine->request(
      *kernel->node, type_id, payload, timeout,
      [this, done = std::move(done)](const runtime::RequestResult& result) {
        done(reply_of(result));
      });
}

Reply RequestDesk::reply_of(const runtime::RequestResult& result) {
  Reply reply{};
  reply.detail = result.detail;
  switch (result.outcome) {
    case runtime::RequestResult::Outcome::Replied: {
      reply.outcome = Reply::Outcome::Replied;
      const std::lock_guard lock(mutex_);
      auto writer = writers_.find(result.type);
      for (size_t i = 0; writer == writers_.end() && i < graph_.type_ids.size(); ++i)
        if (graph_.type_ids[i] == result.type)
          writer = writers_
                       .try_emplace(result.type,
                                    std::vector<schema::MessageTypePtr>{topology_.messages[i]}, "")
                       .first;
      if (writer != writers_.end()) writer->second.write(0, result.payload.data(), reply.json);
      break;
    }
    case runtime::RequestResult::Outcome::Failed:
      reply.outcome = Reply::Outcome::Failed;
      reply.reason = reason_name(result.reason);
      break;
    case runtime::RequestResult::Outcome::NoReply:
      reply.outcome = Reply::Outcome::NoReply;
      reply.reason = "no_reply";
      break;
    case runtime::RequestResult::Outcome::TimedOut:
      reply.outcome = Reply::Outcome::TimedOut;
      reply.reason = "timed_out";
      break;
  }
  return reply;
}

}  // namespace ringkernel::launcher
