// An input that reads stdin or a file.
#pragma once

#include <memory>
#include <string>

#include "launcher/channel.hpp"
#include "launcher/file_follower.hpp"
#include "launcher/input_step.hpp"

namespace ringkernel::launcher {

class StreamInput final : public InputStep {
 public:
  // `own` not open: fed by clients only. `follow`: a path, and the end of the file is none.
  StreamInput(const topology::Input& input, const InputServices& services, Channel own,
              const std::string& follow);
  ~StreamInput() override;

  std::string_view rest() override;

 protected:
  bool fetch_own(Record& record) override;
  size_t rest_own() override;
  void skip_to(const SharedProgress::Input& progress, std::string rest) override;
  void tell(SharedProgress::Input& progress) override;

 private:
  bool fill();                   // false: nothing came
  uint64_t file_number() const;  // of a regular file

  Channel own_;
  bool watched_ = false;
  bool own_ended_ = false;
  bool last_given_ = false;
  std::unique_ptr<FileFollower> follower_;
  std::unique_ptr<RecordSplitter> splitter_;
};

}  // namespace ringkernel::launcher
