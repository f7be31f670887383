// Zeroes the bytes of a value that say nothing, so that equal messages are equal bytes.
#pragma once

#include "ringkernel/device/message.hpp"

namespace ringkernel {

// Scalars and enums have none; messages say it themselves.
template <class T>
RK_HD void clear_value(T& value) {
  if constexpr (requires { MessageTraits<T>::kName; }) MessageTraits<T>::clear_padding(value);
}

template <class T>
RK_HD void clear_tail(T& value, uint32_t from) {
  if (from < sizeof(T))
    zero_bytes(reinterpret_cast<unsigned char*>(&value) + from,
               static_cast<uint32_t>(sizeof(T)) - from);
}

template <uint16_t N>
RK_HD void clear_value(String<N>& value) {
  clear_tail(value, 2U + min_of(value.size_, N));
}
template <uint16_t N>
RK_HD void clear_value(Bytes<N>& value) {
  clear_tail(value, 2U + min_of(value.size_, N));
}

template <class T>
RK_HD void clear_value(Optional<T>& value);
template <class T, uint32_t N>
RK_HD void clear_value(Array<T, N>& value);

template <class T, unsigned N>
RK_HD void clear_value(T (&values)[N]) {
  for (unsigned i = 0; i < N; ++i) clear_value(values[i]);
}

template <class T>
RK_HD void clear_value(Optional<T>& value) {
  if (value.present_ == 0) {
    zero_bytes(&value, sizeof value);
  } else {
    clear_value(value.value_);
    clear_tail(value, static_cast<uint32_t>(sizeof(T)) + 1U);
  }
}

template <class T, uint32_t N>
RK_HD void clear_value(Array<T, N>& value) {
  if constexpr (alignof(T) > 4)
    zero_bytes(reinterpret_cast<unsigned char*>(&value) + 4, static_cast<uint32_t>(alignof(T)) - 4);
  const uint32_t size = min_of(value.size_, N);
  for (uint32_t i = 0; i < size; ++i) clear_value(value.data_[i]);
  clear_tail(value, static_cast<uint32_t>(reinterpret_cast<unsigned char*>(value.data_ + size) -
                                          reinterpret_cast<unsigned char*>(&value)));
}

}  // namespace ringkernel
