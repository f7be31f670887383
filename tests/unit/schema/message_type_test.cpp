#include "schema/message_type.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>

#include "ringkernel/device/value.hpp"

using namespace ringkernel::schema;

namespace {

struct Inner {
  uint8_t a;
  uint32_t b;
};
struct Everything {
  bool flag;
  uint16_t u;
  int64_t i;
  float f;
  double d;
  ringkernel::String<5> s;
  ringkernel::Bytes<3> b;
  uint8_t e;
  Inner inner;
  Inner inners[2];
  ringkernel::Array<uint64_t, 3> list;
  ringkernel::Optional<double> od;
  ringkernel::Optional<ringkernel::String<2>> os;
  ringkernel::Optional<Inner> oi;
  uint8_t last;
};

std::string code_of(const std::string& type) {
  auto made = make_message_type("M", {{"x", type, ""}}, {});
  return made ? to_string((*made)->fields[0].type) : made.error()[0].code;
}

}  // namespace

TEST_CASE("the layout is the C struct's") {
  auto inner = make_message_type("Inner", {{"a", "u8", ""}, {"b", "u32", ""}}, {}).value();
  auto m = make_message_type("Everything",
                             {{"flag", "bool", ""},
                              {"u", "u16", ""},
                              {"i", "i64", ""},
                              {"f", "f32", ""},
                              {"d", "f64", ""},
                              {"s", "string[5]", ""},
                              {"b", "bytes[3]", ""},
                              {"e", "enum[one, two]", ""},
                              {"inner", "Inner", ""},
                              {"inners", "Inner[2]", ""},
                              {"list", "u64[<=3]", ""},
                              {"od", "f64?", ""},
                              {"os", "string[2]?", ""},
                              {"oi", "Inner?", ""},
                              {"last", "u8", ""}},
                             {inner})
               .value();
  CHECK(m->size == sizeof(Everything));
  CHECK(m->alignment == alignof(Everything));
#define SAME(name) CHECK(m->field(#name)->offset == offsetof(Everything, name))
  SAME(flag);
  SAME(u);
  SAME(i);
  SAME(f);
  SAME(d);
  SAME(s);
  SAME(b);
  SAME(e);
  SAME(inner);
  SAME(inners);
  SAME(list);
  SAME(od);
  SAME(os);
  SAME(oi);
  SAME(last);
#undef SAME
}

TEST_CASE("types are read as they are written") {
  for (const char* type : {"bool", "u64", "f32?", "string[32]", "bytes[65535]?", "enum[a, b]",
                           "i8[4]", "u8[<=1000]?", "string[3][2]"})
    CHECK(code_of(type) == type);
  CHECK(code_of(" enum[ a,b ] ?") == "enum[a, b]?");
}

TEST_CASE("mistakes in types have codes, places and suggestions") {
  CHECK(code_of("u63") == "unknown-type");
  CHECK(code_of("") == "bad-type");
  CHECK(code_of("string") == "bad-type");
  CHECK(code_of("string[0]") == "bad-size");
  CHECK(code_of("string[65536]") == "bad-size");
  CHECK(code_of("u8[0]") == "bad-size");
  CHECK(code_of("u64[200000]") == "too-large");
  CHECK(code_of("enum[]") == "bad-name");
  CHECK(code_of("enum[a, a]") == "duplicate-name");
  CHECK(code_of("enum[int]") == "name-reserved");
  CHECK(code_of("u8[2][2]") == "bad-type");
  CHECK(code_of("u8 x") == "bad-type");
  CHECK(code_of("u8 = 256") == "bad-default");
  CHECK(code_of("string[2] = abc") == "bad-default");
  auto made = make_message_type("M", {{"x", "string[4][3] = u", ""}, {"y", "strin[3]", ""}}, {});
  REQUIRE_FALSE(made.has_value());
  REQUIRE(made.error().size() == 2);
  CHECK(made.error()[1].field == "y");
  CHECK(made.error()[1].suggestion == "did you mean 'string'?");
}

TEST_CASE("names are identifiers and stand once") {
  CHECK_FALSE(make_message_type("M", {{"a b", "u8", ""}}, {}).has_value());
  CHECK_FALSE(make_message_type("M", {{"class", "u8", ""}}, {}).has_value());
  CHECK_FALSE(make_message_type("M", {{"a", "u8", ""}, {"a", "u8", ""}}, {}).has_value());
  CHECK_FALSE(make_message_type("M", {{"a", "u8", "x"}, {"b", "u8", "x"}}, {}).has_value());
  CHECK(make_message_type("M", {}, {}).has_value());
}

TEST_CASE("fingerprints tell types apart") {
  auto of = [](const char* type, const char* json) {
    return make_message_type("M", {{"a", type, json}}, {}).value()->fingerprint;
  };
  CHECK(of("u8", "") == of("u8", ""));
  CHECK(of("u8", "") != of("i8", ""));
  CHECK(of("u8", "") != of("u8", "b"));
}

TEST_CASE("a param has a type and a value") {
  auto limit = make_param("limit", "f64 = 1000");
  REQUIRE(limit.has_value());
  double value = 0;
  std::memcpy(&value, limit->default_value.data(), sizeof value);
  CHECK(value == 1000.0);
  CHECK(make_param("limit", "f64").error().code == "missing-default");
  CHECK(make_param("limit", "u8[3] = 1").error().code == "bad-default");
  CHECK(make_param("limit", "f64 = x").error().code == "bad-default");
}
