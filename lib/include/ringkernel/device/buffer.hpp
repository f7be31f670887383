// Named arrays of a kernel, shared by all of its blocks and keys: State is what one actor knows, a
// buffer is what all of them work on. Nothing orders their accesses but what the handler does
// itself: `granularity` block or grid with ctx.sync(), or one writer per element.
#pragma once

#include "ringkernel/device/message.hpp"

namespace ringkernel {

// A buffer in a handler's hands: its elements in C order, the last index varying fastest. Indices
// are not checked.
template <class T, uint64_t... Extents>
class BufferView {
  static_assert(sizeof...(Extents) >= 1 && sizeof...(Extents) <= kMostExtents);
  static_assert((... && (Extents > 0)));

 public:
  using Element = T;

  RK_HD explicit BufferView(T* data) : data_(data) {}

  // u(i, j)
  template <class... I>
  requires(sizeof...(I) == sizeof...(Extents)) RK_HD T& operator()(I... indices) const {
    Index at = 0;
    ((at = at * static_cast<Index>(Extents) + static_cast<Index>(indices)), ...);
    return data_[at];
  }
  RK_HD T& operator[](uint64_t i) const { return data_[i]; }

  RK_HD T* data() const { return data_; }
  RK_HD T* begin() const { return data_; }
  RK_HD T* end() const { return data_ + size(); }
  RK_HD static constexpr uint64_t size() { return kSize; }
  RK_HD static constexpr uint32_t rank() { return static_cast<uint32_t>(sizeof...(Extents)); }
  RK_HD static constexpr uint64_t extent(uint32_t dimension) {
    const uint64_t extents[] = {Extents...};
    return extents[dimension];
  }

 private:
  static constexpr uint64_t kSize = (uint64_t{1} * ... * Extents);
  // A GPU multiplies 32 bits in one instruction, 64 in several.
  using Index = typename Either<(kSize <= 0xFFFFFFFFU), uint32_t, uint64_t>::Type;

  T* data_;
};

// A buffer's name, the type of its elements and 1 to 4 extents.
//   namespace buf { inline constexpr ringkernel::Buffer<"u", float, 1024, 1024> u; }
template <FixedString Name, class T, uint64_t... Extents>
struct Buffer {
  using Element = T;
  using View = BufferView<T, Extents...>;
  static constexpr const char* name() { return kName.text; }

  RK_HD static constexpr BufferInfo info() {
    BufferInfo info;
    info.name = kName.text;
    info.element = scalar_of<T>();
    ((info.extents[info.rank++] = Extents), ...);
    info.bytes = View::size() * sizeof(T);
    return info;
  }

 private:
  static constexpr FixedString kName = Name;
};

// The buffers of a handler, in order: `using Buffers = ringkernel::Buffers<buf::u, buf::v>;`
template <auto... B>
struct Buffers {
  static constexpr uint32_t kCount = sizeof...(B);

  template <class T>
  RK_HD static constexpr uint32_t index_of() {
    return position_of<T, typename RemoveConstRef<decltype(B)>::Type...>();
  }
};

}  // namespace ringkernel
