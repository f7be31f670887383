// Waits for a file to grow past its end, like tail -F: also when it is emptied, or another file
// takes its name.
#pragma once

#include <functional>
#include <string>

#include "launcher/channel.hpp"
#include "launcher/poller.hpp"

namespace ringkernel::launcher {

class FileFollower {
 public:
  FileFollower(std::string path, Poller& poller, std::function<void()> wake);
  ~FileFollower();
  FileFollower(const FileFollower&) = delete;
  FileFollower& operator=(const FileFollower&) = delete;

  // `file` has been read to its end. True: it can be read on now (it was emptied, or is another
  // file). False: `wake` is called when something happens to it.
  bool at_end(Channel& file);

 private:
  void watch_file();

  const std::string path_;
  Poller& poller_;
  int events_ = -1;  // inotify, or a timer where there is none left
  int file_watch_ = -1;
  bool timer_ = false;
};

}  // namespace ringkernel::launcher
