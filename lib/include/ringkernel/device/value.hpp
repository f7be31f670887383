// The value types of message fields. Their layout is fixed and the same on every processor; bytes
// past a value's size are kept zero, so that equal values are equal bytes.
#pragma once

#include "ringkernel/device/platform.hpp"
#if !defined(__CUDACC_RTC__)
#include <string_view>
#endif

namespace ringkernel {

// Text or bytes without owner; on the host convertible to std::string_view.
struct View {
  const char* data;
  uint32_t size;

  RK_HD bool operator==(const View& other) const {
    if (size != other.size) return false;
    for (uint32_t i = 0; i < size; ++i)
      if (data[i] != other.data[i]) return false;
    return true;
  }
#if !defined(__CUDACC_RTC__)
  operator std::string_view() const { return {data, size}; }
#endif
};

RK_HD View view_of(const char* text) {
  uint32_t n = 0;
  while (text[n] != 0) ++n;
  return {text, n};
}

// string[N]: at most N bytes of UTF-8.
template <uint16_t N>
struct String {
  uint16_t size_;
  char data_[N];

  String() = default;
  RK_HD String(const char* text) : String(view_of(text)) {}
  // Longer text is cut at N bytes, never inside a UTF-8 sequence.
  RK_HD String(View text) : size_(0), data_{} { assign(text); }

  RK_HD View view() const { return {data_, size_}; }
  RK_HD uint16_t size() const { return size_; }
  RK_HD bool empty() const { return size_ == 0; }
  RK_HD char operator[](uint32_t i) const { return data_[i]; }
  static constexpr uint16_t capacity() { return N; }

  RK_HD void assign(View text) {
    uint32_t n = min_of<uint32_t>(text.size, N);
    while (n > 0 && n < text.size && (static_cast<unsigned char>(text.data[n]) & 0xC0U) == 0x80U)
      --n;
    for (uint32_t i = 0; i < n; ++i) data_[i] = text.data[i];
    for (uint32_t i = n; i < N; ++i) data_[i] = 0;
    size_ = static_cast<uint16_t>(n);
  }
  // Appends what fits; false: it was cut.
  RK_HD bool append(View text) {
    for (uint32_t i = 0; i < text.size; ++i) {
      if (size_ == N) return false;
      data_[size_++] = text.data[i];
    }
    return true;
  }
  template <uint16_t M>
  RK_HD bool operator==(const String<M>& other) const {
    return view() == other.view();
  }
  RK_HD bool operator==(const char* text) const { return view() == view_of(text); }
};

// bytes[N]: at most N bytes.
template <uint16_t N>
struct Bytes {
  uint16_t size_;
  uint8_t data_[N];

  RK_HD uint16_t size() const { return size_; }
  RK_HD const uint8_t* data() const { return data_; }
  RK_HD uint8_t operator[](uint32_t i) const { return data_[i]; }
  static constexpr uint16_t capacity() { return N; }

  RK_HD void assign(const uint8_t* bytes, uint32_t n) {
    n = min_of<uint32_t>(n, N);
    for (uint32_t i = 0; i < n; ++i) data_[i] = bytes[i];
    for (uint32_t i = n; i < N; ++i) data_[i] = 0;
    size_ = static_cast<uint16_t>(n);
  }
  template <uint16_t M>
  RK_HD bool operator==(const Bytes<M>& other) const {
    if (size_ != other.size_) return false;
    for (uint32_t i = 0; i < size_; ++i)
      if (data_[i] != other.data_[i]) return false;
    return true;
  }
};

// T?: a value or nothing. Nothing keeps its value bytes zero.
template <class T>
struct Optional {
  T value_;
  uint8_t present_;

  Optional() = default;
  RK_HD Optional(const T& value) : value_(value), present_(1) {}

  RK_HD bool has_value() const { return present_ != 0; }
  RK_HD explicit operator bool() const { return present_ != 0; }
  RK_HD const T& operator*() const { return value_; }
  RK_HD T& operator*() { return value_; }
  RK_HD const T* operator->() const { return &value_; }
  RK_HD const T& value_or(const T& other) const { return present_ != 0 ? value_ : other; }
  RK_HD void reset() { zero_bytes(this, sizeof *this); }
};

// T[<=N]: up to N elements.
template <class T, uint32_t N>
struct Array {
  uint32_t size_;
  T data_[N];

  RK_HD uint32_t size() const { return size_; }
  RK_HD bool empty() const { return size_ == 0; }
  RK_HD const T& operator[](uint32_t i) const { return data_[i]; }
  RK_HD T& operator[](uint32_t i) { return data_[i]; }
  RK_HD const T* begin() const { return data_; }
  RK_HD const T* end() const { return data_ + size_; }
  static constexpr uint32_t capacity() { return N; }

  // false: it is full.
  RK_HD bool push_back(const T& value) {
    if (size_ == N) return false;
    data_[size_++] = value;
    return true;
  }
  RK_HD void clear() { zero_bytes(this, sizeof *this); }
};

}  // namespace ringkernel
