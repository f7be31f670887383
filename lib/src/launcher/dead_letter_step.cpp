#include "launcher/dead_letter_step.hpp"

#include "launcher/json_text.hpp"

namespace ringkernel::launcher {
namespace {

constexpr uint32_t kLettersAtOnce = 256;

void append_name(std::string& out, const std::unordered_map<uint32_t, std::string>& names,
                 uint32_t number) {
  const auto found = names.find(number);
  if (found == names.end())
    out += "null";
  else
    append_json_string(out, found->second);
}

}  // namespace

void DeadLetterStep::learn(const runtime::Engine& engine,
                           const std::vector<schema::MessageTypePtr>& types,
                           const std::vector<uint16_t>& type_ids) {
  for (size_t i = 0; i < types.size(); ++i)
    writers_.emplace(type_ids[i], Writer{types[i]->name, schema::JsonWriter({types[i]}, "")});
  for (const runtime::Node* node : engine.nodes())
    if (node->kind() == runtime::NodeKind::Kernel) kernels_[node->id()] = node->name();
  for (const runtime::Edge* edge : engine.edges()) edges_[edge->number()] = edge->id();
}

StepStatus DeadLetterStep::step(Block& block) {
  resting.store(false);
  const uint32_t taken = runtime::take(
      block, kLettersAtOnce, [this](uint32_t, const MessageHeader& header, const void* slot) {
        const auto* letter = static_cast<const DeadLetter*>(slot);
        write(header, *letter, reinterpret_cast<const std::byte*>(letter + 1));
        return true;
      });
  if (taken == kLettersAtOnce) return StepStatus::More;
  file_.flush();
  resting.store(true);
  return StepStatus::Idle;
}

void DeadLetterStep::write(const MessageHeader& header, const DeadLetter& letter,
                           const std::byte* payload) {
  const auto writer = writers_.find(header.message_type);
  const bool has_message = writer != writers_.end() && letter.payload_size > 0;
  line_.assign(R"({"message":)");
  if (has_message)
    writer->second.json.write(0, payload, line_);
  else
    line_ += "null";
  line_ += R"(,"type":)";
  if (has_message)
    append_json_string(line_, writer->second.type);
  else
    line_ += "null";
  line_ += R"(,"edge":)";
  append_name(line_, edges_, letter.edge);
  line_ += R"(,"kernel":)";
  append_name(line_, kernels_, letter.kernel);
  line_ += R"(,"reason":)";
  append_json_string(line_, reason_name(letter.reason));
  line_ += R"(,"detail":)";
  append_json_string(line_, letter.detail);
  line_ += R"(,"line":)";
  line_ += header.root == 0 ? "null" : std::to_string(header.root);
  line_ += R"(,"time":)";
  append_json_time(line_, letter.time_us);
  line_ += '}';
  file_.add(line_);
}

}  // namespace ringkernel::launcher
