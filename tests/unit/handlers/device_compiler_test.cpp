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

TEST_CASE("a device is compiled for as near as the compiler can") {
  if (!has_nvrtc()) return;
  const Nvrtc& nvrtc = **Nvrtc::open();
  CHECK(device_target(nvrtc, 9, 0) == "sm_90");
  CHECK(device_target(nvrtc, 8, 8) == (nvrtc.supports("sm_88") ? "sm_88" : "sm_87"));
  CHECK(device_target(nvrtc, 7, 0) == (nvrtc.supports("sm_70") ? "sm_70" : ""));
  CHECK(device_target(nvrtc, 99, 0).starts_with("compute_"));
}
