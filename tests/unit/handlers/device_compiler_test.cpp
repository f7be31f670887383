#include "handlers/device_compiler.hpp"

#include "scratch.hpp"

using namespace ringkernel;
using namespace ringkernel::handlers;

namespace {

// False, and says so: there is nothing to test with.
bool has_nvrtc() {
  const auto nvrtc = Nvrtc::open();
  if (!nvrtc) MESSAGE("skipped: " << nvrtc.error().message);
  return nvrtc.has_value();
}

}  // namespace

TEST_CASE("a handler becomes a cubin, and the second time comes from the cache") {
  if (!has_nvrtc()) return;
  const Scratch scratch;
  const ArtefactCache cache(scratch / "cache");
  const auto first = compile_for_device(scoring(kScore), "sm_90", cache);
  REQUIRE_MESSAGE(first.has_value(), first.error().message);
  CHECK(first->compiled);
  CHECK(
      first->image.starts_with("\x7f"
                               "ELF"));
  CHECK(first->usage.registers > 0);
  const auto second = compile_for_device(scoring(kScore), "sm_90", cache);
  REQUIRE(second.has_value());
  CHECK(!second->compiled);
  CHECK(second->image == first->image);
  CHECK(second->usage.registers == first->usage.registers);
  CHECK((*Nvrtc::open())->supports("sm_90"));
  CHECK(!(*Nvrtc::open())->supports("sm_9"));
}

TEST_CASE("a header that the handler includes is part of what it was made from") {
  if (!has_nvrtc()) return;
  const Scratch scratch;
  const ArtefactCache cache(scratch / "cache");
  scratch.write("limit.hpp", "#define LIMIT 1\n");
  HandlerSpec spec = scoring("");
  spec.kind = HandlerSpec::Kind::Source;
  spec.source = scratch.write("score.hpp",
                              "#include <ringkernel/handler.hpp>\n#include \"limit.hpp\"\n"
                              "RK_HANDLER void on_message(Context& ctx, const Order& m) {\n"
                              "  if (m.id > LIMIT + MORE) ctx.fail(\"no\");\n}\n");
  spec.flags = {"-O3", "-D", "MORE=2", "-march=native"};  // the first and the last are the host's
  for (const bool compiled : {true, false}) {
    const auto code = compile_for_device(spec, "sm_75", cache);
    REQUIRE_MESSAGE(code.has_value(), code.error().message);
    CHECK(code->compiled == compiled);
  }
  scratch.write("limit.hpp", "#define LIMIT 1000\n");
  const auto changed = compile_for_device(spec, "sm_75", cache);
  REQUIRE(changed.has_value());
  CHECK(changed->compiled);
}

TEST_CASE("an error is at the user's own file, line and column") {
  if (!has_nvrtc()) return;
  const Scratch scratch;
  const ArtefactCache cache(scratch / "cache");
  HandlerSpec spec =
      scoring("RK_HANDLER void on_message(Context& ctx, const Order& order) {\n  ctx.emti();\n}\n");
  auto failed = compile_for_device(spec, "sm_90", cache);
  REQUIRE(!failed.has_value());
  CHECK(failed.error().code == ErrorCode::CompilationError);
  CHECK(failed.error().where == "score");
  INFO(failed.error().message);
  CHECK(has(failed.error().message, "topology.yaml:13:7: error: "));

  spec.kind = HandlerSpec::Kind::Source;
  spec.source = scratch.write("bad.hpp", "#include <cmath>\n");
  failed = compile_for_device(spec, "sm_90", cache);
  REQUIRE(!failed.has_value());
  CHECK(has(failed.error().message, "bad.hpp:1:"));
  CHECK(has(failed.error().message, "cmath"));
  spec.source = scratch / "missing.hpp";
  CHECK(compile_for_device(spec, "sm_90", cache).error().code == ErrorCode::NotFound);
}

TEST_CASE("built-ins compile for a GPU as handlers do") {
  if (!has_nvrtc()) return;
  const Scratch scratch;
  const ArtefactCache cache(scratch / "cache");
  const auto order = message("Order", {{"id", "u64", ""}, {"note", "string[9]?", ""}});
  HandlerSpec echo;
  echo.kernel = "copy";
  echo.kind = HandlerSpec::Kind::Builtin;
  echo.builtin = "echo";
  echo.messages = {order};
  echo.accepts = {order};
  echo.emits = {{"out", order, 1}};
  echo.replies = order;
  const auto code = compile_for_device(echo, "compute_75", cache);
  REQUIRE_MESSAGE(code.has_value(), code.error().message);
  CHECK(has(code->image, ".target sm_75"));
  CHECK(!has(code->image, std::string(1, '\0')));
  CHECK(!compile_for_device(echo, "compute_75", cache)->compiled);
}

TEST_CASE("the module of a handler on a GPU is what the host's compiler would make of it") {
  if (!has_nvrtc()) return;
  const Scratch scratch;
  const ArtefactCache cache(scratch / "cache");
  const auto order = message(
      "Order", {{"id", "u64", ""}, {"side", "enum[buy, sell]?", ""}, {"name", "string[9]", ""}});
  const auto fill = message("Fill", {{"id", "u64", ""}, {"side", "u8", ""}});
  HandlerSpec spec;
  spec.kernel = "match";
  spec.kind = HandlerSpec::Kind::Code;
  spec.code_file = "topology.yaml";
  spec.code_line = 12;
  spec.messages = {order, fill};
  spec.accepts = {order, fill};
  spec.emits = {{"out", fill, 3}};
  spec.replies = fill;
  spec.keys = {{order, {"side", "name"}}};
  spec.buffers = {{"u", {Scalar::F64, {2, 3}}}};
  spec.params = {*schema::make_param("a", "u8 = 1"), *schema::make_param("b", "f64 = 2")};
  spec.code =
      "struct alignas(16) State { double sum; uint8_t n; };\n"
      "RK_HANDLER void on_start(Context&, State&) {}\n"
      "RK_HANDLER bool on_poll(Context&, State&) { return false; }\n"
      "RK_HANDLER void on_message(Context& ctx, State& state, const Order& m) { ++state.n; }\n"
      "RK_HANDLER void on_message(Context& ctx, State& state, const Fill& m) { --state.n; }\n";
  const auto loaded = load_one(spec, scratch.cache());
  REQUIRE_MESSAGE(loaded.has_value(), loaded.error().message);
  const HandlerModule& whole = *loaded->module;
  for (const char* architecture : {"sm_75", "sm_90", "compute_75"}) {
    const auto code = compile_for_device(spec, architecture, cache);
    REQUIRE_MESSAGE(code.has_value(), code.error().message);
    const HandlerModule& made = **device_module(spec, code->layout);
    CHECK(made.state_size == whole.state_size);
    CHECK(made.state_alignment == whole.state_alignment);
    CHECK(made.params_size == whole.params_size);
    CHECK(made.has_start);
    CHECK(made.has_poll);
    CHECK(!made.has_stop);
    REQUIRE(made.accept_count == whole.accept_count);
    for (uint32_t i = 0; i < made.accept_count; ++i) {
      CHECK(std::string(made.accepts[i].name) == whole.accepts[i].name);
      CHECK(made.accepts[i].fingerprint == whole.accepts[i].fingerprint);
      CHECK(made.accepts[i].size == whole.accepts[i].size);
      REQUIRE(made.keys[i].field_count == whole.keys[i].field_count);
      CHECK(made.keys[i].size == whole.keys[i].size);
      for (uint32_t k = 0; k < made.keys[i].field_count; ++k) {
        CHECK(made.keys[i].fields[k].offset == whole.keys[i].fields[k].offset);
        CHECK(made.keys[i].fields[k].size == whole.keys[i].fields[k].size);
        CHECK(made.keys[i].fields[k].sized == whole.keys[i].fields[k].sized);
        CHECK(made.keys[i].fields[k].optional == whole.keys[i].fields[k].optional);
      }
    }
    REQUIRE(made.port_count == 1);
    CHECK(std::string(made.ports[0].name) == whole.ports[0].name);
    CHECK(made.ports[0].message.fingerprint == whole.ports[0].message.fingerprint);
    CHECK(made.ports[0].max == whole.ports[0].max);
    CHECK(made.reply.fingerprint == whole.reply.fingerprint);
    REQUIRE(made.buffer_count == 1);
    CHECK(made.buffers[0].bytes == whole.buffers[0].bytes);
    CHECK(made.buffers[0].rank == whole.buffers[0].rank);
    CHECK(made.granularity == whole.granularity);
    CHECK((made.run == nullptr));
    // Out of the cache it is the same.
    const auto again = compile_for_device(spec, architecture, cache);
    REQUIRE(again.has_value());
    CHECK(!again->compiled);
    CHECK(again->layout.state_size == whole.state_size);
  }
}

TEST_CASE("what a GPU's compiler must refuse as the host's does") {
  if (!has_nvrtc()) return;
  const Scratch scratch;
  const ArtefactCache cache(scratch / "cache");
  const auto failed =
      compile_for_device(scoring("struct alignas(32) State { int n; };\n"
                                 "RK_HANDLER void on_message(Context&, State&, const Order&) {}\n"),
                         "sm_90", cache);
  REQUIRE(!failed.has_value());
  CHECK(has(failed.error().message, "State is aligned to 16 at most"));
}

TEST_CASE("a device is compiled for as near as the compiler can") {
  if (!has_nvrtc()) return;
  const Nvrtc& nvrtc = **Nvrtc::open();
  CHECK(device_target(nvrtc, 9, 0) == "sm_90");
  CHECK(device_target(nvrtc, 8, 8) == (nvrtc.supports("sm_88") ? "sm_88" : "sm_87"));
  CHECK(device_target(nvrtc, 7, 0) == (nvrtc.supports("sm_70") ? "sm_70" : ""));
  CHECK(device_target(nvrtc, 99, 0).starts_with("compute_"));
}
