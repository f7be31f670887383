// The types of numbers that fields of messages, params and elements of buffers have.
#pragma once

#include "ringkernel/device/platform.hpp"

namespace ringkernel {

enum class Scalar : uint8_t { Bool, U8, U16, U32, U64, I8, I16, I32, I64, F32, F64 };

namespace traits {

template <class T, class... Any>
inline constexpr bool is_one_of = (... || is_same_type<T, Any>);

}  // namespace traits

template <class T>
RK_HD constexpr Scalar scalar_of() {
  constexpr bool is_signed = traits::is_one_of<T, signed char, short, int, long, long long>;
  constexpr bool is_unsigned = traits::is_one_of<T, unsigned char, unsigned short, unsigned int,
                                                 unsigned long, unsigned long long>;
  static_assert(is_signed || is_unsigned || traits::is_one_of<T, bool, float, double>,
                "a bool, an integer, float or double");
  if constexpr (is_same_type<T, bool>) return Scalar::Bool;
  if constexpr (is_same_type<T, float>) return Scalar::F32;
  if constexpr (is_same_type<T, double>) return Scalar::F64;
  switch (sizeof(T)) {
    case 1:
      return is_signed ? Scalar::I8 : Scalar::U8;
    case 2:
      return is_signed ? Scalar::I16 : Scalar::U16;
    case 4:
      return is_signed ? Scalar::I32 : Scalar::U32;
    default:
      return is_signed ? Scalar::I64 : Scalar::U64;
  }
}

}  // namespace ringkernel
