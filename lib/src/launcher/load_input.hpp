// An input that is sent messages by the process itself: as fast as there is room, or each when it
// is due. Everything behind it is as with any other input.
#pragma once

#include <cstddef>
#include <cstdint>

#include "launcher/input_step.hpp"
#include "launcher/load.hpp"

namespace ringkernel::launcher {

class LoadInput final : public InputStep {
 public:
  LoadInput(const topology::Input& input, const InputServices& services, Load& load);
  ~LoadInput() override;

 protected:
  bool fetch_own(Record& record) override;
  tl::expected<runtime::InputMessage, schema::LineError> message_of(const Record& record,
                                                                    uint64_t now_us) override;
  size_t rest_own() override;
  bool goes_on() const override;

 private:
  bool over() const;
  uint64_t root();

  Load& load_;
  uint64_t next_ = 0;
  size_t place_ = 0;     // in the cycle of messages
  uint64_t now_ns_ = 0;  // when it was last looked at
  bool near_ = false;    // the next one is due in a moment
  int timer_ = -1;
};

}  // namespace ringkernel::launcher
