// The file of what could not be handled: one JSON object a line. Made when the first letter comes;
// inputs put their bad lines here, the engine's letters come through DeadLetterStep.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "launcher/channel.hpp"
#include "launcher/run_events.hpp"
#include "ringkernel/error.hpp"

namespace ringkernel::launcher {

class DeadLetterFile {
 public:
  // Begins `path` anew: empties what an earlier run left. `capture` set: letters go there.
  static Result<void> clear(const std::string& path);
  // `at_once`: each letter is written when it comes, since the process may crash.
  DeadLetterFile(std::string path, RunEvents& events, std::function<void(std::string_view)> capture,
                 bool at_once);

  // `line` without its newline. Any thread; writes where much is waiting.
  void add(std::string_view line);
  void flush();
  void close();

  const std::string& path() const { return path_; }
  bool written() const { return waiting_.load() == 0; }
  uint64_t letters() const { return letters_.load(); }

 private:
  void write_out();

  const std::string path_;
  RunEvents& events_;
  const std::function<void(std::string_view)> capture_;
  const bool at_once_;
  std::mutex mutex_;
  Channel channel_;
  bool failed_ = false;
  std::string buffer_;
  std::atomic<size_t> waiting_{0};  // bytes
  std::atomic<uint64_t> letters_{0};
};

}  // namespace ringkernel::launcher
