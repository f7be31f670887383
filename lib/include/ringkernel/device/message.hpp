// What the engine knows of a message type at compile time, and the ports that carry it.
#pragma once

#include "ringkernel/device/module.hpp"
#include "ringkernel/device/value.hpp"

namespace ringkernel {

// Specialised per message type: by generated code, or by RK_MESSAGE for a plain struct.
//   static constexpr const char* kName;  static constexpr uint64_t kFingerprint;
//   static void clear_padding(M& message);
template <class M>
struct MessageTraits;

// A message whose type and size are known at run time only: handlers that pass it on as it is.
struct Opaque {};
template <>
struct MessageTraits<Opaque> {
  static constexpr const char* kName = "";
  static constexpr uint64_t kFingerprint = 0;
  RK_HD static void clear_padding(Opaque&) {}
};

template <unsigned N>
struct FixedString {
  char text[N] = {};
  RK_HD constexpr FixedString(const char (&from)[N]) {
    for (unsigned i = 0; i < N; ++i) text[i] = from[i];
  }
};

// A named output of a kernel: its message type and the most emits per handled message.
//   namespace port { inline constexpr ringkernel::Port<"alert", Alert> alert; }
template <FixedString Name, class M, uint32_t Max = 1>
struct Port {
  using Message = M;
  static constexpr uint32_t kMax = Max;
  static constexpr const char* name() { return kName.text; }

 private:
  static constexpr FixedString kName = Name;
};

// The ports of a handler, in order: `using Ports = ringkernel::Ports<port::alert, port::pass>;`
template <auto... P>
struct Ports {
  static constexpr uint32_t kCount = sizeof...(P);
  static constexpr uint32_t kTotalMax = (0U + ... + decltype(P)::kMax);

  template <class T>
  RK_HD static constexpr uint32_t index_of() {
    return position_of<T, typename RemoveConstRef<decltype(P)>::Type...>();
  }
};

// The message types a handler accepts, where they cannot be read off a single on_message.
template <class... M>
struct Accepts {
  static constexpr uint32_t kCount = sizeof...(M);
};

template <class M>
RK_HD constexpr MessageInfo message_info() {
  return {MessageTraits<M>::kName, MessageTraits<M>::kFingerprint, static_cast<uint32_t>(sizeof(M)),
          static_cast<uint32_t>(alignof(M))};
}

}  // namespace ringkernel
