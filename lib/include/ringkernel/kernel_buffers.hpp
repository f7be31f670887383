// What a kernel's buffers hold when it is launched, and where they go when it has ended:
//   runtime.launch<Wave>("wave", options, params,
//                        KernelBuffers{}.load(buf::u, "u0.npy").save(buf::u, "u1.npy"));
// A buffer of which nothing is said is zeroed, and forgotten.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringkernel/device/buffer.hpp"
#include "ringkernel/export.hpp"

namespace ringkernel {

struct BufferBinding {
  std::string name;
  std::string load_file;  // .npy, of the same type and extents
  std::string save_file;
  std::span<const std::byte> load;  // as many bytes as the buffer has
  std::span<std::byte> save;
};

template <class B>
concept NamedBuffer = requires {
  typename B::Element;
  B::name();
};

class RK_API KernelBuffers {
 public:
  // Files of numpy. The same one may be loaded and saved.
  KernelBuffers& load(std::string_view buffer, std::string file);
  KernelBuffers& save(std::string_view buffer, std::string file);
  template <NamedBuffer B>
  KernelBuffers& load(B, std::string file) {
    return load(std::string_view(B::name()), std::move(file));
  }
  template <NamedBuffer B>
  KernelBuffers& save(B, std::string file) {
    return save(std::string_view(B::name()), std::move(file));
  }

  // The program's own memory, as many elements as the buffer has: read by launch(); written before
  // terminate() returns, which it has to outlive.
  template <NamedBuffer B>
  KernelBuffers& load(B, std::span<const typename B::Element> elements) {
    of(B::name()).load = std::as_bytes(elements);
    return *this;
  }
  template <NamedBuffer B>
  KernelBuffers& save(B, std::span<typename B::Element> elements) {
    of(B::name()).save = std::as_writable_bytes(elements);
    return *this;
  }

  const std::vector<BufferBinding>& all() const { return bindings_; }

 private:
  BufferBinding& of(std::string_view buffer);

  std::vector<BufferBinding> bindings_;
};

}  // namespace ringkernel
