// The messages that the JSON targets read: a field of every kind.
#pragma once

#include <vector>

#include "schema/message_type.hpp"

namespace ringkernel::fuzz {

inline std::vector<schema::MessageTypePtr> json_types() {
  using schema::make_message_type;
  auto leg = make_message_type("Leg", {{"from", "string[3]", ""}, {"km", "f32?", ""}}, {}).value();
  auto all = make_message_type("All",
                               {{"u", "u64", ""},
                                {"i", "i64", ""},
                                {"s", "i8 = 3", ""},
                                {"f", "f64", ""},
                                {"flag", "bool?", ""},
                                {"text", "string[16]", ""},
                                {"side", "enum[buy, sell] = buy", ""},
                                {"raw", "bytes[8]?", "Raw Bytes"},
                                {"pair", "i16[2]", ""},
                                {"list", "u8[<=3]?", ""},
                                {"leg", "Leg?", ""},
                                {"legs", "Leg[<=2]", ""}},
                               {leg})
                 .value();
  return {all, leg};
}

}  // namespace ringkernel::fuzz
