#include "launcher/control_protocol.hpp"

#include <algorithm>
#include <utility>

namespace ringkernel::launcher {
namespace {

ErrorCode code_from_string(const std::string& name) {
  for (auto code = ErrorCode{}; code <= ErrorCode::Internal;
       code = static_cast<ErrorCode>(static_cast<uint16_t>(code) + 1)) {
    if (to_string(code) == name) return code;
  }
  return ErrorCode::Internal;
}

}  // namespace

void append_frame(std::string& out, FrameKind kind, std::string_view payload) {
  const auto length = static_cast<uint32_t>(payload.size());
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(length >> shift));
  out.push_back(static_cast<char>(kind));
  out.append(3, '\0');
  out.append(payload);
}

Result<std::optional<Frame>> next_frame(std::string_view bytes, size_t longest) {
  if (bytes.size() < kFrameHeader) return std::nullopt;
  uint32_t length = 0;
  for (size_t i = 0; i < 4; ++i) {
    length |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  const auto kind = static_cast<uint8_t>(bytes[4]);
  const bool known = kind >= static_cast<uint8_t>(FrameKind::Control) &&
                     kind <= static_cast<uint8_t>(FrameKind::NoReply);
  if (!known || bytes[5] != 0 || bytes[6] != 0 || bytes[7] != 0) {
    return fail(ErrorCode::ProtocolError, "the other end does not speak ringk's control protocol");
  }
  const size_t limit =
      static_cast<FrameKind>(kind) == FrameKind::Data ? std::min(longest, kMaxData) : longest;
  if (length > limit) {
    return fail(ErrorCode::ProtocolError, "a control frame of " + std::to_string(length) +
                                              " bytes, longer than the limit of " +
                                              std::to_string(limit));
  }
  if (bytes.size() < kFrameHeader + length) return std::nullopt;
  return Frame{static_cast<FrameKind>(kind), bytes.substr(kFrameHeader, length),
               kFrameHeader + length};
}

Result<Json> parse_control(std::string_view payload) {
  Json parsed = Json::parse(payload, nullptr, false);
  if (!parsed.is_object()) {
    return fail(ErrorCode::ProtocolError, "a control message that is no JSON object");
  }
  return parsed;
}

std::string ok_answer(Json members) {
  Json answer{{"ok", true}};
  answer.update(members);
  return answer.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string error_answer(const Error& error) {
  const Json answer{{"ok", false},
                    {"error",
                     {{"code", std::string(to_string(error.code))},
                      {"message", error.message},
                      {"where", error.where}}}};
  return answer.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Error answer_error(const Json& answer) {
  const auto found = answer.find("error");
  if (found == answer.end() || !found->is_object()) {
    return Error{ErrorCode::ProtocolError, "an answer without its error", {}};
  }
  return Error{code_from_string(text_of(*found, "code")), text_of(*found, "message"),
               text_of(*found, "where")};
}

std::string text_of(const Json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

uint64_t number_of(const Json& object, const char* member, uint64_t otherwise) {
  const auto found = object.find(member);
  return found != object.end() && found->is_number_unsigned() ? found->get<uint64_t>() : otherwise;
}

bool flag_of(const Json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

const Json& list_of(const Json& object, const char* member) {
  static const Json kEmpty = Json::array();
  const auto found = object.find(member);
  return found != object.end() && found->is_array() ? *found : kEmpty;
}

}  // namespace ringkernel::launcher
