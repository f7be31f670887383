// Inputs whose messages stand in the topology: a list, given once, and a timer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launcher/input_step.hpp"

namespace ringkernel::launcher {

class ValuesInput final : public InputStep {
 public:
  ValuesInput(const topology::Input& input, const InputServices& services);

 protected:
  bool fetch_own(Record& record) override;
  size_t rest_own() override;
  void skip_to(const SharedProgress::Input& progress, std::string rest) override;
  void tell(SharedProgress::Input& progress) override { progress.records.store(next_); }

 private:
  const std::vector<std::string> values_;  // each with the reader's padding behind it
  const std::vector<size_t> sizes_;
  size_t next_ = 0;
};

// A tick that comes while the graph is full is made up for later.
class TimerInput final : public InputStep {
 public:
  TimerInput(const topology::Input& input, const InputServices& services);
  ~TimerInput() override;

  // IoError: no timer is left; ValidationError: its value is no message.
  Result<void> check();
  // The first tick comes one period from now.
  void begin();

 protected:
  bool fetch_own(Record& record) override;
  size_t rest_own() override;
  void skip_to(const SharedProgress::Input& progress, std::string rest) override;
  void tell(SharedProgress::Input& progress) override { progress.records.store(ticks_); }

 private:
  const std::string value_;  // with the reader's padding behind it
  const size_t size_;
  const std::chrono::nanoseconds period_;
  const std::optional<uint64_t> count_;
  int timer_ = -1;
  uint64_t due_ = 0;
  uint64_t ticks_ = 0;
};

}  // namespace ringkernel::launcher
