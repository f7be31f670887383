#include "topology/load.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <tuple>

#include "topology/interpolate.hpp"
#include "topology/merge.hpp"
#include "topology/print.hpp"
#include "topology/reader.hpp"

namespace ringkernel::topology {
namespace {

constexpr size_t kMaxFile = size_t{16} << 20;

Result<std::string> read_file(const std::string& file) {
  std::ifstream from_file;
  if (file != "-") {
    std::error_code code;
    if (std::filesystem::is_directory(file, code))
      return fail(ErrorCode::IoError, "is a folder, not a topology", file);
    errno = 0;
    from_file.open(file, std::ios::binary);
    if (!from_file) {
      const int why = errno;
      return fail(why == ENOENT ? ErrorCode::NotFound : ErrorCode::IoError,
                  why == ENOENT ? "no such file" : std::strerror(why), file);
    }
  }
  std::istream& in = file == "-" ? std::cin : from_file;
  std::string text;
  char buffer[1 << 16];
  while (in.read(buffer, sizeof buffer) || in.gcount() > 0) {
    text.append(buffer, static_cast<size_t>(in.gcount()));
    if (text.size() > kMaxFile)
      return fail(ErrorCode::IoError, "is larger than 16 MiB: that is no topology", file);
  }
  if (in.bad()) return fail(ErrorCode::IoError, "cannot be read", file);
  return text;
}

std::optional<std::string> from_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

void report(std::vector<Diagnostic>& diagnostics, const std::string& file, const char* message) {
  Diagnostic diagnostic;
  diagnostic.position.file = file;
  diagnostic.position.line = diagnostic.position.column = 1;
  diagnostic.message = message;
  diagnostic.code = "wrong-type";
  diagnostics.push_back(std::move(diagnostic));
}

bool any_error(const std::vector<Diagnostic>& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& d) { return d.severity == Severity::Error; });
}

bool is_topology_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || name[0] < 'a' || name[0] > 'z') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

void read_head(Reader& reader, const std::string& name) {
  const Value& document = reader.document;
  if (const Value* version = document.find("ringk"); version != nullptr && version->text != "1")
    reader.error(version->position, "this ringk reads version 1 of the format", "bad-version",
                 "write 'ringk: 1'");
  reader.topology.name = name;
  if (!name.empty()) {
    if (!is_topology_name(name))
      reader.error({"--name " + name, 0, 0, 1}, "'" + name + "' is no name: [a-z][a-z0-9_-]*",
                   "bad-name");
    return;
  }
  if (auto own = reader.text(document, "name")) {
    reader.topology.name = *own;
    if (!is_topology_name(*own))
      reader.error(document.find("name")->position, "'" + *own + "' is no name: [a-z][a-z0-9_-]*",
                   "bad-name");
  }
}

void sort(std::vector<Diagnostic>& diagnostics, const std::vector<SourceText>& sources) {
  auto order = [&](const Diagnostic& d) {
    size_t file = 0;
    while (file < sources.size() && sources[file].file != d.position.file) ++file;
    return std::tuple(file, d.position.line, d.position.column);
  };
  std::stable_sort(diagnostics.begin(), diagnostics.end(),
                   [&](const Diagnostic& a, const Diagnostic& b) { return order(a) < order(b); });
  // A wire to several receivers has the same mistake for each.
  auto same = [&](const Diagnostic& a, const Diagnostic& b) {
    return order(a) == order(b) && a.position.file == b.position.file && a.code == b.code &&
           a.message == b.message;
  };
  diagnostics.erase(std::unique(diagnostics.begin(), diagnostics.end(), same), diagnostics.end());
}

// What is wrong with the value of a variable that could not be substituted is no second mistake.
void drop_echoes(std::vector<Diagnostic>& diagnostics) {
  auto unset = [](const Diagnostic& d) {
    return d.code == "unset-variable" || d.code == "bad-variable";
  };
  std::set<std::tuple<std::string, uint32_t, uint32_t>> places;
  auto place = [](const Diagnostic& d) {
    return std::tuple(d.position.file, d.position.line, d.position.column);
  };
  for (const Diagnostic& d : diagnostics)
    if (unset(d)) places.insert(place(d));
  std::erase_if(diagnostics,
                [&](const Diagnostic& d) { return !unset(d) && places.contains(place(d)); });
}

LoadResult read_all(std::vector<SourceText> sources, const std::string& folder,
                    const LoadOptions& options) {
  LoadResult result;
  result.sources = std::move(sources);
  std::vector<Diagnostic>& diagnostics = result.diagnostics;
  Value document;
  bool parsed = true;
  for (size_t i = 0; i < result.sources.size(); ++i) {
    const size_t before = diagnostics.size();
    Value value = parse_yaml(result.sources[i].text, result.sources[i].file, diagnostics);
    // Where one of them cannot be parsed, what the rest would say is guesswork.
    if (value.is_null() && diagnostics.size() > before) parsed = false;
    if (i == 0)
      document = std::move(value);
    else if (value.is_map())
      merge(document, value);
    else if (!any_error(diagnostics))
      report(diagnostics, result.sources[i].file, "an overlay is a map");
  }
  if (document.kind != Value::Kind::Map && diagnostics.empty())
    report(diagnostics, result.sources[0].file, "a topology is a map");
  if (parsed && document.is_map()) {
    interpolate(document, options.variable ? options.variable : from_environment, diagnostics);
    for (const auto& [path, text] : options.sets) set_path(document, path, text, diagnostics);
    Topology topology;
    topology.file = result.sources[0].file;
    topology.folder = folder;
    Reader reader(document, topology, diagnostics);
    reader.check_keys(document, Section::Top, "a topology");
    read_head(reader, options.name);
    read_messages(reader);
    read_kernels(reader);
    read_inputs(reader);
    read_outputs(reader);
    read_wires(reader);
    read_run(reader);
    check_graph(reader);
    check_ends(reader);
    read_values(reader);
    read_tests(reader);
    if (!any_error(diagnostics)) {
      result.effective_yaml = print(topology);
      result.topology = std::move(topology);
    }
  }
  drop_echoes(diagnostics);
  sort(diagnostics, result.sources);
  return result;
}

}  // namespace

Result<LoadResult> load(const std::string& file, const LoadOptions& options) {
  std::vector<SourceText> sources;
  std::vector<std::string> files = {file};
  files.insert(files.end(), options.overlays.begin(), options.overlays.end());
  if (std::count(files.begin(), files.end(), "-") > 1)
    return fail(ErrorCode::InvalidConfig, "standard input can be read only once", "-");
  for (const std::string& name : files) {
    auto text = read_file(name);
    if (!text) return tl::unexpected(text.error());
    sources.push_back({name, std::move(*text)});
  }
  std::string folder = file == "-" ? "" : std::filesystem::path(file).parent_path().string();
  return read_all(std::move(sources), folder, options);
}

LoadResult load_text(std::string_view text, const std::string& file_name, const std::string& folder,
                     const LoadOptions& options) {
  return read_all({{file_name, std::string(text)}}, folder, options);
}

}  // namespace ringkernel::topology
