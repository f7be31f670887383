// Message types of a program's own: a plain struct, and one line that names its fields.
//   struct Order { uint64_t id; uint32_t account; double amount; };
//   RK_MESSAGE(Order, id, account, amount)       // at namespace scope, in the global namespace
// The struct must be trivially copyable; its padding travels as zeroes.
#pragma once

#include "ringkernel/device/message.hpp"

namespace ringkernel {

constexpr uint64_t fingerprint_of(const char* text, uint64_t hash = 0xCBF29CE484222325ULL) {
  for (; *text != 0; ++text) hash = (hash ^ static_cast<unsigned char>(*text)) * 0x100000001B3ULL;
  return hash;
}

}  // namespace ringkernel

#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
#define RK_CLEAR_PADDING(message) __builtin_clear_padding(&(message))
#endif
#endif
#if !defined(RK_CLEAR_PADDING)
#define RK_CLEAR_PADDING(message) static_cast<void>(message)
#endif

#define RK_MESSAGE(Type, ...)                                                            \
  template <>                                                                            \
  struct ringkernel::MessageTraits<::Type> {                                             \
    static_assert(__is_trivially_copyable(::Type), #Type " must be trivially copyable"); \
    static constexpr const char* kName = #Type;                                          \
    static constexpr const char* kFields = #__VA_ARGS__;                                 \
    static constexpr uint64_t kFingerprint = ringkernel::fingerprint_of(                 \
        #Type "{" #__VA_ARGS__ "}", 0xCBF29CE484222325ULL ^ sizeof(::Type));             \
    static void clear_padding(::Type& message) { RK_CLEAR_PADDING(message); }            \
  };
