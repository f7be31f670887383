// From a record of an input to a message: its bytes, its priority and its deadline.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "launcher/record_splitter.hpp"
#include "runtime/engine.hpp"
#include "schema/json_codec.hpp"
#include "topology/topology.hpp"

namespace ringkernel::launcher {

class MessageParser {
 public:
  explicit MessageParser(const topology::Input& input);

  // The message's payload stays valid until the next call. `now_us`: when it arrived.
  tl::expected<runtime::InputMessage, schema::LineError> parse(const Record& record,
                                                               uint64_t now_us);

  // A message whose payload is there already. REQUIRES: `payload` of that type, by its index in
  // types().
  runtime::InputMessage message_of(uint32_t type, const std::byte* payload, uint64_t number,
                                   uint64_t now_us) const;

  // A splitter for bytes of this input's codec.
  std::unique_ptr<RecordSplitter> make_splitter() const;

  const std::vector<schema::MessageTypePtr>& types() const { return types_; }
  bool raw() const { return raw_; }

 private:
  struct DeadlineField {
    uint32_t offset = 0;
    uint32_t size = 0;  // 0: this type has no such field
    bool is_signed = false;
    bool optional = false;
  };
  uint64_t deadline_of(uint32_t type, const std::byte* payload, uint64_t now_us) const;

  std::vector<schema::MessageTypePtr> types_;
  bool raw_;
  uint8_t priority_;
  uint64_t deadline_us_ = 0;  // from arrival; 0: none
  std::vector<DeadlineField> deadline_fields_;
  schema::JsonReader reader_;
  std::unique_ptr<std::byte[]> payload_;
};

}  // namespace ringkernel::launcher
