// numpy's files of one array each:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
// Versions 1 to 3 are read, version 1 is written; little endian, C order.
#pragma once

#include <cstddef>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/array_type.hpp"
#include "ringkernel/error.hpp"

namespace ringkernel {

struct NpyHeader {
  ArrayType type;
  uint64_t size = 0;  // bytes before the elements
};

// `bytes`: the file, or at least all of its header. ValidationError: no .npy file, or an array that
// no buffer can be, with what to do about it.
Result<NpyHeader> parse_npy_header(std::string_view bytes);
// The elements after it are aligned to 64.
std::string npy_header(const ArrayType& type);

using FilePointer = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

class NpyReader {
 public:
  // NotFound; IoError: it cannot be read; ValidationError: as above, or its size is not what its
  // header says.
  static Result<NpyReader> open(const std::string& file);

  const ArrayType& type() const { return type_; }
  // ValidationError: the array is of another type.
  Result<void> expect(const ArrayType& type) const;
  // The next bytes of the elements.
  Result<void> read(std::span<std::byte> to);

 private:
  NpyReader(std::string file, FilePointer stream)
      : file_(std::move(file)), stream_(std::move(stream)) {}

  std::string file_;
  FilePointer stream_;
  ArrayType type_;
};

// Writes beside the file, which then takes its place: whoever reads it sees the old array or the
// new one.
class NpyWriter {
 public:
  // IoError.
  static Result<NpyWriter> create(const std::string& file, const ArrayType& type);
  // Whether create() would do, before there is anything to write.
  static Result<void> check(const std::string& file);
  NpyWriter(NpyWriter&& other) noexcept = default;
  NpyWriter& operator=(NpyWriter&&) = delete;
  ~NpyWriter();  // what was not committed is removed

  Result<void> write(std::span<const std::byte> elements);
  Result<void> commit();

 private:
  explicit NpyWriter(std::string file) : file_(std::move(file)), stream_(nullptr, &std::fclose) {}
  Result<void> open();

  std::string file_;       // as it was given
  std::string target_;     // what is replaced
  std::string temporary_;  // empty: there is none any more
  FilePointer stream_;
};

}  // namespace ringkernel
