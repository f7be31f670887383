#include "topology/handler_text.hpp"

#include <algorithm>
#include <cctype>
#include <string>

namespace ringkernel::topology {
namespace {

bool is_word(char c) { return isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Past a comment or a string or character literal that begins at `at`; `at` itself where none does.
size_t past_literal(std::string_view cpp, size_t at) {
  auto past = [&](std::string_view end, size_t from) {
    size_t found = cpp.find(end, from);
    return found == std::string_view::npos ? cpp.size() : found + end.size();
  };
  std::string_view rest = cpp.substr(at);
  if (rest.substr(0, 2) == "//") return past("\n", at);
  if (rest.substr(0, 2) == "/*") return past("*/", at + 2);
  if (rest.substr(0, 2) == "R\"") {
    size_t open = rest.find('(');
    if (open == std::string_view::npos) return cpp.size();
    return past(")" + std::string(rest.substr(2, open - 2)) + "\"", at + open);
  }
  // 1'000 is a number.
  const bool digits = rest[0] == '\'' && at > 0 && is_word(cpp[at - 1]);
  if ((rest[0] != '"' && rest[0] != '\'') || digits) return at;
  size_t end = at + 1;
  while (end < cpp.size() && cpp[end] != rest[0] && cpp[end] != '\n')
    end += cpp[end] == '\\' ? 2U : 1U;
  return std::min(end + 1, cpp.size());
}

// The next word or other character; empty at the end.
std::string_view next_token(std::string_view cpp, size_t& at) {
  while (at < cpp.size()) {
    if (isspace(static_cast<unsigned char>(cpp[at])) != 0) {
      ++at;
      continue;
    }
    const size_t past = past_literal(cpp, at);
    if (past == at) break;
    at = past;
  }
  const size_t start = at;
  while (at < cpp.size() && is_word(cpp[at])) ++at;
  if (at == start && at < cpp.size()) ++at;
  return cpp.substr(start, at - start);
}

}  // namespace

bool defines_state(std::string_view cpp) {
  std::string_view before;
  size_t at = 0;
  for (auto token = next_token(cpp, at); !token.empty(); token = next_token(cpp, at)) {
    const bool type = before == "struct" || before == "class" || before == "union";
    if (token == "State" && (type || before == "using")) {
      size_t behind = at;
      const std::string_view follows = next_token(cpp, behind);
      if (type ? follows == "{" || follows == ":" || follows == "final" : follows == "=")
        return true;
    }
    before = token;
  }
  return false;
}

}  // namespace ringkernel::topology
