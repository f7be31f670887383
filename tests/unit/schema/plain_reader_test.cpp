#include "schema/plain_reader.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <string>

#include "schema/careful_reader.hpp"

using namespace ringkernel::schema;

namespace {

MessageTypePtr order_type() {
  return make_message_type("Order",
                           {{"id", "u64", ""},
                            {"a_key_of_more_than_sixteen_bytes", "i32?", ""},
                            {"amount", "f64", ""},
                            {"note", "string[12] = none", ""},
                            {"side", "enum[buy, sell] = buy", ""},
                            {"raw", "bytes[4]?", "Raw Bytes"},
                            {"legs", "i16[2]?", ""}},
                           {})
      .value();
}

struct Readers {
  explicit Readers(bool tagged = false, bool ignore_unknown = false)
      : plan({order_type()}, tagged, ignore_unknown), plain(plan), careful(plan) {}

  // "taken", "left", or what is wrong.
  std::string read(const std::string& line) {
    const std::string padded = line + std::string(JsonReader::kPadding, '}');
    std::vector<std::byte> quick(order_type()->size, std::byte{0xA5}), slow(quick);
    uint32_t type = 0;
    const auto parsed = careful.read({padded.data(), line.size()}, slow.data());
    if (!plain.read({padded.data(), line.size()}, quick.data(), type)) return "left";
    if (!parsed) return "taken, though it is " + std::string(parsed.error().reason);
    return quick == slow ? "taken" : "other bytes";
  }

  LinePlan plan;
  PlainReader plain;
  CarefulReader careful;
};

}  // namespace

TEST_CASE("lines as programs write them are taken") {
  Readers readers;
  for (const char* line :
       {R"({"id":1,"amount":2.5})", R"({"id": 1, "amount": 2.5})", R"({"amount":2,"id":1})",
        R"( {"id":1,"amount":2.5} )",
        R"({"id":18446744073709551615,"a_key_of_more_than_sixteen_bytes":-7,"amount":1e3})",
        R"({"id":1,"amount":2.5,"note":"é \"quoted\"\n","side":"sell","Raw Bytes":"AAH/"})",
        R"({"id":1,"amount":2.5,"note":"","legs":[1,-2]})",
        R"({"id":1,"amount":2.5,"note":"twelve bytes","legs":[ 1 , -2 ],"Raw Bytes":null})",
        "{\"id\":1,\"amount\":2.5}\r"})
    CHECK_MESSAGE(readers.read(line) == "taken", line);
}

TEST_CASE("mistakes and rare spellings are left to the careful reader") {
  Readers readers;
  for (const char* line : {"",
                           "{",
                           "{}",
                           "[]",
                           "1",
                           R"({"id":1})",
                           R"({"id":1,"amount":2.5,})",
                           R"({"id":1,,"amount":2.5})",
                           R"({"id":1,"amount":2.5}})",
                           R"({"id":1,"amount":2.5} x)",
                           R"({"id":1,"id":1,"amount":2.5})",
                           R"({"id":1.0,"amount":2.5})",
                           R"({"id":01,"amount":2.5})",
                           R"({"id":1,"amount":2.})",
                           R"({"id":"1","amount":2.5})",
                           R"({"id":1,"amount":2.5,"other":1})",
                           R"({"id":1,"amount":2.5,"note":"thirteen byte"})",
                           R"({"id":1,"amount":2.5,"note":null})",
                           R"({"id":1,"amount":2.5,"side":"hold"})",
                           R"({"id":1,"amount":2.5,"legs":[1]})",
                           R"({"id":1,"amount":2.5,"legs":[1,2,]})",
                           R"({"id":1,"amount":2.5,"legs":[1,2,3]})",
                           R"({"id":1,"amount":2.5,"Raw Bytes":"A"})",
                           "{\"id\":1,\"amount\":2.5,\"note\":\"\x01\"}",
                           "{\"id\":1,\"amount\":2.5,\"note\":\"\xff\"}",
                           R"({"id":1,"amount":2.5,"note":"\x"})",
                           R"({"id":1,"amount":2.5,"note":"\u0041"})",
                           R"({"id":1 "amount":2.5})",
                           R"({"id" 1,"amount":2.5})",
                           R"({"id":1,"amount":2.5)",
                           R"({"id":1,"amount":2.5,"note":"open)"})
    CHECK_MESSAGE(readers.read(line) == "left", line);
}

TEST_CASE("ignored members are passed over where they are plain") {
  Readers readers(false, true);
  for (const char* line :
       {R"({"x":1,"id":1,"amount":2.5})", R"({"id":1,"amount":2.5,"x":"a\nb","y":null,"x":true})",
        R"({"id":1,"x":{"a":[1,{"b":-2.5e3}],"c":{},"d":[]},"amount":2.5,"z":false})"})
    CHECK_MESSAGE(readers.read(line) == "taken", line);
  for (const char* line :
       {R"({"x":01,"id":1,"amount":2.5})", R"({"x":1,})", R"({"x":tru,"id":1,"amount":2.5})",
        R"({"x":[1,],"id":1,"amount":2.5})", R"({"x":{"a"},"id":1,"amount":2.5})",
        "{\"x\":\"\xff\",\"id\":1,\"amount\":2.5}"})
    CHECK_MESSAGE(readers.read(line) == "left", line);
}

TEST_CASE("whole numbers are taken within the limits of their types") {
  const auto read = [](const std::string& type, const std::string& number) {
    const LinePlan plan({make_message_type("N", {{"n", type, ""}}, {}).value()}, false, false);
    const std::string line = "{\"n\":" + number + "}";
    const std::string padded = line + std::string(JsonReader::kPadding, '}');
    std::array<std::byte, 8> quick{}, slow{};
    uint32_t index = 0;
    if (!PlainReader(plan).read({padded.data(), line.size()}, quick.data(), index)) return "left";
    if (!CarefulReader(plan).read({padded.data(), line.size()}, slow.data())) return "wrong";
    return quick == slow ? "taken" : "other bytes";
  };
  for (const int bits : {8, 16, 32, 64}) {
    const uint64_t most = ~uint64_t{0} >> (64 - bits);
    const std::string width = std::to_string(bits);
    CHECK(read("u" + width, std::to_string(most)) == "taken");
    CHECK(read("u" + width, "-1") == "left");
    CHECK(read("u" + width, "-0") == "left");
    CHECK(read("i" + width, std::to_string(most >> 1)) == "taken");
    CHECK(read("i" + width, "-" + std::to_string(most >> 1)) == "taken");
    CHECK(read("i" + width, std::to_string((most >> 1) + 1)) == "left");
    if (bits < 64) CHECK(read("u" + width, std::to_string(most + 1)) == "left");
  }
}

TEST_CASE("a tag is taken where it comes first, and once") {
  Readers readers(true, true);
  CHECK(readers.read(R"({"type":"Order","id":1,"amount":2.5})") == "taken");
  CHECK(readers.read(R"({"type": "Order", "id": 1, "amount": 2.5})") == "taken");
  CHECK(readers.read(R"({"id":1,"type":"Order","amount":2.5})") == "left");
  CHECK(readers.read(R"({"type":"Order","id":1,"amount":2.5,"type":"Order"})") == "left");
  CHECK(readers.read(R"({"type":"Other","id":1,"amount":2.5})") == "left");
  CHECK(readers.read(R"({"type":"Order",})") == "left");
}

TEST_CASE("a line that is cut off is left where the bytes behind it would end it") {
  Readers readers(false, true);
  // Exactly as many bytes behind it as may be read.
  std::string line = R"({"id":1,"amount":2.5,"x":)" + std::string(20, '[') + "1";
  for (const std::string& behind :
       {std::string(JsonReader::kPadding, ']'), std::string(23, '7') + "." + std::string(40, '7'),
        std::string(23, '7') + std::string(41, ']')}) {
    std::vector<char> bytes(line.begin(), line.end());
    bytes.insert(bytes.end(), behind.begin(), behind.end());
    bytes.shrink_to_fit();
    std::vector<std::byte> out(order_type()->size);
    uint32_t type = 0;
    CHECK_FALSE(readers.plain.read({bytes.data(), line.size()}, out.data(), type));
  }
}

TEST_CASE("no line is longer than it is, whatever stands behind it") {
  Readers readers;
  const std::string line = R"({"id":1,"amount":2.5,"note":"abc","legs":[1,2]})";
  for (size_t size = 0; size < line.size(); ++size) {
    std::string padded = line + std::string(JsonReader::kPadding, '}');
    std::vector<std::byte> out(order_type()->size);
    uint32_t type = 0;
    CHECK_FALSE(readers.plain.read({padded.data(), size}, out.data(), type));
  }
}
