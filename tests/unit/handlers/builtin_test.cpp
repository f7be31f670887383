#include "handlers/builtin.hpp"

#include <doctest/doctest.h>

#include "scratch.hpp"

using namespace ringkernel;
using namespace ringkernel::handlers;

namespace {

HandlerSpec echo() {
  HandlerSpec spec;
  spec.kernel = "copy";
  spec.kind = HandlerSpec::Kind::Builtin;
  spec.builtin = "echo";
  auto order =
      message("Order", {{"id", "u64", ""}, {"account", "u32", ""}, {"note", "string[100]", ""}});
  spec.accepts = {order};
  spec.emits = {{"out", order, 1}};
  return spec;
}

}  // namespace

TEST_CASE("echo takes any message and needs no compiler") {
  LoadOptions options;
  options.compiler = "/nonexistent/c++";
  HandlerSpec spec = echo();
  auto loaded = load_handlers({&spec, 1}, options);
  REQUIRE(loaded.has_value());
  const HandlerModule& module = *(*loaded)[0].module;
  CHECK(!(*loaded)[0].compiled);
  CHECK(module.accepts[0].size == spec.accepts[0]->size);
  CHECK(module.ports[0].message.fingerprint == spec.accepts[0]->fingerprint);
  CHECK(std::string(module.ports[0].name) == "out");
  CHECK(module.keys == nullptr);
}

TEST_CASE("a keyed echo routes by its key") {
  HandlerSpec spec = echo();
  spec.keys = {{spec.accepts[0], {"account"}}};
  auto module = make_builtin(spec);
  REQUIRE(module.has_value());
  REQUIRE((*module)->keys != nullptr);
  CHECK((*module)->keys[0].size == 4);
  CHECK((*module)->keys[0].fields[0].offset == 8);
}

TEST_CASE("a builtin that does not fit its declaration is refused") {
  HandlerSpec spec = echo();
  spec.emits.clear();
  CHECK(!make_builtin(spec).has_value());
  spec = echo();
  spec.builtin = "discard";
  CHECK(!make_builtin(spec).has_value());
  spec.emits.clear();
  CHECK(make_builtin(spec).has_value());
  spec.builtin = "nonsense";
  CHECK(!make_builtin(spec).has_value());
}
