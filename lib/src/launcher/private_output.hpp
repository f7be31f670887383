// Standard output on a descriptor of the run's own, for as long as handlers run in this process:
// what they print there goes to standard error and cannot reach the data.
#pragma once

namespace ringkernel::launcher {

class PrivateOutput {
 public:
  // `keep` false: there is no standard output to keep, and nothing of the caller's stays open.
  explicit PrivateOutput(bool keep);
  // Standard output is what it was; what was printed meanwhile is out.
  ~PrivateOutput();
  PrivateOutput(const PrivateOutput&) = delete;
  PrivateOutput& operator=(const PrivateOutput&) = delete;

  // -1: there is none.
  int descriptor() const { return own_; }

 private:
  const int own_;
};

}  // namespace ringkernel::launcher
