// What the views of a status document share.
#pragma once

#include <string>
#include <string_view>

#include "launcher/control_protocol.hpp"
#include "ringkernel/status_document.hpp"

namespace ringkernel {

struct StatusDocument::Impl {
  std::string text;
  launcher::Json json;
};

namespace launcher {

// The number at `member`, 0 where there is none.
double amount(const Json& object, const char* member);
// The two ends of an edge's id, "from[.port]:to".
std::string_view edge_from(std::string_view id);
std::string_view edge_to(std::string_view id);

}  // namespace launcher
}  // namespace ringkernel
