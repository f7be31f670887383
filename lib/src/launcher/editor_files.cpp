#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "handlers/generate.hpp"
#include "handlers/host_compiler.hpp"
#include "launcher/handler_specs.hpp"
#include "ringkernel/build.hpp"
#include "topology/topology_impl.hpp"

namespace ringkernel {
namespace {

using handlers::HandlerSpec;
namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".ringk.hpp";

template <class List, class Same>
void add_new(List& all, const List& more, Same&& same) {
  for (const auto& item : more)
    if (std::none_of(all.begin(), all.end(), [&](const auto& one) { return same(one, item); }))
      all.push_back(item);
}

// What all kernels declare, as if one did: an editor reads a handler's file without knowing whose
// it is. Of two ports, buffers or params with one name, the first counts.
HandlerSpec together(const std::vector<HandlerSpec>& specs) {
  HandlerSpec all;
  for (const HandlerSpec& spec : specs) {
    add_new(all.accepts, spec.accepts, [](const auto& a, const auto& b) { return a == b; });
    add_new(all.emits, spec.emits, [](const auto& a, const auto& b) { return a.name == b.name; });
    add_new(all.buffers, spec.buffers,
            [](const auto& a, const auto& b) { return a.name == b.name; });
    add_new(all.keys, spec.keys,
            [](const auto& a, const auto& b) { return a.message == b.message; });
    add_new(all.params, spec.params, [](const auto& a, const auto& b) { return a.name == b.name; });
    add_new(all.constants, spec.constants,
            [](const auto& a, const auto& b) { return a.first == b.first; });
    add_new(all.include, spec.include, [](const auto& a, const auto& b) { return a == b; });
    if (all.replies == nullptr) all.replies = spec.replies;
  }
  return all;
}

Result<void> write_file(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (file) return {};
  return fail(ErrorCode::IoError, std::string("cannot be written: ") + std::strerror(errno),
              path.string());
}

// Somebody's own flags are not for us to lose.
bool is_another(const fs::path& flags) {
  std::ifstream file(flags, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  return !text.empty() && text.find(kSuffix) == std::string::npos;
}

}  // namespace

Result<void> write_editor_files(const Topology& topology, const std::string& folder) {
  const topology::Topology& model = model_of(topology);
  const auto include = handlers::include_folder();
  if (!include) return tl::unexpected(include.error());
  std::error_code code;
  fs::create_directories(folder, code);
  const fs::path place = fs::absolute(folder, code).lexically_normal();
  const fs::path flags = place / "compile_flags.txt";
  if (is_another(flags))
    return fail(ErrorCode::IoError, "is there already and not from ringk: move it away",
                flags.string());
  const HandlerSpec all = together(launcher::handler_specs(model));
  const fs::path header = place / (model.name + std::string(kSuffix));
  if (auto written = write_file(header, "// What the topology '" + model.name +
                                            "' declares, for editors; written by ringk build.\n"
                                            "#pragma once\n" +
                                            handlers::declarations(all));
      !written)
    return written;
  std::string text = "-xc++\n-std=c++20\n-I" + *include + "\n";
  for (const std::string& one : all.include) text += "-I" + one + "\n";
  return write_file(flags, text + "-include\n" + header.string() + "\n");
}

}  // namespace ringkernel
