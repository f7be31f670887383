#include "launcher/value_maker.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "schema/json_codec.hpp"

using namespace ringkernel;
using launcher::ValueMaker;

namespace {

schema::MessageTypePtr type_of(const std::vector<schema::FieldDeclaration>& fields) {
  const auto inner =
      schema::make_message_type("Inner", {{"a", "u8", ""}, {"b", "f32?", ""}}, {}).value();
  return schema::make_message_type("All", fields, {inner}).value();
}

topology::Topology keyed_by(const schema::MessageTypePtr& type,
                            const std::vector<std::string>& fields) {
  topology::Topology topology;
  topology::Kernel kernel;
  kernel.name = "kernel";
  kernel.keys = {{type, fields}};
  topology.kernels.push_back(kernel);
  return topology;
}

std::string made(ValueMaker& maker, const schema::MessageTypePtr& type, uint64_t number) {
  std::vector<std::byte> payload(type->size, std::byte{0xAA});
  maker.make(*type, number, payload.data());
  return {reinterpret_cast<const char*>(payload.data()), payload.size()};
}

}  // namespace

TEST_CASE("what is made of every kind of field is written and read back as it is") {
  const auto type = type_of({{"yes", "bool", ""},
                             {"b", "u8", ""},
                             {"i", "i8?", ""},
                             {"h", "i16", ""},
                             {"w", "u32", ""},
                             {"l", "i64", ""},
                             {"f", "f32", ""},
                             {"d", "f64?", ""},
                             {"s", "string[5]?", ""},
                             {"long_s", "string[99]", ""},
                             {"data", "bytes[4]", ""},
                             {"colour", "enum[red, green]", ""},
                             {"inner", "Inner?", ""},
                             {"list", "u16[<=3]", ""},
                             {"inners", "Inner[<=40]", ""},
                             {"three", "f64[3]", ""},
                             {"doubles", "f64[<=2]?", ""}});
  ValueMaker maker({}, {}, 10);
  schema::JsonWriter writer({type}, "");
  schema::JsonReader reader({type}, false, schema::UnknownFields::Error);
  std::set<std::string> different;
  for (uint64_t number = 0; number < 500; ++number) {
    const std::string payload = made(maker, type, number);
    different.insert(payload);
    std::string line;
    writer.write(0, reinterpret_cast<const std::byte*>(payload.data()), line);
    const size_t size = line.size();
    line.append(schema::JsonReader::kPadding, ' ');
    std::string again(type->size, '\x55');
    const auto parsed = reader.read(std::string_view(line).substr(0, size),
                                    reinterpret_cast<std::byte*>(again.data()));
    CAPTURE(line);
    REQUIRE(parsed.has_value());
    CHECK(again == payload);
  }
  CHECK(different.size() == 500);
}

TEST_CASE("a field that kernels are keyed by takes as many values as are asked for") {
  for (const char* declared :
       {"u32", "i16", "u64?", "f64", "string[3]", "string[8]?", "bytes[4]"}) {
    CAPTURE(declared);
    const auto type = type_of({{"account", declared, ""}, {"amount", "f64", ""}});
    const topology::Topology topology = keyed_by(type, {"account"});
    ValueMaker maker(topology, {}, 300);
    std::set<std::string> keys;
    for (uint64_t number = 0; number < 2000; ++number)
      keys.insert(made(maker, type, number).substr(0, type->fields[0].type.size));
    CHECK(keys.size() == 300);
  }
  // No more than its type has.
  const auto type = type_of({{"account", "enum[a, b, c]", ""}});
  const topology::Topology topology = keyed_by(type, {"account"});
  ValueMaker maker(topology, {}, 300);
  std::set<std::string> keys;
  for (uint64_t number = 0; number < 2000; ++number) keys.insert(made(maker, type, number));
  CHECK(keys.size() == 3);
}

TEST_CASE("a deadline is far, or absent where it may be") {
  const auto type = type_of({{"until", "u64", ""}, {"maybe", "u64?", ""}});
  topology::Input input;
  input.deadline_field = "until";
  ValueMaker maker({}, input, 10);
  uint64_t until = 0;
  std::memcpy(&until, made(maker, type, 3).data(), sizeof until);
  CHECK(until > uint64_t{253'000'000'000} * 1'000'000);
  input.deadline_field = "maybe";
  ValueMaker other({}, input, 10);
  for (uint64_t number = 0; number < 20; ++number)
    CHECK(made(other, type, number)[type->fields[1].offset + sizeof(uint64_t)] == 0);
}

TEST_CASE("a field that says the block names one there is") {
  const auto type = type_of({{"place", "u32", ""}});
  topology::Topology topology;
  topology::Kernel kernel;
  kernel.name = "kernel";
  kernel.launch.grid_size = 3;
  topology.kernels.push_back(kernel);
  topology::Wire wire;
  wire.to = "kernel";
  wire.route = topology::Route::BlockField;
  wire.block_field = "place";
  topology.wires.push_back(wire);
  ValueMaker maker(topology, {}, 10);
  std::set<uint32_t> places;
  for (uint64_t number = 0; number < 200; ++number) {
    uint32_t place = 0;
    std::memcpy(&place, made(maker, type, number).data(), sizeof place);
    places.insert(place);
  }
  CHECK(places == std::set<uint32_t>{0, 1, 2});
}
