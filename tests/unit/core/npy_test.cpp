#include "core/npy.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "unit/launcher/scratch_folder.hpp"

using namespace ringkernel;

namespace {

// A file's beginning of any version.
std::string npy(const std::string& dictionary, char version = 1) {
  std::string bytes = std::string("\x93NUMPY") + version + '\0';
  bytes += static_cast<char>(dictionary.size() & 0xFFU);
  bytes += static_cast<char>(dictionary.size() >> 8U);
  if (version > 1) bytes += std::string(2, '\0');
  return bytes + dictionary;
}
std::string describing(const std::string& descr, const std::string& shape = "(2, 3)",
                       const std::string& fortran = "False") {
  return npy("{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape +
             ", }\n");
}
std::string complaint(const std::string& bytes) {
  const auto header = parse_npy_header(bytes);
  REQUIRE_FALSE(header.has_value());
  CHECK(header.error().code == ErrorCode::ValidationError);
  return header.error().message;
}

std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
size_t files_in(const std::string& folder) {
  const std::filesystem::directory_iterator all(folder);
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

}  // namespace

TEST_CASE("what is written as a header is numpy's, aligned to 64, and reads as what it was") {
  // numpy.save of zeros((512, 512), 'f4'), byte for byte.
  CHECK(npy_header({Scalar::F32, {512, 512}}) ==
        std::string("\x93NUMPY\x01\x00v\x00", 10) +
            "{'descr': '<f4', 'fortran_order': False, 'shape': (512, 512), }" +
            std::string(54, ' ') + "\n");
  for (uint8_t element = 0; element <= static_cast<uint8_t>(Scalar::F64); ++element)
    for (const std::vector<uint64_t>& extents :
         {std::vector<uint64_t>{7}, {1, 2}, {3, 4, 5}, {1, 1000, 1, 1000}}) {
      const ArrayType type{static_cast<Scalar>(element), extents};
      const std::string bytes = npy_header(type);
      CHECK(bytes.size() % 64 == 0);
      const auto header = parse_npy_header(bytes);
      REQUIRE(header.has_value());
      CHECK(header->type == type);
      CHECK(header->size == bytes.size());
    }
}

TEST_CASE("headers of all versions and of other writers are read") {
  const std::string dictionary = "{\"shape\":(2L,3),'fortran_order':False ,'descr':'=u2'}";
  for (const char version : {'\1', '\2', '\3'}) {
    const auto header = parse_npy_header(npy(dictionary, version));
    REQUIRE(header.has_value());
    CHECK(header->type == ArrayType{Scalar::U16, {2, 3}});
    CHECK(header->size == dictionary.size() + (version == 1 ? 10 : 12));
  }
  CHECK(parse_npy_header(describing("<u1"))->type.element == Scalar::U8);
  CHECK(parse_npy_header(describing(">i1"))->type.element == Scalar::I8);
  CHECK(parse_npy_header(describing("|b1"))->type.element == Scalar::Bool);
  CHECK(parse_npy_header(describing("<f8", "()"))->type.extents.empty());
  // One dimension has no order.
  CHECK(parse_npy_header(describing("<f8", "(9,)", "True")).has_value());
}

TEST_CASE("what no buffer can be is refused, with what to do about it") {
  CHECK(complaint("") == "is no .npy file: write one with numpy.save");
  CHECK(complaint("PK\x03\x04 an .npz") == "is no .npy file: write one with numpy.save");
  CHECK(complaint(npy("", 4)) == "is a .npy file of version 4, and 1 to 3 can be read");
  CHECK(complaint(describing("<f4").substr(0, 40)) == "is cut off within its header");
  CHECK(complaint(describing("<f4").substr(0, 9)) == "is no .npy file: write one with numpy.save");
  CHECK(complaint(describing(">f4")) == "is big endian: save a.astype(a.dtype.newbyteorder('<'))");
  CHECK(complaint(describing("<f4", "(2, 3)", "True")) ==
        "is in Fortran order: save numpy.ascontiguousarray(a)");
  CHECK(complaint(describing("<c16")) ==
        "holds elements '<c16', and a buffer has bool, integers, float32 or float64");
  CHECK(complaint(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }")) ==
        "holds records of several fields: save each field as an array of its own");
  CHECK(complaint(describing("<f8", "(4294967296, 4294967296)")).find("more than any buffer can") !=
        std::string::npos);
  for (const char* dictionary :
       {"", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} 7",
        "{'descr': '', 'fortran_order': False, 'shape': (2,)}"}) {
    CAPTURE(dictionary);
    CHECK(complaint(npy(dictionary)) == "is a .npy file with a header that nobody can read");
  }
}

TEST_CASE("an array is what was written, and is there only as a whole") {
  const ScratchFolder folder;
  const std::string file = folder.path() + "/a.npy";
  const ArrayType type{Scalar::I16, {2, 3}};
  const std::vector<int16_t> numbers = {1, -2, 3, -4, 5, -6};
  const auto write = [&] {
    auto writer = NpyWriter::create(file, type);
    REQUIRE(writer.has_value());
    REQUIRE(writer->write(std::as_bytes(std::span(numbers).first(4))).has_value());
    REQUIRE(writer->write(std::as_bytes(std::span(numbers).subspan(4))).has_value());
    return std::move(*writer);
  };
  (void)write();
  CHECK(files_in(folder.path()) == 0);
  REQUIRE(write().commit().has_value());
  CHECK(files_in(folder.path()) == 1);
  auto reader = NpyReader::open(file);
  REQUIRE(reader.has_value());
  CHECK(reader->type() == type);
  CHECK(reader->expect({Scalar::F64, {2, 3}}).error().message ==
        "holds int16 (2, 3), and the buffer is f64[2,3]");
  std::vector<int16_t> found(6);
  REQUIRE(reader->read(std::as_writable_bytes(std::span(found))).has_value());
  CHECK(found == numbers);
  std::byte beyond{};
  CHECK(reader->read({&beyond, 1}).error().message == "was cut off meanwhile");
  // What is replaced keeps its permissions, and a link its place.
  REQUIRE(chmod(file.c_str(), 0600) == 0);
  std::filesystem::create_directory(folder.path() + "/d");
  const std::string link = folder.path() + "/d/link.npy";
  std::filesystem::create_symlink("../a.npy", link);
  {
    auto writer = NpyWriter::create(link, {Scalar::U8, {1}});
    REQUIRE(writer.has_value());
    REQUIRE(writer->write(std::as_bytes(std::span("x", 1))).has_value());
    REQUIRE(writer->commit().has_value());
  }
  CHECK(NpyReader::open(file)->type() == ArrayType{Scalar::U8, {1}});
  struct stat is {};
  REQUIRE(stat(file.c_str(), &is) == 0);
  CHECK((is.st_mode & 0777U) == 0600);
  CHECK(std::filesystem::is_symlink(link));
}

TEST_CASE("a file that cannot be an array, or not be written, says why") {
  const ScratchFolder folder;
  const std::string file = folder.path() + "/a.npy";
  CHECK(NpyReader::open(file).error().code == ErrorCode::NotFound);
  CHECK(NpyReader::open(folder.path()).error().message == "Is a directory");
  CHECK(NpyReader::open("/dev/zero").error().message == "is no regular file, as a .npy file is");
  const std::string header = npy_header({Scalar::F64, {4}});
  std::ofstream(file) << header << std::string(31, 'x');
  CHECK(NpyReader::open(file).error().message == "has " + std::to_string(header.size() + 31) +
                                                     " bytes, and float64 (4,) takes " +
                                                     std::to_string(header.size() + 32));
  std::ofstream(file) << header << std::string(33, 'x');
  CHECK(NpyReader::open(file).error().code == ErrorCode::ValidationError);
  CHECK(NpyWriter::check(folder.path()).error().message == "Is a directory");
  CHECK(NpyWriter::check("/dev/null").error().message == "is no regular file, as a .npy file is");
  CHECK(NpyWriter::check(folder.path() + "/no/a.npy").error().message ==
        "cannot be written: No such file or directory");
  CHECK(NpyWriter::check(file).has_value());
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("bools of a file are bools") {
  const ScratchFolder folder;
  const std::string file = folder.path() + "/a.npy";
  std::ofstream(file) << npy_header({Scalar::Bool, {3}}) << std::string("\0\1\7", 3);
  std::vector<std::byte> found(3);
  REQUIRE(NpyReader::open(file)->read(found).has_value());
  CHECK(found == std::vector<std::byte>{std::byte{0}, std::byte{1}, std::byte{1}});
  CHECK(text_of(file).size() % 64 == 3);
}
