// The step of an output: takes messages, makes lines or bytes of them, writes those in blocks while
// there is much to do and at once where there is not.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "launcher/channel.hpp"
#include "launcher/poller.hpp"
#include "launcher/run_events.hpp"
#include "launcher/shared_progress.hpp"
#include "runtime/engine.hpp"
#include "schema/json_codec.hpp"
#include "topology/topology.hpp"

namespace ringkernel::launcher {

class LoadRoots;

// What the outputs of a run share; outlives them.
struct OutputServices {
  runtime::Engine* engine = nullptr;
  Poller* poller = nullptr;
  RunEvents* events = nullptr;
  const LoadRoots* load = nullptr;  // told of every message that is written
};

struct OutputCounts {
  uint64_t delivered = 0;  // = written + failed + pending
  uint64_t written = 0;
  uint64_t failed = 0;
  uint64_t pending = 0;
  uint64_t bytes = 0;
  uint64_t non_finite = 0;  // NaN and infinities, written as null
};

class OutputStep final : public runtime::HostStep {
 public:
  using Capture = std::function<void(std::string_view type, std::string_view json)>;

  // `channel` not open: messages are counted, and given to `capture` where that is set. `reach`:
  // how many written messages the run waits for; 0: none.
  OutputStep(const topology::Output& output, const OutputServices& services, Channel channel,
             Capture capture, uint64_t reach);
  ~OutputStep() override;

  // REQUIRES: before the engine starts. `type_ids`: of the output's messages, in their order.
  void attach(runtime::Node& node, const std::vector<uint16_t>& type_ids);

  // Begins with what is missing of a line that the run before it has begun. REQUIRES: before the
  // engine starts.
  void go_on_from(SharedProgress& progress, size_t output);

  StepStatus step(Block& block) override;

  // Every message that has been delivered is written or failed.
  bool idle() const {
    return pending_.load(std::memory_order_acquire) == 0 && !owes_.load(std::memory_order_acquire);
  }
  // What is not written by now fails.
  void abandon();
  // REQUIRES: the engine runs no more.
  void close();

  OutputCounts counts() const;
  const std::string& name() const { return name_; }

 private:
  void append(const MessageHeader& header, const void* payload);
  bool write_out();  // false: the channel takes nothing more now
  uint64_t ended_in(size_t bytes);
  void settle(uint64_t messages);
  void wrote(uint64_t messages);
  void fail_with(int error);
  std::string_view begun() const;
  void tell_begun();

  const std::string name_;
  const OutputServices& services_;
  const bool to_stdout_;
  const bool raw_;
  std::vector<schema::MessageTypePtr> types_;
  std::vector<uint32_t> index_of_id_;
  schema::JsonWriter writer_;
  Capture capture_;
  Channel channel_;
  bool watched_ = false;
  bool broken_ = false;
  const bool counts_only_;
  const uint64_t reach_;
  runtime::Node* node_ = nullptr;

  std::string buffer_;
  size_t sent_ = 0;  // of the buffer
  uint64_t in_buffer_ = 0;
  std::vector<uint64_t> roots_;  // of the messages in the buffer, where there is a load

  SharedProgress* progress_ = nullptr;
  size_t output_ = 0;  // its number in the progress
  bool told_begun_ = false;
  std::atomic<bool> owes_{false};  // the buffer begins with the rest of another run's line
  std::atomic<bool> abandoned_{false};
  std::atomic<uint64_t> pending_{0};
  std::atomic<uint64_t> written_{0};
  std::atomic<uint64_t> failed_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> non_finite_{0};
};

}  // namespace ringkernel::launcher
