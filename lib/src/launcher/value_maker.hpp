// Valid messages out of nothing, the same ones in every run: integers of 1 to 100, numbers of 1 to
// 101 with two decimals, letters, any name of an enum, lists and strings of up to 16, every other
// optional field absent. Fields that kernels are keyed by take as many values as are asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "schema/message_type.hpp"
#include "topology/topology.hpp"

namespace ringkernel::launcher {

class ValueMaker {
 public:
  ValueMaker(const topology::Topology& topology, const topology::Input& input, uint32_t keys);

  // Message `number` of the type; `payload`: type.size bytes.
  void make(const schema::MessageType& type, uint64_t number, std::byte* payload);

 private:
  uint64_t random(uint64_t below);
  void make_value(const schema::Type& type, std::byte* out);
  void make_scalar(schema::Scalar scalar, uint64_t whole, bool decimals, std::byte* out);
  void make_text(const schema::Type& type, std::byte* out);
  // A value of its own for each number, as far as the type has so many.
  void make_numbered(const schema::Type& type, uint64_t number, std::byte* out);
  void make_never(const schema::Type& type, std::byte* out);

  uint32_t keys_;
  std::set<std::string> key_fields_;
  std::map<std::string, uint32_t> block_fields_;  // how many blocks there are
  std::string deadline_field_;
  uint64_t state_ = 0;
};

}  // namespace ringkernel::launcher
