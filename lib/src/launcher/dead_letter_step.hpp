// Takes the engine's dead letters and writes them to the run's file.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "launcher/dead_letter_file.hpp"
#include "runtime/engine.hpp"
#include "schema/json_codec.hpp"

namespace ringkernel::launcher {

class DeadLetterStep final : public runtime::HostStep {
 public:
  explicit DeadLetterStep(DeadLetterFile& file) : file_(file) {}

  // What the numbers in a letter mean. REQUIRES: before the engine starts.
  void learn(const runtime::Engine& engine, const std::vector<schema::MessageTypePtr>& types,
             const std::vector<uint16_t>& type_ids);

  StepStatus step(Block& block) override;

  std::atomic<bool> resting{true};

 private:
  void write(const MessageHeader& header, const DeadLetter& letter, const std::byte* payload);

  struct Writer {
    std::string type;
    schema::JsonWriter json;
  };
  DeadLetterFile& file_;
  std::unordered_map<uint16_t, Writer> writers_;
  std::unordered_map<uint32_t, std::string> kernels_;
  std::unordered_map<uint32_t, std::string> edges_;
  std::string line_;
};

}  // namespace ringkernel::launcher
