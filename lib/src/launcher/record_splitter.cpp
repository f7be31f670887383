#include "launcher/record_splitter.hpp"

#include <cstring>

namespace ringkernel::launcher {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r\f\v") == std::string_view::npos;
}

}  // namespace

// False: too few bytes to say whether there is a mark.
bool LineSplitter::skip_mark(bool ended) {
  const std::string_view bytes = buffer_.view();
  if (bytes.size() < kByteOrderMark.size() && !ended && kByteOrderMark.starts_with(bytes)) {
    return false;
  }
  if (bytes.starts_with(kByteOrderMark)) buffer_.use(kByteOrderMark.size());
  started_ = true;
  return true;
}

// False: the line is blank.
bool LineSplitter::give(std::string_view line, Record& record) {
  ++position_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty() || (line.front() <= ' ' && is_blank(line))) return false;
  record.number = position_;
  record.kind = Record::Kind::Whole;
  if (line.size() > kLongest) {
    record.kind = Record::Kind::TooLong;
    line = line.substr(0, kBeginning);
  }
  record.bytes = line;
  return true;
}

bool LineSplitter::next(Record& record) {
  if (!started_ && !skip_mark(false)) return false;
  for (;;) {
    const std::string_view bytes = buffer_.view();
    if (bytes.empty()) return false;
    const auto* found = static_cast<const char*>(
        std::memchr(bytes.data() + scanned_, '\n', bytes.size() - scanned_));
    if (found == nullptr) {
      scanned_ = bytes.size();
      if (skipping_) {
        buffer_.use(bytes.size());
        scanned_ = 0;
      } else if (bytes.size() > kLongest) {
        skipping_ = true;
        record = {Record::Kind::TooLong, bytes.substr(0, kBeginning), position_ + 1};
        buffer_.use(bytes.size());
        scanned_ = 0;
        return true;
      }
      return false;
    }
    const auto length = static_cast<size_t>(found - bytes.data());
    buffer_.use(length + 1);
    scanned_ = 0;
    if (skipping_) {
      skipping_ = false;
      ++position_;
      continue;
    }
    if (give(bytes.substr(0, length), record)) return true;
  }
}

bool LineSplitter::last(bool complete, Record& record) {
  if (!started_) skip_mark(true);
  const std::string_view bytes = buffer_.view();
  buffer_.use(bytes.size());
  scanned_ = 0;
  if (skipping_) {
    skipping_ = false;
    ++position_;
    return false;
  }
  if (bytes.empty() || !give(bytes, record)) return false;
  if (!complete && record.kind == Record::Kind::Whole) record.kind = Record::Kind::Truncated;
  return true;
}

bool StructSplitter::next(Record& record) {
  const std::string_view bytes = buffer_.view();
  if (bytes.size() < size_) return false;
  record = {Record::Kind::Whole, bytes.substr(0, size_), ++position_};
  buffer_.use(size_);
  return true;
}

bool StructSplitter::last(bool, Record& record) {
  const std::string_view bytes = buffer_.view();
  if (bytes.empty()) return false;
  record = {Record::Kind::Truncated, bytes, ++position_};
  buffer_.use(bytes.size());
  return true;
}

}  // namespace ringkernel::launcher
