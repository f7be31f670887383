#include "ringkernel/status_expression.hpp"

#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "launcher/status_document_impl.hpp"
#include "ringkernel/nearest_name.hpp"

namespace ringkernel {

using launcher::Json;

namespace {

// Null: the document has the member, and no value for it yet.
using Value = std::variant<std::nullptr_t, bool, double, std::string>;

Error wrong(std::string message) { return Error{ErrorCode::InvalidConfig, std::move(message), {}}; }

const char* kind_of(const Value& value) {
  constexpr std::array kKinds = {"null", "true or false", "a number", "text"};
  return kKinds[value.index()];
}

}  // namespace

struct StatusExpression::Node {
  // Literal, Path, or an operator: ! || && < <= > >= == != + - * /, and n for a number's minus.
  enum class Kind : uint8_t { Literal, Path, Operator };
  Kind kind = Kind::Literal;
  Value literal;
  std::vector<std::string> path;
  std::string op;
  std::unique_ptr<Node> left, right;
};

using Node = StatusExpression::Node;

namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<std::unique_ptr<Node>> parse() {
    auto root = binary(0);
    if (!error_ && skip_space() < text_.size()) unexpected();
    if (error_) return tl::unexpected(*error_);
    return root;
  }

 private:
  // By how tightly they bind, the loosest first; a longer operator before its beginning.
  static constexpr std::array<std::array<std::string_view, 6>, 5> kLevels = {
      {{"||"}, {"&&"}, {"<=", ">=", "==", "!=", "<", ">"}, {"+", "-"}, {"*", "/"}}};
  static constexpr size_t kComparison = 2;
  static constexpr int kDeepest = 100;

  size_t skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    return at_;
  }

  bool take(std::string_view token) {
    if (!text_.substr(skip_space()).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }

  void unexpected() {
    if (error_) return;
    const std::string found = at_ < text_.size() ? "unexpected '" + std::string(1, text_[at_]) + "'"
                                                 : "it ends too early";
    const bool lone =
        at_ < text_.size() && std::string_view("=&|").find(text_[at_]) != std::string_view::npos;
    error_ = wrong("column " + std::to_string(at_ + 1) + ": " + found +
                   (lone ? "; the operators are == != < <= > >= && || ! + - * /" : ""));
  }

  std::unique_ptr<Node> binary(size_t level) {
    if (level == kLevels.size()) return unary();
    auto left = binary(level + 1);
    for (int count = 0; !error_; ++count) {
      std::string_view found;
      for (const std::string_view op : kLevels[level]) {
        if (!op.empty() && take(op)) {
          found = op;
          break;
        }
      }
      if (found.empty()) break;
      if (level == kComparison && count > 0) {
        at_ -= found.size();
        unexpected();
        break;
      }
      auto node = std::make_unique<Node>();
      node->kind = Node::Kind::Operator;
      node->op = found;
      node->left = std::move(left);
      node->right = binary(level + 1);
      left = std::move(node);
    }
    return left;
  }

  std::unique_ptr<Node> unary() {
    if (++depth_ > kDeepest) unexpected();
    auto node = std::make_unique<Node>();
    if (error_) return node;
    const bool inverts = !text_.substr(skip_space()).starts_with("!=") && take("!");
    if (inverts || take("-")) {
      node->kind = Node::Kind::Operator;
      node->op = inverts ? "!" : "n";
      node->left = unary();
    } else if (take("(")) {
      node = binary(0);
      if (!take(")")) unexpected();
    } else {
      primary(*node);
    }
    --depth_;
    return node;
  }

  void primary(Node& node) {
    const size_t start = skip_space();
    const char first = start < text_.size() ? text_[start] : '\0';
    if (std::isdigit(static_cast<unsigned char>(first)) || first == '.') {
      number(node);
    } else if (first == '"' || first == '\'') {
      if (auto text = quoted()) node.literal = *text;
    } else if (std::isalpha(static_cast<unsigned char>(first)) || first == '_') {
      path(node);
    } else {
      unexpected();
    }
  }

  void number(Node& node) {
    const std::string rest(text_.substr(at_, 64));
    char* end = nullptr;
    const double value = std::strtod(rest.c_str(), &end);
    const auto length = static_cast<size_t>(end - rest.c_str());
    if (length == 0) return unexpected();
    at_ += length;
    node.literal = value;
  }

  std::optional<std::string> quoted() {
    const char quote = text_[at_++];
    const size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) {
      at_ = text_.size();
      unexpected();
      return std::nullopt;
    }
    std::string found(text_.substr(at_, end - at_));
    at_ = end + 1;
    return found;
  }

  std::string word() {
    const size_t start = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) {
      ++at_;
    }
    return std::string(text_.substr(start, at_ - start));
  }

  void path(Node& node) {
    const std::string first = word();
    if (first == "true" || first == "false") {
      node.literal = first == "true";
      return;
    }
    node.kind = Node::Kind::Path;
    node.path.push_back(first);
    while (!error_ && at_ < text_.size() && (text_[at_] == '.' || text_[at_] == '[')) {
      if (text_[at_++] == '.') {
        node.path.push_back(word());
        if (node.path.back().empty()) unexpected();
      } else {
        skip_space();
        if (at_ >= text_.size() || (text_[at_] != '"' && text_[at_] != '\'')) return unexpected();
        if (auto name = quoted()) node.path.push_back(*name);
        if (!take("]")) unexpected();
      }
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  std::optional<Error> error_;
};

std::string path_text(const std::vector<std::string>& path) {
  std::string text;
  for (const std::string& part : path) text += (text.empty() ? "" : ".") + part;
  return text;
}

// The element of a list whose name or id is `name`, or the member of an object.
const Json* member_of(const Json& json, const std::string& name) {
  if (json.is_object()) {
    const auto found = json.find(name);
    return found == json.end() ? nullptr : &*found;
  }
  if (!json.is_array()) return nullptr;
  for (const Json& element : json) {
    if (!element.is_object()) continue;
    if (launcher::text_of(element, "name") == name || launcher::text_of(element, "id") == name) {
      return &element;
    }
  }
  return nullptr;
}

constexpr std::array kListNames = {"kernels", "inputs", "outputs"};

const Json* start_of(const Json& document, const std::string& name) {
  if (const auto totals = document.find("totals"); totals != document.end()) {
    if (const Json* found = member_of(*totals, name)) return found;
  }
  if (const Json* found = member_of(document, name)) return found;
  for (const char* list : kListNames) {
    if (const Json* found = member_of(launcher::list_of(document, list), name)) return found;
  }
  return nullptr;
}

std::vector<std::string> names_in(const Json& json) {
  std::vector<std::string> names;
  if (json.is_object()) {
    for (const auto& [name, value] : json.items()) names.push_back(name);
  } else if (json.is_array()) {
    for (const Json& element : json) {
      if (!element.is_object()) continue;
      names.push_back(launcher::text_of(element, element.contains("id") ? "id" : "name"));
    }
  }
  return names;
}

Error unknown(const std::vector<std::string>& path, size_t part, std::vector<std::string> known) {
  const std::string meant = nearest_name(path[part], known);
  const std::vector<std::string> before(path.begin(),
                                        path.begin() + static_cast<std::ptrdiff_t>(part));
  return wrong((before.empty() ? "the status" : "'" + path_text(before) + "'") + " has no '" +
               path[part] + "'" + (meant.empty() ? "" : ": did you mean '" + meant + "'?"));
}

Result<Value> look_up(const Json& document, const std::vector<std::string>& path) {
  const Json* json = start_of(document, path[0]);
  if (!json) {
    std::vector<std::string> known = names_in(document);
    for (const char* list : kListNames) {
      for (auto& name : names_in(launcher::list_of(document, list))) known.push_back(name);
    }
    if (const auto totals = document.find("totals"); totals != document.end()) {
      for (auto& name : names_in(*totals)) known.push_back(name);
    }
    return tl::unexpected(unknown(path, 0, std::move(known)));
  }
  for (size_t part = 1; part < path.size(); ++part) {
    const Json* next = member_of(*json, path[part]);
    if (!next) {
      // A kernel that has handled nothing yet has no latency.
      if (json->is_null()) return Value(nullptr);
      return tl::unexpected(unknown(path, part, names_in(*json)));
    }
    json = next;
  }
  if (json->is_null()) return Value(nullptr);
  if (json->is_boolean()) return Value(json->get<bool>());
  if (json->is_number()) return Value(json->get<double>());
  if (json->is_string()) return Value(json->get<std::string>());
  return tl::unexpected(wrong("'" + path_text(path) + "' is no single value"));
}

Result<bool> truth(const Value& value) {
  if (std::holds_alternative<std::nullptr_t>(value)) return false;
  if (const bool* flag = std::get_if<bool>(&value)) return *flag;
  return tl::unexpected(wrong(std::string("expected a condition, found ") + kind_of(value)));
}

bool compare(const std::string& op, double a, double b) {
  if (op == "<") return a < b;
  if (op == "<=") return a <= b;
  if (op == ">") return a > b;
  if (op == ">=") return a >= b;
  return (op == "==") == (a == b);
}

double calculate(const std::string& op, double a, double b) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  return op == "*" ? a * b : a / b;
}

Result<Value> evaluate(const Node& node, const Json& document);

Result<Value> evaluate_logic(const Node& node, const Json& document) {
  auto left = evaluate(*node.left, document);
  if (!left) return left;
  auto first = truth(*left);
  if (!first) return tl::unexpected(first.error());
  if (node.op == "!") return Value(!*first);
  // Both sides, so that a mistake on the right shows at once and not on a bad day.
  auto right = evaluate(*node.right, document);
  if (!right) return right;
  auto second = truth(*right);
  if (!second) return tl::unexpected(second.error());
  return Value(node.op == "&&" ? *first && *second : *first || *second);
}

Result<Value> evaluate(const Node& node, const Json& document) {
  if (node.kind == Node::Kind::Literal) return node.literal;
  if (node.kind == Node::Kind::Path) return look_up(document, node.path);
  if (node.op == "!" || node.op == "&&" || node.op == "||") return evaluate_logic(node, document);
  auto left = evaluate(*node.left, document);
  if (!left) return left;
  const bool minus = node.op == "n";
  auto right = minus ? Result<Value>(Value(0.0)) : evaluate(*node.right, document);
  if (!right) return right;
  if (std::holds_alternative<std::nullptr_t>(*left) ||
      std::holds_alternative<std::nullptr_t>(*right)) {
    return Value(nullptr);
  }
  const bool arithmetic = std::string_view("+-*/n").find(node.op) != std::string_view::npos;
  const double* a = std::get_if<double>(&*left);
  const double* b = std::get_if<double>(&*right);
  if (minus && a) return Value(-*a);
  if (a && b) {
    return arithmetic ? Value(calculate(node.op, *a, *b)) : Value(compare(node.op, *a, *b));
  }
  const bool equality = node.op == "==" || node.op == "!=";
  if (equality && left->index() == right->index())
    return Value((node.op == "==") == (*left == *right));
  return tl::unexpected(wrong("'" + (minus ? "-" : node.op) + "' does not work on " +
                              kind_of(*left) +
                              (minus ? "" : std::string(" and ") + kind_of(*right))));
}

}  // namespace

StatusExpression::StatusExpression(std::unique_ptr<Node> root) : root_(std::move(root)) {}
StatusExpression::~StatusExpression() = default;
StatusExpression::StatusExpression(StatusExpression&& other) noexcept = default;
StatusExpression& StatusExpression::operator=(StatusExpression&& other) noexcept = default;

Result<StatusExpression> StatusExpression::parse(std::string_view text) {
  auto root = Parser(text).parse();
  if (!root) return tl::unexpected(root.error());
  return StatusExpression(std::move(*root));
}

Result<bool> StatusExpression::holds(const StatusDocument& document) const {
  auto value = evaluate(*root_, document.impl().json);
  if (!value) return tl::unexpected(value.error());
  return truth(*value);
}

}  // namespace ringkernel
