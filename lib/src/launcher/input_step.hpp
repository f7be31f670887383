// The step of an input: takes records from its own source and from clients, in turns, makes
// messages of them, emits those in batches. A record that is no message becomes a bad line.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "launcher/client_feeds.hpp"
#include "launcher/dead_letter_file.hpp"
#include "launcher/message_parser.hpp"
#include "launcher/poller.hpp"
#include "launcher/run_events.hpp"
#include "launcher/shared_progress.hpp"
#include "runtime/engine.hpp"

namespace ringkernel::launcher {

// What the inputs of a run share; outlives them.
struct InputServices {
  runtime::Engine* engine = nullptr;
  Poller* poller = nullptr;
  DeadLetterFile* dead_letters = nullptr;
  runtime::Node* dead_letter_node = nullptr;
  RunEvents* events = nullptr;
  bool stop_on_bad_input = false;
};

struct InputCounts {
  uint64_t lines = 0;  // = accepted + bad
  uint64_t accepted = 0;
  uint64_t bad = 0;
  uint64_t offers = 0;  // copies that its edges must have been offered
};

class InputStep : public runtime::HostStep {
 public:
  InputStep(const topology::Input& input, const InputServices& services);

  // REQUIRES: before the engine starts.
  void attach(runtime::Node& node) { node_ = &node; }
  // Its end is one that the run waits for. REQUIRES: before the engine starts.
  void expect_end();

  // Goes on where the run before it was, and says there how far it comes. `rest`: what that run had
  // read and not used. REQUIRES: before the engine starts.
  void go_on_from(SharedProgress::Input& progress, std::string rest);
  // What it has read and not used. REQUIRES: drained(), and its node is owned.
  virtual std::string_view rest() { return {}; }

  StepStatus step(Block& block) final;

  // Closed: the input is being stopped.
  Result<std::shared_ptr<ClientFeed>> open_feed(std::function<void()> on_change);

  // Takes nothing more; what has been taken still becomes messages.
  void stop();
  // After stop(): nothing is left.
  bool drained() const { return drained_.load(); }
  bool idle() const { return !busy_.load() && own_bytes_.load() == 0 && !feeds_.hold_bytes(); }

  // A bad line that did not come through step(): of a request.
  void refuse(const Record& record, const schema::LineError& error);

  InputCounts counts() const;
  const std::string& name() const { return name_; }
  MessageParser& parser() { return parser_; }

 protected:
  // The next record of the own source, or false: then whatever brings more wakes the node.
  virtual bool fetch_own(Record& record) = 0;
  // The message that a record is.
  virtual tl::expected<runtime::InputMessage, schema::LineError> message_of(const Record& record,
                                                                            uint64_t now_us) {
    return parser_.parse(record, now_us);
  }
  // All records of the own source so far are emitted. Returns how many bytes it holds that are no
  // records yet. Called by the step before it rests.
  virtual size_t rest_own() = 0;
  // After rest_own(): the next record is so near that sleeping until then is not worth it.
  virtual bool goes_on() const { return false; }

  // The own source: where it goes on, and how far it is.
  virtual void skip_to(const SharedProgress::Input& /*progress*/, std::string /*rest*/) {}
  virtual void tell(SharedProgress::Input& /*progress*/) {}
  // It stops because another run will take its place: what it holds is for that one.
  bool leaves_rest() const {
    return progress_ != nullptr && stopping() && services_.events->code() == ExitCode::Crashed;
  }

  bool stopping() const { return stopping_.load(std::memory_order_acquire); }
  bool halted() const { return halted_.load(std::memory_order_relaxed); }
  void wake() { services_.engine->wake(*node_); }
  // The source has no more.
  void ended();
  const InputServices& services() const { return services_; }

 private:
  void begin_batch();
  bool fetch(Record& record);
  void settled(const Record& record, const schema::LineError* error);
  void measure(const Block& block);
  void take(Block& block, const Record& record);
  void report(const Record& record, const schema::LineError& error, std::string& envelope);
  StepStatus rest(Block& block, bool was_stopping);

  const std::string name_;
  const InputServices& services_;
  SharedProgress::Input* progress_ = nullptr;
  MessageParser parser_;
  runtime::Node* node_ = nullptr;
  bool awaited_ = false;

  // The step's
  uint32_t batch_ = 0;            // messages that are made room for at once; 0: not measured yet
  std::vector<uint64_t> copies_;  // by type
  std::string envelope_;
  ClientFeeds feeds_;
  // Sources: 0 is the own one, then the feeds.
  size_t turn_ = 0;
  size_t source_ = 0;  // of the record in hand

  std::atomic<bool> stopping_{false};
  std::atomic<bool> halted_{false};  // a bad line ended it
  std::atomic<bool> drained_{false};
  std::atomic<bool> busy_{true};
  std::atomic<size_t> own_bytes_{0};  // read by the own source, no messages yet
  std::atomic<uint64_t> accepted_{0};
  std::atomic<uint64_t> bad_{0};
  std::atomic<uint64_t> offers_{0};
};

}  // namespace ringkernel::launcher
