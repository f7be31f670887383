#include "handlers/load.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "handlers/generate.hpp"
#include "scratch.hpp"

using namespace ringkernel;
using namespace ringkernel::handlers;
namespace fs = std::filesystem;

namespace {

size_t artefacts(const Scratch& scratch) {
  size_t n = 0;
  for (const auto& entry : fs::directory_iterator(scratch / "cache/handlers"))
    n += entry.path().extension() == ".so" ? 1U : 0U;
  return n;
}

std::string message_of(const Result<LoadedHandler>& loaded) {
  return loaded ? "it loaded" : loaded.error().message;
}

}  // namespace

TEST_CASE("inline code becomes a module, and the second time comes from the cache") {
  Scratch scratch;
  auto first = load_one(scoring(kScore), scratch.cache());
  INFO(message_of(first));
  REQUIRE(first.has_value());
  CHECK(first->compiled);
  CHECK(std::string(first->module->accepts[0].name) == "Order");
  CHECK(std::string(first->module->ports[0].name) == "alert");
  CHECK(first->module->state_size == 0);
  CHECK(first->module->params_size == 8);
  double limit = 0;
  std::memcpy(&limit, first->params.data(), sizeof limit);
  CHECK(limit == 1000);
  auto second = load_one(scoring(kScore), scratch.cache());
  REQUIRE(second.has_value());
  CHECK(!second->compiled);
  CHECK(artefacts(scratch) == 1);
}

TEST_CASE("a param's value is no reason to compile") {
  Scratch scratch;
  REQUIRE(load_one(scoring(kScore), scratch.cache()).has_value());
  HandlerSpec other = scoring(kScore);
  other.params = {*schema::make_param("limit", "f64 = 5")};
  other.kernel = "another";
  auto loaded = load_one(other, scratch.cache());
  REQUIRE(loaded.has_value());
  CHECK(!loaded->compiled);
  double limit = 0;
  std::memcpy(&limit, loaded->params.data(), sizeof limit);
  CHECK(limit == 5);
}

TEST_CASE("kernels with one handler share one compilation") {
  Scratch scratch;
  std::vector<HandlerSpec> specs(4, scoring(kScore));
  auto loaded = load_handlers(specs, scratch.cache());
  REQUIRE(loaded.has_value());
  CHECK(artefacts(scratch) == 1);
}

TEST_CASE("buffers have the types and extents that the topology says") {
  Scratch scratch;
  HandlerSpec spec = scoring(R"(RK_HANDLER void on_message(Context& ctx, const Order& order) {
  ctx.buffer(buf::b_f64)(order.account, 0) = order.amount;
  ctx.buffer(buf::b_bool)[1] = true;
  static_assert(decltype(ctx.buffer(buf::b_i16))::extent(0) == 8);
}
)");
  for (const std::string_view name : kScalarNames) {
    const Scalar element = *scalar_from_string(name);
    spec.buffers.push_back(
        {"b_" + std::string(name), {element, {static_cast<uint64_t>(element) + 1, 3, 5}}});
  }
  spec.buffers.back().type.extents = {2, 3};
  spec.buffers[6].type.extents = {8};
  auto loaded = load_one(spec, scratch.cache());
  INFO(message_of(loaded));
  REQUIRE(loaded.has_value());
  REQUIRE(loaded->module->buffer_count == spec.buffers.size());
  for (size_t i = 0; i < spec.buffers.size(); ++i) {
    const BufferInfo& info = loaded->module->buffers[i];
    const ArrayType& type = spec.buffers[i].type;
    CHECK(spec.buffers[i].name == info.name);
    CHECK(ArrayType{info.element, {info.extents, info.extents + info.rank}} == type);
    CHECK(info.bytes == bytes_of(type));
  }
}

TEST_CASE("every type of field has the layout that the schema says, in strict C++") {
  Scratch scratch;
  auto inner = message("Inner", {{"x", "f32", ""}, {"tag", "string[5]", ""}});
  auto every = message("Every",
                       {{"a", "bool", ""},
                        {"b", "u64", ""},
                        {"c", "f64?", ""},
                        {"d", "string[33]", ""},
                        {"e", "bytes[7]", ""},
                        {"every", "enum[one, two]", ""},
                        {"order_kind", "enum[buy, sell]?", ""},
                        {"g", "Inner[3]", ""},
                        {"h", "u16[<=3]", ""},
                        {"i", "Inner[<=2]", ""},
                        {"j", "Inner?", ""},
                        {"k", "i8[5]", ""},
                        {"l", "f64[<=2]", ""},
                        {"m", "string[4]?", ""}},
                       {inner});
  HandlerSpec spec;
  spec.kernel = "all";
  spec.kind = HandlerSpec::Kind::Code;
  spec.code_file = "t.yaml";
  spec.code_line = 1;
  spec.code = R"(struct State { uint32_t seen; };
RK_HANDLER void on_start(Context&, State& state) { state.seen = 0; }
RK_HANDLER void on_message(Context& ctx, State& state, const Every& m) {
  state.seen += N;
  Every copy = m;
  copy.every = Every::EveryValue::two;
  copy.order_kind = Every::OrderKind::sell;
  copy.g[1].x = m.c.value_or(1.5) > 1 ? 2.0f : 1.0f;
  copy.h.push_back(7);
  copy.j = Inner{1.0f, "abc"};
  if (copy.d == "text" || state.seen > 10) return ctx.fail("enough");
  ctx.emit(port::out, copy);
  ctx.reply(copy.g[1]);
}
RK_HANDLER void on_stop(Context& ctx, State&) { ctx.log(LogLevel::Info, "done", 1); }
)";
  spec.messages = {inner, every};
  spec.accepts = {every};
  spec.emits = {{"out", every, 2}};
  spec.replies = inner;
  spec.keys = {{every, {"b", "d", "order_kind"}}};
  spec.constants = {{"N", 3}, {"BIG", int64_t{1} << 40}};
  spec.params = {*schema::make_param("name", "string[9] = x"),
                 *schema::make_param("on", "bool = true")};
  spec.flags = {"-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"};
  for (auto granularity : {Granularity::Serial, Granularity::Thread, Granularity::Block}) {
    spec.granularity = granularity;
    auto loaded = load_one(spec, scratch.cache());
    INFO(message_of(loaded));
    REQUIRE(loaded.has_value());
    CHECK(loaded->module->accepts[0].size == every->size);
    CHECK(loaded->module->keys[0].field_count == 3);
    CHECK(loaded->module->has_start);
    CHECK(loaded->module->has_stop);
    CHECK(!loaded->module->has_poll);
    CHECK(loaded->module->state_size == 4);
    CHECK(loaded->params.size() == loaded->module->params_size);
  }
}

TEST_CASE("a compile error of inline code has the YAML file's line") {
  Scratch scratch;
  auto loaded = load_one(scoring("RK_HANDLER void on_message(Context& ctx, const Order& order) {\n"
                                 "  ctx.emti(port::alert, Alert{order.id});\n}\n"),
                         scratch.cache());
  REQUIRE(!loaded.has_value());
  CHECK(loaded.error().code == ErrorCode::CompilationError);
  INFO(loaded.error().message);
  CHECK(has(loaded.error().message, "topology.yaml:13:"));
  CHECK(has(loaded.error().message, "emti"));
  CHECK(loaded.error().where == "score");
}

TEST_CASE("columns of inline code are those of the YAML file") {
  Scratch scratch;
  HandlerSpec spec = scoring("RK_HANDLER void on_message(Context&, const Order&) { wrong; }\n");
  spec.code_file = scratch.write("t.yaml", "a:\n  code: |\n    " + spec.code);
  spec.code_line = 3;
  auto loaded = load_one(spec, scratch.cache());
  REQUIRE(!loaded.has_value());
  INFO(loaded.error().message);
  CHECK(has(loaded.error().message, "t.yaml:3:58:"));
}

TEST_CASE("a compile error of a file has its name as the user spells it, and its line") {
  Scratch scratch;
  HandlerSpec spec = scoring("");
  spec.kind = HandlerSpec::Kind::Source;
  spec.source =
      scratch.write("score.hpp", "#include <ringkernel/handler.hpp>\n\nint x = ;\n" + kScore);
  auto loaded = load_one(spec, scratch.cache());
  REQUIRE(!loaded.has_value());
  CHECK(has(loaded.error().message, spec.source + ":3:9: error: expected primary-expression"));
  CHECK(!has(loaded.error().message, "In file included from"));
}

TEST_CASE("a message without a function says which to write") {
  Scratch scratch;
  auto loaded = load_one(scoring("struct State { int n; };\n"), scratch.cache());
  REQUIRE(!loaded.has_value());
  CHECK(has(loaded.error().message, "the kernel accepts Order: write RK_HANDLER void on_message("));
}

TEST_CASE("a missing handler file and a missing compiler are told apart") {
  Scratch scratch;
  HandlerSpec spec = scoring("");
  spec.kind = HandlerSpec::Kind::Source;
  spec.source = scratch / "none.hpp";
  auto missing = load_one(spec, scratch.cache());
  REQUIRE(!missing.has_value());
  CHECK(missing.error().code == ErrorCode::NotFound);
  LoadOptions options = scratch.cache();
  options.compiler = "/nonexistent/c++";
  auto none = load_one(scoring(kScore), options);
  REQUIRE(!none.has_value());
  CHECK(none.error().code == ErrorCode::CompilerNotFound);
}

TEST_CASE("without a compiler what another machine has made of the same sources serves") {
  Scratch scratch;
  std::filesystem::create_directories(scratch / "here");
  std::filesystem::create_directories(scratch / "there");
  HandlerSpec spec = scoring("");
  spec.kind = HandlerSpec::Kind::Source;
  for (const char* place : {"here/", "there/"}) {
    scratch.write(place + std::string("limit.hpp"), "inline constexpr double kLimit = 1;\n");
    spec.source =
        scratch.write(place + std::string("score.hpp"), "#include \"limit.hpp\"\n" + kScore);
  }
  REQUIRE(load_one(spec, scratch.cache()).has_value());
  LoadOptions options = scratch.cache();
  options.compiler = "/nonexistent/c++";
  spec.source = scratch / "here/score.hpp";
  const auto found = load_one(spec, options);
  REQUIRE(found.has_value());
  CHECK_FALSE(found->compiled);
  CHECK((found->module->run != nullptr));
  scratch.write("here/limit.hpp", "inline constexpr double kLimit = 2;\n");
  const auto other = load_one(spec, options);
  REQUIRE_FALSE(other.has_value());
  CHECK(other.error().code == ErrorCode::CompilerNotFound);
}

TEST_CASE("a changed header is a reason to compile, and changed back it is none") {
  Scratch scratch;
  scratch.write("limit.hpp", "inline constexpr double kLimit = 1;\n");
  HandlerSpec spec = scoring("");
  spec.kind = HandlerSpec::Kind::Source;
  spec.source = scratch.write("score.hpp", "#include \"limit.hpp\"\n" + kScore);
  auto load = [&] {
    auto loaded = load_one(spec, scratch.cache());
    INFO(message_of(loaded));
    REQUIRE(loaded.has_value());
    return loaded->compiled;
  };
  CHECK(load());
  CHECK(!load());
  scratch.write("limit.hpp", "inline constexpr double kLimit = 22;\n");
  CHECK(load());
  scratch.write("limit.hpp", "inline constexpr double kLimit = 1;\n");
  CHECK(!load());
  CHECK(artefacts(scratch) == 2);
}

TEST_CASE("an artefact that is not whole is made again") {
  Scratch scratch;
  // In another process: cutting what is mapped here would be fatal.
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    HandlerSpec spec = scoring(kScore);
    _exit(load_handlers({&spec, 1}, scratch.cache()).has_value() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  for (const auto& entry : fs::directory_iterator(scratch / "cache/handlers"))
    if (entry.path().extension() == ".so") fs::resize_file(entry.path(), entry.file_size() / 2);
  auto loaded = load_one(scoring(kScore), scratch.cache());
  REQUIRE(loaded.has_value());
  CHECK(loaded->compiled);
  CHECK(!load_one(scoring(kScore), scratch.cache())->compiled);
}

TEST_CASE("a cache that cannot be used is no error") {
  Scratch scratch;
  scratch.write("file", "no folder");
  auto loaded = load_one(scoring(kScore), {scratch / "file/cache", ""});
  REQUIRE(loaded.has_value());
  CHECK(loaded->compiled);
  fs::create_directories(scratch / "open");
  fs::permissions(scratch / "open", fs::perms::all);
  auto open = load_one(scoring(kScore), {scratch / "open", ""});
  REQUIRE(open.has_value());
  CHECK(!fs::exists(scratch / "open/handlers"));
}

TEST_CASE("processes that compile the same at once do not corrupt the cache") {
  Scratch scratch;
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      HandlerSpec spec = scoring(kScore);
      auto loaded = load_handlers({&spec, 1}, scratch.cache());
      _exit(loaded && (*loaded)[0].module->accept_count == 1 ? 0 : 1);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  CHECK(artefacts(scratch) == 1);
  for (const auto& entry : fs::directory_iterator(scratch / "cache/handlers"))
    CHECK(entry.path().filename().string().find("tmp-") == std::string::npos);
  CHECK(!load_one(scoring(kScore), scratch.cache())->compiled);
}

TEST_CASE("flags and constants are part of what is made") {
  Scratch scratch;
  REQUIRE(load_one(scoring(kScore), scratch.cache())->compiled);
  HandlerSpec flags = scoring(kScore);
  flags.flags = {"-DANOTHER"};
  CHECK(load_one(flags, scratch.cache())->compiled);
  HandlerSpec fast = scoring(kScore);
  fast.fast_math = true;
  CHECK(load_one(fast, scratch.cache())->compiled);
  HandlerSpec constant = scoring(kScore);
  constant.constants = {{"N", 1}};
  CHECK(load_one(constant, scratch.cache())->compiled);
}

TEST_CASE("a source kernel polls, and one without on_poll says so") {
  Scratch scratch;
  HandlerSpec spec = scoring(
      "RK_HANDLER bool on_poll(Context& ctx) {\n"
      "  ctx.emit(port::alert, Alert{1, Alert::Reason::velocity});\n"
      "  return false;\n}\n");
  spec.accepts.clear();
  auto loaded = load_one(spec, scratch.cache());
  INFO(message_of(loaded));
  REQUIRE(loaded.has_value());
  CHECK(loaded->module->has_poll);
  spec.code = "struct State { int n; };\n";
  auto none = load_one(spec, scratch.cache());
  REQUIRE(!none.has_value());
  CHECK(has(none.error().message, "on_poll"));
}
