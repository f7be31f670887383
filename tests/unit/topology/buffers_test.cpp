// The buffers of kernels: their types, their files, and how overlays and --set change them.
#include <doctest/doctest.h>

#include <cstring>
#include <fstream>

#include "core/npy.hpp"
#include "sample.hpp"
#include "topology/load.hpp"
#include "unit/launcher/scratch_folder.hpp"

using namespace ringkernel;
using namespace ringkernel::topology;

namespace {

using Sets = std::vector<std::pair<std::string, std::string>>;

// The sample with these lines in kernel 'audit', from line 19 on.
std::string with(const std::string& lines) {
  return sample_with("    code: |", lines + "    code: |");
}

LoadResult load_in(const std::string& folder, const std::string& text, Sets sets = {}) {
  LoadOptions options;
  options.sets = std::move(sets);
  return load_text(text, folder.empty() ? "t.yaml" : folder + "/t.yaml", folder, options);
}

// "code line:column: message", of the only finding.
std::string finding(const LoadResult& result) {
  INFO(render(result.diagnostics, result.sources, false));
  REQUIRE(result.diagnostics.size() == 1);
  const Diagnostic& d = result.diagnostics[0];
  return d.code + " " + std::to_string(d.position.line) + ":" + std::to_string(d.position.column) +
         ": " + d.message + (d.suggestion.empty() ? "" : " (" + d.suggestion + ")");
}
std::string finding(const std::string& lines) { return finding(load_in("", with(lines))); }
std::string of_type(const std::string& type) {
  return finding("    constants: {H: 4, Z: 0}\n    buffers: {u: \"" + type + "\"}\n");
}

const std::vector<Buffer>& buffers(const LoadResult& result, const char* kernel = "audit") {
  INFO(render(result.diagnostics, result.sources, false));
  REQUIRE(result.topology.has_value());
  return result.topology->kernel(kernel)->buffers;
}

void write_npy(const std::string& file, const ArrayType& type) {
  auto writer = NpyWriter::create(file, type);
  REQUIRE(writer.has_value());
  const std::vector<std::byte> zeroes(*bytes_of(type));
  REQUIRE(writer->write(zeroes).has_value());
  REQUIRE(writer->commit().has_value());
}

}  // namespace

TEST_CASE("a buffer is a type, with files to load and to save, and constants for its size") {
  const auto result = load_in("/data", with("    constants: {H: 64, W: 32}\n"
                                            "    buffers:\n"
                                            "      u: f32[H, W]\n"
                                            "      v: {type: \"u8[W,2,H,1]\", load: in.npy, "
                                            "save: /out/v.npy}\n"));
  const auto& all = buffers(result);
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "u");
  CHECK(all[0].type == ArrayType{Scalar::F32, {64, 32}});
  CHECK(all[0].load.empty());
  CHECK(all[1].type == ArrayType{Scalar::U8, {32, 2, 64, 1}});
  CHECK(all[1].load == "/data/in.npy");
  CHECK(all[1].save == "/out/v.npy");
  CHECK(result.effective_yaml.find("      u: {type: \"f32[64,32]\"}  # 8192 bytes\n") !=
        std::string::npos);
  CHECK(
      result.effective_yaml.find("      v: {type: \"u8[32,2,64,1]\", load: \"/data/in.npy\", save: "
                                 "\"/out/v.npy\"}  # 4096 bytes\n") != std::string::npos);
  // What is printed says the same again.
  const auto again = load_in("", result.effective_yaml);
  CHECK(buffers(again).at(1).load == "/data/in.npy");
  CHECK(again.effective_yaml == result.effective_yaml);
}

TEST_CASE("a type that is none is told where it is wrong") {
  CHECK(of_type("f23[4]") ==
        "unknown-type 20:19: a buffer has elements of type bool, u8 to u64, i8 to i64, f32 or f64, "
        "not 'f23' (did you mean 'f32'?)");
  CHECK(of_type("f32") == "bad-type 20:22: a buffer needs its size: f32[1024] or f32[64,64]");
  CHECK(of_type("f32[]") == "bad-type 20:23: expected a number or a constant of the kernel");
  CHECK(of_type("f32[4,K]") == "unknown-constant 20:25: 'K' is no constant of the kernel");
  CHECK(of_type("f32[HH]") ==
        "unknown-constant 20:23: 'HH' is no constant of the kernel (did you mean 'H'?)");
  CHECK(of_type("f32[4, Z]") == "bad-size 20:26: the size Z is 0, and must be at least 1");
  CHECK(of_type("f32[0]") == "bad-size 20:23: the size must be at least 1, and fit 63 bits");
  CHECK(of_type("f32[-4]") == "bad-size 20:23: the size must be at least 1, and fit 63 bits");
  CHECK(of_type("f32[99999999999999999999]") ==
        "bad-size 20:23: the size must be at least 1, and fit 63 bits");
  CHECK(of_type("f32[0x10]").find("bad-number 20:23: '0x10' is no number") == 0);
  CHECK(of_type("f32[1,2,3,4,5]") == "bad-type 20:31: a buffer has at most 4 dimensions");
  CHECK(of_type("f32[4") == "bad-type 20:24: expected ',' or ']'");
  CHECK(of_type("f32[4]?") == "bad-type 20:25: unexpected '?' after the type");
  CHECK(of_type("f64[1000000,1000000]") ==
        "too-large 20:19: f64[1000000,1000000] takes 8000000000000 bytes, and a buffer may have "
        "1099511627776");
  CHECK(of_type("f64[9000000000000000000,9000000000000000000,H]").find("takes 2.59e+39 bytes") !=
        std::string::npos);
}

TEST_CASE("what else is wrong with buffers") {
  CHECK(finding("    buffers: f32[4]\n") ==
        "wrong-type 19:14: 'buffers' is a map: name to type, or {type, load, save}");
  CHECK(finding("    buffers: {u: [4]}\n").find("wrong-type 19:18") == 0);
  CHECK(finding("    buffers: {class: u8}\n").find("name-reserved 19:15") == 0);
  CHECK(finding("    buffers: {a-b: u8}\n").find("bad-name 19:15") == 0);
  CHECK(finding("    buffers: {u: {load: a.npy}}\n")
            .find("missing-key 19:18: buffer 'u' needs "
                  "'type'") == 0);
  CHECK(finding("    buffers: {u: {type: \"u8[4]\", laod: a.npy}}\n") ==
        "unknown-key 19:34: unknown key 'laod' in buffer 'u' (did you mean 'load'?)");
  CHECK(finding("    buffers: {u: {type: \"u8[4]\", load: [a]}}\n").find("wrong-type 19:40") == 0);
  CHECK(finding("    buffers: {u: {type: \"u8[4]\", save: ''}}\n").find("bad-value 19:40") == 0);
  CHECK(finding("    buffer: {u: \"u8[4]\"}\n").find("(did you mean 'buffers'?)") !=
        std::string::npos);
  CHECK(finding(load_in("", sample_with("    key: account",
                                        "    key: account\n    buffers: {u: \"u8[4]\"}")))
            .find("builtin-shape 13:14") == 0);
  // Of YAML: a '[' within {} wants quotes.
  CHECK(finding("    buffers: {u: u8[4]}\n").find("quote-type") == 0);
}

TEST_CASE("a file that is there has to fit, one that is not may come") {
  const ScratchFolder folder;
  const std::string lines =
      "    buffers:\n      u: {type: \"f32[1024,1024]\", load: u0.npy, save: u0.npy}\n";
  CHECK(buffers(load_in(folder.path(), with(lines))).size() == 1);
  write_npy(folder.path() + "/u0.npy", {Scalar::F64, {512, 512}});
  CHECK(finding(load_in(folder.path(), with(lines))) ==
        "npy-mismatch 20:41: buffers.u: " + folder.path() +
            "/u0.npy holds float64 (512, 512), the topology says f32[1024,1024]");
  write_npy(folder.path() + "/u0.npy", {Scalar::F32, {1024, 1024}});
  CHECK(buffers(load_in(folder.path(), with(lines))).size() == 1);
  std::ofstream(folder.path() + "/u0.npy") << "no array";
  CHECK(finding(load_in(folder.path(), with(lines))) ==
        "bad-npy 20:41: buffers.u: " + folder.path() +
            "/u0.npy is no .npy file: write one with numpy.save");
}

TEST_CASE("no two buffers are saved to one file, nor to one of somebody else") {
  CHECK(finding("    buffers:\n      u: {type: \"u8[4]\", save: a.npy}\n"
                "      v: {type: \"u8[4]\", load: a.npy, save: ./a.npy}\n") ==
        "same-file 21:45: buffer 'v' of 'audit' is saved to 'a.npy', the file of buffer 'u' of "
        "'audit'");
  const std::string saved = with("    buffers: {u: {type: \"u8[4]\", save: out.jsonl}}\n");
  auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = saved;
    return text.replace(text.find(from), from.size(), to);
  };
  CHECK(finding(load_in("", replaced("stdout: jsonl", "file: out.jsonl")))
            .find("the file of 'alerts'") != std::string::npos);
  CHECK(finding(load_in("", replaced("stdin: jsonl", "file: out.jsonl")))
            .find("the file of 'orders'") != std::string::npos);
  CHECK(finding(load_in("", saved + "dead_letters: {file: out.jsonl}\n"))
            .find("the file of the dead letters") != std::string::npos);
}

TEST_CASE("--set, overlays and defaults change what a buffer has, and keep its type") {
  const std::string text = with("    constants: {N: 4}\n    buffers: {u: \"u8[N]\"}\n");
  const auto set = load_in("", text,
                           {{"kernels.audit.constants.N", "8"},
                            {"kernels.audit.buffers.u.load", "a.npy"},
                            {"kernels.audit.buffers.u.save", "b.npy"}});
  CHECK(buffers(set).at(0).type.extents.at(0) == 8);
  CHECK(buffers(set).at(0).load == "a.npy");
  CHECK(buffers(set).at(0).save == "b.npy");
  const auto type = load_in(
      "", text, {{"kernels.audit.buffers.u.load", "a.npy"}, {"kernels.audit.buffers.u", "f64[2]"}});
  CHECK(buffers(type).at(0).type == ArrayType{Scalar::F64, {2}});
  CHECK(buffers(type).at(0).load == "a.npy");
  CHECK(finding(load_in("", text, {{"kernels.audit.buffers.v.load", "a.npy"}}))
            .find("bad-set 0:0: there is no 'v'") == 0);
  CHECK(finding(load_in("", text, {{"kernels.audit.buffers.u.laod", "a.npy"}})).find("bad-set") ==
        0);

  const ScratchFolder folder;
  std::ofstream(folder.path() + "/t.yaml") << text;
  std::filesystem::create_directory(folder.path() + "/over");
  std::ofstream(folder.path() + "/over/o.yaml")
      << "kernels: {audit: {buffers: {u: {save: c.npy}, v: \"f32[N]\"}}}\n";
  LoadOptions options;
  options.overlays = {folder.path() + "/over/o.yaml"};
  const auto laid_over = load(folder.path() + "/t.yaml", options);
  REQUIRE(laid_over.has_value());
  CHECK(buffers(*laid_over).size() == 2);
  CHECK(buffers(*laid_over)[0].type.extents.at(0) == 4);
  CHECK(buffers(*laid_over)[0].save == folder.path() + "/over/c.npy");

  const std::string by_default =
      with("    buffers: {u: {save: d.npy}}\n") + "defaults: {buffers: {u: \"u8[4]\"}}\n";
  // A built-in handler has none, so the sample's other kernel goes.
  std::string alone = by_default;
  const size_t score = alone.find("  score:\n    builtin");
  alone.erase(score, alone.find("  audit:\n") - score);
  alone.replace(alone.find("  orders: score\n  score.out: audit\n"),
                std::strlen("  orders: score\n  score.out: audit\n"), "  orders: audit\n");
  CHECK(buffers(load_in("", alone)).at(0).save == "d.npy");
  CHECK(buffers(load_in("", alone)).at(0).type == ArrayType{Scalar::U8, {4}});
  alone.replace(alone.find("    buffers: {u: {save: d.npy}}\n"),
                std::strlen("    buffers: {u: {save: d.npy}}\n"), "");
  CHECK(buffers(load_in("", alone, {{"kernels.audit.buffers.u.load", "e.npy"}})).at(0).load ==
        "e.npy");
}
