#include "handlers/included_files.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

namespace ringkernel::handlers {
namespace {

namespace fs = std::filesystem;

void skip_blanks(std::string_view& text) {
  const size_t begin = text.find_first_not_of(" \t");
  text.remove_prefix(begin == std::string_view::npos ? text.size() : begin);
}

class Search {
 public:
  explicit Search(const std::vector<std::string>& folders) : folders_(folders) {}

  void read(std::string_view text, const std::string& folder) {
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      read_line(text.substr(0, end), folder);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

  // What has been found is read in its turn.
  IncludedFiles finish() {
    for (size_t i = 0; i < found_.paths.size(); ++i) {
      const std::string path = found_.paths[i];
      std::ifstream file(path, std::ios::binary);
      const std::string text(std::istreambuf_iterator<char>(file), {});
      read(text, fs::path(path).parent_path().string());
    }
    return std::move(found_);
  }

 private:
  void read_line(std::string_view line, const std::string& folder) {
    skip_blanks(line);
    if (!line.starts_with('#')) return;
    line.remove_prefix(1);
    skip_blanks(line);
    if (!line.starts_with("include")) return;
    line.remove_prefix(7);
    skip_blanks(line);
    const char open = line.empty() ? '\0' : line.front();
    const size_t close = open == '"'   ? line.find('"', 1)
                         : open == '<' ? line.find('>', 1)
                                       : std::string_view::npos;
    if (close == std::string_view::npos)
      found_.complete = false;
    else if (!find(std::string(line.substr(1, close - 1)), folder) && open == '"')
      found_.complete = false;
  }

  bool find(const std::string& name, const std::string& folder) {
    if (fs::path(name).is_absolute()) return add(name);
    if (!folder.empty() && add(fs::path(folder) / name)) return true;
    return std::any_of(folders_.begin(), folders_.end(),
                       [&](const std::string& place) { return add(fs::path(place) / name); });
  }

  bool add(const fs::path& path) {
    std::error_code code;
    if (!fs::is_regular_file(path, code)) return false;
    std::string name = path.lexically_normal().string();
    if (seen_.insert(name).second) found_.paths.push_back(std::move(name));
    return true;
  }

  const std::vector<std::string>& folders_;
  std::set<std::string> seen_;
  IncludedFiles found_;
};

}  // namespace

IncludedFiles included_files(std::string_view text, const std::vector<std::string>& folders) {
  Search search(folders);
  search.read(text, "");
  return search.finish();
}

}  // namespace ringkernel::handlers
