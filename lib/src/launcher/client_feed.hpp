// One client's stream into an input: the bytes that wait between the client's thread and the
// input's step, and what has become of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "launcher/control_target.hpp"
#include "launcher/record_splitter.hpp"
#include "schema/json_codec.hpp"

namespace ringkernel::launcher {

class ClientFeed {
 public:
  // `wake` makes the input's step look here; `on_change` tells the client.
  ClientFeed(std::unique_ptr<RecordSplitter> splitter, std::function<void()> wake,
             std::function<void()> on_change);

  // --- the client's side
  size_t offer(std::span<const std::byte> bytes);
  void finish(bool complete);
  void forget_client();  // on_change is not called any more
  bool closed() const { return closed_.load(); }
  bool parsed() const { return parsed_.load(); }
  // Bytes that are no messages yet.
  bool holds_bytes() const;
  FeedCounts counts() const;
  std::vector<BadLine> bad_lines() const;

  // --- the input's side
  // Takes no more bytes; what the client has not finished ends in the middle of a line.
  void close();
  // The next record, or false.
  bool fetch(Record& record);
  void settled(const Record& record, const schema::LineError* error);
  void rested();  // what fetch() gave has been emitted

 private:
  void tell();

  const std::unique_ptr<RecordSplitter> splitter_;  // the step's
  const std::function<void()> wake_;
  bool last_given_ = false;  // the step's

  mutable std::mutex mutex_;
  std::string incoming_;
  bool finished_ = false;
  bool complete_ = false;
  uint64_t offered_ = 0;
  uint64_t fetched_ = 0;  // of what was offered: is in the splitter, or has left it
  std::vector<BadLine> bad_lines_;

  std::mutex client_mutex_;
  std::function<void()> on_change_;
  std::atomic<uint64_t> emitted_{0};  // of what was offered
  std::atomic<bool> wants_room_{false};
  std::atomic<bool> closed_{false};
  std::atomic<bool> parsed_{false};
  std::atomic<uint64_t> accepted_{0};
  std::atomic<uint64_t> bad_{0};
};

}  // namespace ringkernel::launcher
