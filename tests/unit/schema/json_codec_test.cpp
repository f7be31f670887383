#include "schema/json_codec.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

using namespace ringkernel::schema;

namespace {

MessageTypePtr order() {
  return make_message_type("Order",
                           {{"id", "u64", ""},
                            {"account", "u32", ""},
                            {"amount", "f64", ""},
                            {"currency", "string[3]", ""},
                            {"note", "string[8]?", ""},
                            {"side", "enum[buy, sell] = buy", ""},
                            {"raw", "bytes[4]?", "Raw Bytes"},
                            {"legs", "i16[2]?", ""},
                            {"tags", "u8[<=3]?", ""}},
                           {})
      .value();
}

// What reading gives: the payload written again, or "reason@column".
std::string through(JsonReader& reader, JsonWriter& writer, std::string line) {
  std::string padded = line + std::string(JsonReader::kPadding, '\0');
  std::vector<std::byte> payload(1024, std::byte{0xAA});
  auto parsed = reader.read({padded.data(), line.size()}, payload.data());
  if (!parsed)
    return std::string(parsed.error().reason) + "@" + std::to_string(parsed.error().column);
  std::string out;
  writer.write(parsed->type, payload.data(), out);
  return out;
}

std::string order_of(const std::string& line, UnknownFields unknown = UnknownFields::Error) {
  JsonReader reader({order()}, false, unknown);
  JsonWriter writer({order()}, "");
  std::string result = through(reader, writer, line);
  return result.substr(0, result.find('@'));
}

const std::string kRest = R"(,"account":7,"amount":1.5,"currency":"EUR")";

}  // namespace

TEST_CASE("a line is read and written again in declared order") {
  CHECK(
      order_of(
          R"({"id":18446744073709551615,"account":4294967295,"amount":900.25,"currency":"EUR"})") ==
      R"({"id":18446744073709551615,"account":4294967295,"amount":900.25,"currency":"EUR","note":null,"side":"buy","Raw Bytes":null,"legs":null,"tags":null})");
  CHECK(
      order_of(
          R"( { "tags" : [ 1, 2 ] , "legs":[-1,2], "Raw Bytes":"AAH/", "side":"sell","note":"a\"\u00e9\n",  "currency":"E", "amount":-1e-3, "account":0, "id":1 } )") ==
      R"({"id":1,"account":0,"amount":-0.001,"currency":"E","note":"a\"é\n","side":"sell","Raw Bytes":"AAH/","legs":[-1,2],"tags":[1,2]})");
  CHECK(order_of("{\"id\":1" + kRest + "}\r") != "not_json");
}

TEST_CASE("a fraction with many digits keeps its value") {
  const auto amount_of = [](const std::string& number) {
    // Not plain: an escape that takes the careful reader.
    std::string line = R"({"id":1,"account":7,"amount":)" + number + R"(,"currency":"\u0045"})";
    const std::string out = order_of(line);
    const size_t at = out.find("\"amount\":") + 9;
    return out.substr(at, out.find(',', at) - at);
  };
  CHECK(amount_of("0.18446744073709551616") == "0.1844674407370955");
  CHECK(amount_of("-184467440737095516160") == "-184467440737095516160");
  CHECK(amount_of("0.5000000000000000000000001") == "0.5");
  CHECK(amount_of("-0.71234567890123456789012e1") == "-7.123456789012345");
  CHECK(amount_of("-0.71234567890123456789012e-400") == "-0");
  CHECK(order_of(R"({"id":1,"account":7,"amount":0.71234567890123456789012e400,"currency":""})") ==
        "out_of_range");
  CHECK(amount_of("0.0") == "0");
  CHECK(amount_of("-0.0") == "-0");
  CHECK(amount_of("1e-400") == "0");
}

TEST_CASE("each mistake has its reason") {
  struct Case {
    const char* line;
    const char* reason;
  };
  for (const Case& c : {
           Case{"", "not_json"},
           Case{"nonsense", "not_json"},
           Case{"[1]", "not_an_object"},
           Case{"7", "not_an_object"},
           Case{R"({"id":1,"account":7,"amount":1.5})", "missing_field"},
           Case{R"({"id":1,"account":7,"amount":1.5,"currency":"EUR","x":1})", "unknown_field"},
           Case{R"({"id":1,"account":7,"id":2,"amount":1.5,"currency":"EUR"})", "repeated_field"},
           Case{R"({"id":"1","account":7,"amount":1.5,"currency":"EUR"})", "wrong_type"},
           Case{R"({"id":1.0,"account":7,"amount":1.5,"currency":"EUR"})", "wrong_type"},
           Case{R"({"id":null,"account":7,"amount":1.5,"currency":"EUR"})", "wrong_type"},
           Case{R"({"id":-1,"account":7,"amount":1.5,"currency":"EUR"})", "out_of_range"},
           Case{R"({"id":18446744073709551616,"account":7,"amount":1.5,"currency":"EUR"})",
                "out_of_range"},
           Case{R"({"id":1,"account":4294967296,"amount":1.5,"currency":"EUR"})", "out_of_range"},
           Case{R"({"id":1,"account":7,"amount":1e999,"currency":"EUR"})", "out_of_range"},
           Case{R"({"id":1,"account":7,"amount":NaN,"currency":"EUR"})", "not_json"},
           Case{R"({"id":01,"account":7,"amount":1.5,"currency":"EUR"})", "not_json"},
           Case{R"({"id":1,"account":7,"amount":true,"currency":"EUR"})", "wrong_type"},
           Case{R"({"id":1,"account":7,"amount":1.5,"currency":"EURO"})", "string_too_long"},
           Case{R"({"id":1,"account":7,"amount":1.5,"currency":"EUR","side":"hold"})",
                "unknown_name"},
           Case{R"({"id":1,"account":7,"amount":1.5,"currency":"EUR","Raw Bytes":"A"})",
                "bad_base64"},
           Case{R"({"id":1,"account":7,"amount":1.5,"currency":"EUR","Raw Bytes":"AAAAAAAA"})",
                "string_too_long"},
           Case{R"({"id":1,"account":7,"amount":1.5,"currency":"EUR","legs":[1]})", "wrong_length"},
           Case{R"({"id":1,"account":7,"amount":1.5,"currency":"EUR","tags":[1,2,3,4]})",
                "list_too_long"},
           Case{R"({"id":1,"account":7,"amount":1.5,"currency":"EUR","tags":[1,256]})",
                "out_of_range"},
           Case{R"({"id":1,"account":7,"amount":1.5,"currency":"EUR"}{"id":2})", "two_documents"},
           Case{R"({"id":1,"account":7,"amount":1.5,"currency":"EUR"} x)", "not_json"},
           Case{R"({"id":1,"account":7,"amount":1.5,"currency":"EUR")", "not_json"},
           Case{R"({"id":1,"account":7,"amount":1.5,"currency":"EUR)", "not_json"},
           Case{"{\"id\":1,\"account\":7,\"amount\":1.5,\"currency\":\"E\xFF\"}", "bad_utf8"},
           Case{R"({"id":1,"account":7,"amount":1.5,"currency":"\q"})", "not_json"},
       }) {
    CAPTURE(c.line);
    CHECK(order_of(c.line) == c.reason);
  }
}

TEST_CASE("unknown fields may be ignored, their structure not") {
  std::string good = R"({"x":{"y":[1,{"z":null}],"w":"\u00e9"},"id":1)" + kRest + "}";
  CHECK(order_of(good, UnknownFields::Ignore).substr(0, 9) == R"({"id":1,")");
  CHECK(order_of(R"({"x":[1,tru],"id":1)" + kRest + "}", UnknownFields::Ignore) == "not_json");
  std::string deep =
      "{\"x\":" + std::string(2000, '[') + std::string(2000, ']') + ",\"id\":1" + kRest + "}";
  CHECK(order_of(deep, UnknownFields::Ignore) == "too_deep");
}

TEST_CASE("an error names its column") {
  JsonReader reader({order()}, false, UnknownFields::Error);
  std::string line = R"({"id":1,"account":"x","amount":1.5,"currency":"EUR"})";
  std::string padded = line + std::string(JsonReader::kPadding, '\0');
  std::vector<std::byte> payload(256);
  auto parsed = reader.read({padded.data(), line.size()}, payload.data());
  REQUIRE_FALSE(parsed.has_value());
  CHECK(parsed.error().column == 19);
  CHECK(parsed.error().detail == "field 'account': expected an integer, found a string");
}

TEST_CASE("an error names the whole path of its field") {
  auto inner = make_message_type("Inner", {{"a", "u8", ""}}, {}).value();
  auto outer = make_message_type("Outer", {{"in", "Inner[2]", ""}}, {inner}).value();
  JsonReader reader({outer}, false, UnknownFields::Error);
  const auto detail_of = [&](const std::string& line) {
    std::string padded = line + std::string(JsonReader::kPadding, '\0');
    std::vector<std::byte> payload(16);
    auto parsed = reader.read({padded.data(), line.size()}, payload.data());
    return parsed ? std::string() : parsed.error().detail;
  };
  CHECK(detail_of(R"({"in":[{"a":1},{"a":1,"a":2}]})") == "field 'in[1].a' stands twice");
  CHECK(detail_of(R"({"in":[{"a":1},{}]})") == "field 'in[1].a' is missing");
  CHECK(detail_of(R"({"in":[{"a":1},{"a":256}]})") == "field 'in[1].a': 256 does not fit u8");
  CHECK(detail_of(R"({"in":[{"a":1},{"a":1}]},)") ==
        "the line does not end with the end of its object");
}

TEST_CASE("a tagged line names its message anywhere in it") {
  auto a = make_message_type("A", {{"x", "u8", ""}}, {}).value();
  auto b = make_message_type("B", {{"y", "string[4]", ""}, {"a", "A", ""}}, {a}).value();
  JsonReader reader({a, b}, true, UnknownFields::Error);
  JsonWriter writer({a, b}, "type");
  CHECK(through(reader, writer, R"({"x":5,"type":"A"})") == R"({"type":"A","x":5})");
  CHECK(through(reader, writer, R"({"type":"B","y":"hi","a":{"x":1}})") ==
        R"({"type":"B","y":"hi","a":{"x":1}})");
  CHECK(through(reader, writer, R"({"type":"A","x":5,"type":"A"})").substr(0, 14) ==
        "repeated_field");
  CHECK(through(reader, writer, R"({"\u0074ype":"A","x":5})") == R"({"type":"A","x":5})");
  CHECK(through(reader, writer, R"({"x":5,"t\u0079pe":"A"})") == R"({"type":"A","x":5})");
  CHECK(through(reader, writer, R"({"\u0074ype":"C","x":5})").substr(0, 12) == "unknown_type");
  CHECK(through(reader, writer, R"({"\u0074ype":7,"x":5})").substr(0, 12) == "missing_type");
  CHECK(through(reader, writer, R"({"type":"A","x":5,"\u0074ype":"A"})").substr(0, 14) ==
        "repeated_field");
  CHECK(through(reader, writer, R"({"x":{"\u0074ype":"A"}})").substr(0, 12) == "missing_type");
  CHECK(through(reader, writer, R"({"\ud800":1,"x":5})").substr(0, 8) == "not_json");
  CHECK(through(reader, writer, R"({"x":5})").substr(0, 12) == "missing_type");
  CHECK(through(reader, writer, R"({"x":5,"type":"C"})").substr(0, 12) == "unknown_type");
  CHECK(through(reader, writer, R"({"x":5,"type":7})").substr(0, 12) == "missing_type");
}

TEST_CASE("what no JSON number can say is written as null and counted") {
  auto type = make_message_type("F", {{"a", "f64", ""}, {"b", "f32", ""}}, {}).value();
  struct {
    double a;
    float b;
  } payload{1.0 / 0.0, 0.1F};
  JsonWriter writer({type}, "");
  std::string out;
  writer.write(0, reinterpret_cast<const std::byte*>(&payload), out);
  CHECK(out == R"({"a":null,"b":0.1})");
  CHECK(writer.non_finite() == 1);
}

TEST_CASE("bytes that are no valid value never make invalid JSON") {
  auto type = make_message_type("S", {{"s", "string[4]", ""}, {"e", "enum[x, y]", ""}}, {}).value();
  unsigned char payload[8] = {9, 0, 'a', 0xFF, '"', 'b', 200, 0};
  JsonWriter writer({type}, "");
  std::string out;
  writer.write(0, reinterpret_cast<const std::byte*>(payload), out);
  CHECK(out == "{\"s\":\"a\xEF\xBF\xBD\\\"b\",\"e\":\"y\"}");
}
