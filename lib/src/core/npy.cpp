#include "core/npy.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

namespace ringkernel {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are read as they lie in files");

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kAlignment = 64;
constexpr size_t kMostHeader = (size_t{64} << 10) + kAlignment;

tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::ValidationError, std::move(message));
}

// The header's text: a Python dictionary of a word, a bool and a tuple of integers.
class Dictionary {
 public:
  explicit Dictionary(std::string_view text) : rest_(text) {}

  bool read() {
    if (!take('{')) return false;
    while (!take('}')) {
      std::string_view key;
      if (!word(key) || !take(':')) return false;
      if (key == "descr") {
        // A list is that of a structured type.
        if (next() == '[') return structured_ = true;
        if (!word(descr_)) return false;
      } else if (key == "fortran_order") {
        if (!boolean(fortran_)) return false;
      } else if (key == "shape") {
        if (!tuple()) return false;
      } else {
        return false;
      }
      ++keys_;
      if (!take(',') && next() != '}') return false;
    }
    return next() == 0 && keys_ == 3 && !descr_.empty();
  }

  bool structured() const { return structured_; }
  std::string_view descr() const { return descr_; }
  bool fortran() const { return fortran_; }
  const std::vector<uint64_t>& shape() const { return shape_; }

 private:
  char next() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n')) rest_.remove_prefix(1);
    return rest_.empty() ? '\0' : rest_[0];
  }
  bool take(char c) {
    if (next() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool word(std::string_view& into) {
    const char quote = next();
    if (quote != '\'' && quote != '"') return false;
    const size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) return false;
    into = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return true;
  }
  bool boolean(bool& into) {
    next();
    into = rest_.starts_with("True");
    if (!into && !rest_.starts_with("False")) return false;
    rest_.remove_prefix(into ? 4 : 5);
    return true;
  }
  bool tuple() {
    if (!take('(')) return false;
    shape_.clear();
    while (!take(')')) {
      next();
      uint64_t extent = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), extent);
      if (error != std::errc()) return false;
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      if (!rest_.empty() && rest_[0] == 'L') rest_.remove_prefix(1);  // as Python 2 wrote them
      shape_.push_back(extent);
      if (!take(',') && next() != ')') return false;
    }
    return true;
  }

  std::string_view rest_;
  std::string_view descr_;
  bool structured_ = false;
  bool fortran_ = false;
  std::vector<uint64_t> shape_;
  int keys_ = 0;
};

constexpr std::string_view kDescriptions[] = {"|b1", "|u1", "<u2", "<u4", "<u8", "|i1",
                                              "<i2", "<i4", "<i8", "<f4", "<f8"};

std::optional<Scalar> scalar_of_description(std::string_view descr) {
  for (size_t i = 0; i < std::size(kDescriptions); ++i) {
    const std::string_view known = kDescriptions[i];
    if (descr.size() != known.size() || descr.substr(1) != known.substr(1)) continue;
    // One byte has no order; '=' is that of the machine.
    if (descr[0] == known[0] || descr[0] == '=' ||
        (known[0] == '|' && (descr[0] == '<' || descr[0] == '>')))
      return static_cast<Scalar>(i);
  }
  return std::nullopt;
}

// Text of a file, to be shown.
std::string shown(std::string_view text) {
  std::string out(text.substr(0, 32));
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  return out;
}

Error in_file(Error error, const std::string& file) {
  error.where = file;
  return error;
}

}  // namespace

Result<NpyHeader> parse_npy_header(std::string_view bytes) {
  if (!bytes.starts_with(kMagic) || bytes.size() < kMagic.size() + 4)
    return invalid("is no .npy file: write one with numpy.save");
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const unsigned version = byte(6);
  if (version < 1 || version > 3)
    return invalid("is a .npy file of version " + std::to_string(version) +
                   ", and 1 to 3 can be read");
  const size_t begin = version == 1 ? 10 : 12;
  size_t length = byte(8) | size_t{byte(9)} << 8U;
  if (version > 1 && bytes.size() >= begin)
    length |= size_t{byte(10)} << 16U | size_t{byte(11)} << 24U;
  if (bytes.size() < begin || length > bytes.size() - begin)
    return invalid("is cut off within its header");
  Dictionary dictionary(bytes.substr(begin, length));
  if (!dictionary.read()) return invalid("is a .npy file with a header that nobody can read");
  if (dictionary.structured())
    return invalid("holds records of several fields: save each field as an array of its own");
  const std::string_view descr = dictionary.descr();
  const auto element = scalar_of_description(descr);
  if (!element && descr[0] == '>' && scalar_of_description("<" + std::string(descr.substr(1))))
    return invalid("is big endian: save a.astype(a.dtype.newbyteorder('<'))");
  if (!element)
    return invalid("holds elements '" + shown(descr) +
                   "', and a buffer has bool, integers, float32 or float64");
  NpyHeader header{{*element, dictionary.shape()}, begin + length};
  if (dictionary.fortran() && header.type.extents.size() > 1)
    return invalid("is in Fortran order: save numpy.ascontiguousarray(a)");
  if (!bytes_of(header.type))
    return invalid("holds " + numpy_text(header.type) + ", more than any buffer can");
  return header;
}

std::string npy_header(const ArrayType& type) {
  std::string shape;
  for (const uint64_t extent : type.extents) shape += std::to_string(extent) + ", ";
  if (type.extents.size() > 1) shape.resize(shape.size() - 2);
  if (type.extents.size() == 1) shape.pop_back();
  std::string text = "{'descr': '" + std::string(kDescriptions[static_cast<size_t>(type.element)]) +
                     "', 'fortran_order': False, 'shape': (" + shape + "), }";
  const size_t head = kMagic.size() + 4;
  const size_t whole = (head + text.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  text.resize(whole - head - 1, ' ');
  text += '\n';
  std::string bytes(kMagic);
  bytes += '\x01';
  bytes += '\0';
  bytes += static_cast<char>(text.size() & 0xFFU);
  bytes += static_cast<char>(text.size() >> 8U);
  return bytes + text;
}

Result<NpyReader> NpyReader::open(const std::string& file) {
  const auto cannot = [&](int why) {
    return fail(why == ENOENT ? ErrorCode::NotFound : ErrorCode::IoError,
                why == ENOENT ? "no such file" : std::strerror(why), file);
  };
  struct stat found {};
  // A pipe would make the opening wait.
  if (stat(file.c_str(), &found) != 0) return cannot(errno);
  if (S_ISDIR(found.st_mode)) return cannot(EISDIR);
  if (!S_ISREG(found.st_mode))
    return fail(ErrorCode::IoError, "is no regular file, as a .npy file is", file);
  NpyReader reader(file, FilePointer(std::fopen(file.c_str(), "rbe"), &std::fclose));
  if (reader.stream_ == nullptr) return cannot(errno);
  std::string head(kMostHeader, '\0');
  head.resize(std::fread(head.data(), 1, head.size(), reader.stream_.get()));
  if (std::ferror(reader.stream_.get()) != 0) return cannot(errno);
  auto header = parse_npy_header(head);
  if (!header) return tl::unexpected(in_file(header.error(), file));
  const auto size = static_cast<uint64_t>(found.st_size);
  const uint64_t expected = header->size + *bytes_of(header->type);
  if (size != expected)
    return fail(ErrorCode::ValidationError,
                "has " + std::to_string(size) + " bytes, and " + numpy_text(header->type) +
                    " takes " + std::to_string(expected),
                file);
  if (fseeko(reader.stream_.get(), static_cast<off_t>(header->size), SEEK_SET) != 0)
    return cannot(errno);
  reader.type_ = std::move(header->type);
  return reader;
}

Result<void> NpyReader::expect(const ArrayType& type) const {
  if (type_ == type) return {};
  return fail(ErrorCode::ValidationError,
              "holds " + numpy_text(type_) + ", and the buffer is " + to_string(type), file_);
}

Result<void> NpyReader::read(std::span<std::byte> to) {
  if (std::fread(to.data(), 1, to.size(), stream_.get()) != to.size())
    return fail(ErrorCode::IoError,
                std::ferror(stream_.get()) != 0 ? std::strerror(errno) : "was cut off meanwhile",
                file_);
  // Any byte but 0 and 1 is no bool.
  if (type_.element == Scalar::Bool)
    for (std::byte& element : to) element = std::byte{element != std::byte{0}};
  return {};
}

Result<void> NpyWriter::open() {
  static std::atomic<uint32_t> number{0};
  std::error_code code;
  // What a link leads to is replaced, not the link.
  target_ = std::filesystem::is_symlink(file_, code)
                ? std::filesystem::weakly_canonical(file_, code).string()
                : file_;
  if (code) target_ = file_;
  struct stat found {};
  const bool exists = stat(target_.c_str(), &found) == 0;
  if (exists && !S_ISREG(found.st_mode))
    return fail(
        ErrorCode::IoError,
        S_ISDIR(found.st_mode) ? std::strerror(EISDIR) : "is no regular file, as a .npy file is",
        file_);
  temporary_ = target_ + "." + std::to_string(getpid()) + "-" + std::to_string(number++) + ".part";
  stream_.reset(std::fopen(temporary_.c_str(), "wbxe"));
  if (stream_ == nullptr) {
    temporary_.clear();
    return fail(ErrorCode::IoError, std::string("cannot be written: ") + std::strerror(errno),
                file_);
  }
  if (exists) (void)fchmod(fileno(stream_.get()), found.st_mode & 07777U);
  return {};
}

Result<NpyWriter> NpyWriter::create(const std::string& file, const ArrayType& type) {
  NpyWriter writer(file);
  if (auto opened = writer.open(); !opened) return tl::unexpected(opened.error());
  const std::string header = npy_header(type);
  if (auto done = writer.write(std::as_bytes(std::span(header))); !done)
    return tl::unexpected(done.error());
  return writer;
}

Result<void> NpyWriter::check(const std::string& file) { return NpyWriter(file).open(); }

NpyWriter::~NpyWriter() {
  if (stream_ != nullptr && !temporary_.empty()) unlink(temporary_.c_str());
}

Result<void> NpyWriter::write(std::span<const std::byte> elements) {
  if (std::fwrite(elements.data(), 1, elements.size(), stream_.get()) == elements.size()) return {};
  return fail(ErrorCode::IoError, std::string("cannot be written: ") + std::strerror(errno), file_);
}

Result<void> NpyWriter::commit() {
  // A file system may tell of a full disk only now.
  const bool written = std::fflush(stream_.get()) == 0 && fsync(fileno(stream_.get())) == 0;
  if (!written || std::rename(temporary_.c_str(), target_.c_str()) != 0)
    return fail(ErrorCode::IoError, std::string("cannot be written: ") + std::strerror(errno),
                file_);
  temporary_.clear();
  return {};
}

}  // namespace ringkernel
