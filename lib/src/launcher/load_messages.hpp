// What an input is sent while its topology is measured: messages made of nothing, its own values,
// or those of a file; in a cycle. Ready before the measurement, so that it costs nothing then; kept
// as lines where reading JSON is part of what is measured.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ringkernel/error.hpp"
#include "schema/message_type.hpp"
#include "topology/topology.hpp"

namespace ringkernel::launcher {

class LoadMessages {
 public:
  struct Message {
    uint32_t type = 0;                   // index into the types of the input
    const std::byte* payload = nullptr;  // null: it is a line
    std::string_view line;               // with the reader's padding behind it
  };

  // `file`: not empty: where its messages come from ("-": standard input). Lines need `as_lines`.
  // NotFound, IoError: the file cannot be read. ValidationError: a line of it is no message, or
  // there is none. MessageTooLarge: so many keys of this message take too much memory.
  static Result<LoadMessages> make(const topology::Topology& topology, const topology::Input& input,
                                   const std::string& file, uint32_t keys, bool as_lines);

  size_t size() const { return messages_.size(); }
  const Message& operator[](size_t i) const { return messages_[i]; }
  // Of the file, not all could be taken.
  bool cut() const { return cut_; }

 private:
  Result<void> read(const topology::Input& input, const std::string& file, bool as_lines);
  Result<void> parse(const topology::Input& input, const std::vector<std::string>& values,
                     bool as_lines);
  Result<void> make_up(const topology::Topology& topology, const topology::Input& input,
                       uint32_t keys, bool as_lines);
  void add(uint32_t type, const std::byte* payload, size_t size);
  void add(std::string_view line);

  std::vector<Message> messages_;
  std::vector<std::unique_ptr<std::byte[]>> bytes_;  // of each message
  size_t taken_ = 0;
  bool cut_ = false;
};

}  // namespace ringkernel::launcher
