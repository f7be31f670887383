// An input that takes bytes: from stdin or a file of its own, and from clients. Its sources take
// turns, a batch each.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "launcher/channel.hpp"
#include "launcher/client_feed.hpp"
#include "launcher/file_follower.hpp"
#include "launcher/input_step.hpp"

namespace ringkernel::launcher {

class StreamInput final : public InputStep {
 public:
  // `own` not open: fed by clients only. `follow`: a path, and the end of the file is none.
  StreamInput(const topology::Input& input, const InputServices& services, Channel own,
              const std::string& follow);
  ~StreamInput() override;

  bool idle() const override;
  // Closed: the input is being stopped.
  Result<std::shared_ptr<ClientFeed>> open_feed(std::function<void()> on_change);

 protected:
  bool fetch(Record& record) override;
  void settled(const Record& record, const schema::LineError* error) override;
  void rested() override;
  void begin_batch() override;
  void close_source() override;

 private:
  bool fetch_own(Record& record);
  bool fill();  // false: nothing came
  bool fetch_from(size_t source, Record& record);
  void drop_parsed_feeds();

  Channel own_;
  bool watched_ = false;
  bool own_ended_ = false;
  bool last_given_ = false;
  std::unique_ptr<FileFollower> follower_;
  std::unique_ptr<RecordSplitter> splitter_;
  std::atomic<size_t> own_bytes_{0};  // in the splitter, no messages yet

  // Sources: 0 is the own one, then the feeds.
  size_t turn_ = 0;
  size_t source_ = 0;                               // of the record in hand
  std::vector<std::shared_ptr<ClientFeed>> feeds_;  // the step's

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<ClientFeed>> shared_feeds_;  // feeds_, and new ones
  std::atomic<bool> feeds_changed_{false};
  bool closed_ = false;
};

}  // namespace ringkernel::launcher
