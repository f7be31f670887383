// An envelope outside the rings: header, payload and the type it is of.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "ringkernel/device/message.hpp"
#include "ringkernel/error.hpp"

namespace ringkernel {

struct Envelope {
  MessageHeader header{};
  std::string type;          // name of the message type
  uint64_t fingerprint = 0;  // of the message type
  std::vector<std::byte> payload;

  // An envelope for `message`; ids and stamps are filled in when it is sent, where they are 0.
  template <class M>
  static Envelope of(const M& message) {
    Envelope envelope;
    envelope.type = MessageTraits<M>::kName;
    envelope.fingerprint = MessageTraits<M>::kFingerprint;
    envelope.header.priority = 1;
    envelope.payload.resize(sizeof(M));
    M copy = message;
    MessageTraits<M>::clear_padding(copy);
    std::memcpy(envelope.payload.data(), &copy, sizeof(M));
    return envelope;
  }

  // The payload as an M. Fails with InvalidMessage where it is of another type.
  template <class M>
  Result<M> as() const {
    if (fingerprint != MessageTraits<M>::kFingerprint || payload.size() != sizeof(M))
      return fail(ErrorCode::InvalidMessage,
                  "message is a " + type + ", not a " + MessageTraits<M>::kName);
    M message;
    std::memcpy(&message, payload.data(), sizeof(M));
    return message;
  }
};

}  // namespace ringkernel
