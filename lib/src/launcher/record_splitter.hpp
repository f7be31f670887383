// From bytes to records: lines of JSON, or structs back to back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "launcher/byte_buffer.hpp"

namespace ringkernel::launcher {

struct Record {
  enum class Kind : uint8_t {
    Whole,
    TooLong,    // `bytes` is its beginning
    Truncated,  // the bytes ended in the middle of it
  };
  Kind kind = Kind::Whole;
  std::string_view bytes;  // until the buffer is filled again
  uint64_t number = 0;     // position of the line or struct, from 1; blank lines count here alone
};

class RecordSplitter {
 public:
  explicit RecordSplitter(size_t padding) : buffer_(padding) {}
  virtual ~RecordSplitter() = default;

  // Where the bytes go.
  ByteBuffer& buffer() { return buffer_; }

  // The next record, if it is complete.
  virtual bool next(Record& record) = 0;
  // What is left once no more bytes come and next() gives nothing. `complete`: the end is the end
  // of the last line, too.
  virtual bool last(bool complete, Record& record) = 0;

  uint64_t position() const { return position_; }
  // The next record is the one behind this position. `skipping`: the rest of a line comes first.
  virtual void go_on_from(uint64_t position, bool /*skipping*/) { position_ = position; }
  virtual bool skipping() const { return false; }

 protected:
  ByteBuffer buffer_;
  uint64_t position_ = 0;
};

// Lines end in "\n" or "\r\n". A byte order mark at the start and blank lines are left out. Of a
// line past kLongest only the beginning is kept.
class LineSplitter final : public RecordSplitter {
 public:
  static constexpr size_t kLongest = size_t{16} << 20;
  static constexpr size_t kBeginning = 1024;

  explicit LineSplitter(size_t padding) : RecordSplitter(padding) {}
  bool next(Record& record) override;
  bool last(bool complete, Record& record) override;
  void go_on_from(uint64_t position, bool skipping) override {
    position_ = position;
    started_ = position > 0 || skipping;
    skipping_ = skipping;
  }
  bool skipping() const override { return skipping_; }

 private:
  bool skip_mark(bool ended);
  bool give(std::string_view line, Record& record);

  bool started_ = false;
  bool skipping_ = false;  // the rest of a line that is too long
  size_t scanned_ = 0;     // bytes of the buffer that hold no newline
};

class StructSplitter final : public RecordSplitter {
 public:
  StructSplitter(size_t size, size_t padding) : RecordSplitter(padding), size_(size) {}
  bool next(Record& record) override;
  bool last(bool complete, Record& record) override;

 private:
  size_t size_;
};

}  // namespace ringkernel::launcher
