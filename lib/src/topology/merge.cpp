#include "topology/merge.hpp"

#include "topology/suggest.hpp"

namespace ringkernel::topology {
namespace {

// "f64 = 1000" with another value.
std::string with_value(const std::string& declaration, const std::string& value) {
  size_t equals = declaration.find('=');
  std::string type = declaration.substr(0, equals);
  while (!type.empty() && type.back() == ' ') type.pop_back();
  return type + " = " + value;
}

bool is_param(const std::vector<std::string>& path) {
  return path.size() == 4 && path[0] == "kernels" && path[2] == "params";
}

void merge_at(Value& base, const Value& overlay, std::vector<std::string>& path) {
  if (base.is_map() && overlay.is_map()) {
    for (const auto& [key, member] : overlay.members) {
      path.push_back(key.text);
      if (Value* existing = base.find(key.text)) {
        merge_at(*existing, member, path);
      } else {
        base.members.push_back({key, member});
      }
      path.pop_back();
    }
    return;
  }
  // Overlays give a param's value; its type stays.
  if (is_param(path) && base.is_scalar() && overlay.is_scalar() &&
      overlay.text.find('=') == std::string::npos) {
    base.text = with_value(base.text, overlay.text);
    base.position = overlay.position;
    return;
  }
  base = overlay;
}

}  // namespace

void merge(Value& base, const Value& overlay) {
  std::vector<std::string> path;
  merge_at(base, overlay, path);
}

void set_path(Value& document, const std::string& path, const std::string& text,
              std::vector<Diagnostic>& diagnostics) {
  Position place{"--set " + path + "=" + text, 0, 0, 1};
  auto report = [&](std::string message, std::string suggestion) {
    diagnostics.push_back(
        {Severity::Error, place, std::move(message), "bad-set", std::move(suggestion), ""});
  };
  std::vector<std::string> steps;
  size_t start = 0;
  while (start <= path.size()) {
    size_t end = std::min(path.find('.', start), path.size());
    steps.push_back(path.substr(start, end - start));
    start = end + 1;
  }
  Value* at = &document;
  bool may_create = false;
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::string& step = steps[i];
    if (step.empty()) return report("the path has an empty step", "");
    bool last = i + 1 == steps.size();
    may_create = may_create || step == "launch" || step == "build" || step == "run" ||
                 step == "dead_letters" || step == "defaults" || (last && i <= 2);
    if (at->is_null()) at->kind = Value::Kind::Map;
    if (!at->is_map())
      return report("'" + step + "' leads into " + std::string(name_of(at->kind)), "");
    Value* next = at->find(step);
    if (next == nullptr) {
      if (!may_create) {
        std::vector<std::string> keys;
        for (const auto& [key, member] : at->members) keys.push_back(key.text);
        return report("there is no '" + step + "'", did_you_mean(step, keys));
      }
      at->members.push_back({{step, place}, {}});
      next = &at->members.back().value;
      next->position = place;
    }
    at = next;
  }
  if (is_param(steps) && at->is_scalar()) {
    at->text = with_value(at->text, text);
    return;
  }
  Value scalar;
  scalar.kind = Value::Kind::Scalar;
  scalar.text = text;
  scalar.position = place;
  *at = scalar;
}

}  // namespace ringkernel::topology
