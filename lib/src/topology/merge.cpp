#include "topology/merge.hpp"

#include <algorithm>
#include <functional>
#include <string_view>
#include <vector>

#include "topology/key_table.hpp"
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

// kernels.NAME.params.P and defaults.params.P.
bool is_param(const std::vector<std::string>& path) {
  if (path.size() < 2 || path[path.size() - 2] != "params") return false;
  return (path.size() == 3 && path[0] == "defaults") || (path.size() == 4 && path[0] == "kernels");
}

// kernels.NAME.buffers.B and defaults.buffers.B.
bool is_buffer(const std::vector<std::string>& path) {
  if (path.size() < 2 || path[path.size() - 2] != "buffers") return false;
  return (path.size() == 3 && path[0] == "defaults") || (path.size() == 4 && path[0] == "kernels");
}

// A buffer's short form, its type alone, written out.
void write_out(Value& buffer) {
  Value whole;
  whole.kind = Value::Kind::Map;
  whole.position = buffer.position;
  whole.members.push_back({{"type", buffer.position}, buffer});
  buffer = std::move(whole);
}

// A way in, a way out or a kind of handler, with the options that only it has.
struct Way {
  std::string_view section;
  std::string_view key;
  std::vector<std::string_view> options;
};

const std::vector<Way>& ways() {
  static const std::vector<Way> all = {{"inputs", "stdin", {}},
                                       {"inputs", "file", {"codec", "follow"}},
                                       {"inputs", "every", {"value", "count"}},
                                       {"inputs", "values", {}},
                                       {"outputs", "stdout", {}},
                                       {"outputs", "file", {"codec", "append"}},
                                       {"outputs", "discard", {}},
                                       {"kernels", "source", {}},
                                       {"kernels", "code", {}},
                                       {"kernels", "builtin", {}}};
  return all;
}

// Where `path` leads to an input, an output, a kernel or the defaults: its section; else empty.
std::string_view section_of(const std::vector<std::string>& path) {
  if (path.size() == 1 && path[0] == "defaults") return "kernels";
  return path.size() == 2 ? std::string_view(path[0]) : std::string_view();
}

// Of the ways of a section only one can be: what is laid over takes the place of the base's.
void drop_other_ways(Value& base, std::string_view section,
                     const std::function<bool(std::string_view)>& laid_over) {
  const bool any = std::any_of(ways().begin(), ways().end(), [&](const Way& way) {
    return way.section == section && laid_over(way.key);
  });
  if (!any) return;
  for (const Way& way : ways()) {
    if (way.section != section || laid_over(way.key) || base.find(way.key) == nullptr) continue;
    std::erase_if(base.members, [&](const Value::Member& member) {
      return member.key.text == way.key || std::find(way.options.begin(), way.options.end(),
                                                     member.key.text) != way.options.end();
    });
  }
}

void merge_at(Value& base, const Value& overlay, std::vector<std::string>& path) {
  if (is_buffer(path) && base.is_scalar() && overlay.is_map()) write_out(base);
  if (is_buffer(path) && base.is_map() && overlay.is_scalar()) {
    Value whole = overlay;
    write_out(whole);
    return merge_at(base, whole, path);
  }
  if (base.is_map() && overlay.is_map()) {
    drop_other_ways(base, section_of(path),
                    [&](std::string_view way) { return overlay.find(way) != nullptr; });
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
  // What is merged over a param gives its value; its type stays.
  if (is_param(path) && base.is_scalar() && overlay.is_scalar() &&
      overlay.text.find('=') == std::string::npos) {
    base.text = with_value(base.text, overlay.text);
    base.elsewhere = base.text.size() - overlay.text.size();
    base.style = overlay.style;
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

void merge_kernel(Value& defaults, const Value& kernel) {
  std::vector<std::string> path = {"defaults"};
  merge_at(defaults, kernel, path);
}

namespace {

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> steps;
  size_t start = 0;
  while (start <= path.size()) {
    size_t end = std::min(path.find('.', start), path.size());
    steps.push_back(path.substr(start, end - start));
    start = end + 1;
  }
  return steps;
}

// A wire's "score.alert" is one key: joins it again.
void join_wire(const Value& document, std::vector<std::string>& steps) {
  if (steps.size() < 3 || steps[0] != "wires") return;
  const Value* wires = document.find("wires");
  if (wires != nullptr && wires->find(steps[1]) != nullptr) return;
  steps[1] += "." + steps[2];
  steps.erase(steps.begin() + 2);
}

// The declaration of a param that a kernel has from the defaults.
const Value* default_param(const Value& document, const std::vector<std::string>& steps) {
  if (!is_param(steps) || steps[0] != "kernels") return nullptr;
  const Value* kernels = document.find("kernels");
  const Value* defaults = document.find("defaults");
  const Value* params = defaults == nullptr ? nullptr : defaults->find("params");
  if (kernels == nullptr || kernels->find(steps[1]) == nullptr || params == nullptr) return nullptr;
  const Value* param = params->find(steps[3]);
  return param != nullptr && param->is_scalar() ? param : nullptr;
}

// Whether the path leads to what a buffer has: kernels.NAME.buffers.B.load.
bool leads_into_buffer(std::vector<std::string> path) {
  if (path.empty() || find_key(Section::Buffer, path.back()) == nullptr) return false;
  path.pop_back();
  return is_buffer(path);
}

// A buffer that a kernel has from the defaults.
bool is_default_buffer(const Value& document, const std::vector<std::string>& steps) {
  if (!leads_into_buffer(steps) || steps[0] != "kernels") return false;
  const Value* kernels = document.find("kernels");
  const Value* defaults = document.find("defaults");
  const Value* buffers = defaults == nullptr ? nullptr : defaults->find("buffers");
  return kernels != nullptr && kernels->find(steps[1]) != nullptr && buffers != nullptr &&
         buffers->find(steps[3]) != nullptr;
}

}  // namespace

void set_path(Value& document, const std::string& path, const std::string& text,
              std::vector<Diagnostic>& diagnostics) {
  Position place{"--set " + path + "=" + text, 0, 0, 1};
  auto report = [&](std::string message, std::string suggestion) {
    diagnostics.push_back(
        {Severity::Error, place, std::move(message), "bad-set", std::move(suggestion), ""});
  };
  std::vector<std::string> steps = split_path(path);
  join_wire(document, steps);
  Value scalar;
  scalar.kind = Value::Kind::Scalar;
  scalar.text = text;
  scalar.position = place;
  const Value* inherited = default_param(document, steps);
  if (inherited != nullptr) scalar.text = with_value(inherited->text, text);
  Value* at = &document;
  bool may_create = inherited != nullptr || is_default_buffer(document, steps);
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::string& step = steps[i];
    if (step.empty()) return report("the path has an empty step", "");
    bool last = i + 1 == steps.size();
    may_create = may_create || step == "launch" || step == "build" || step == "run" ||
                 step == "dead_letters" || step == "defaults" || (last && i <= 2) ||
                 (last && leads_into_buffer(steps));
    if (last && at->is_scalar() && leads_into_buffer(steps)) write_out(*at);
    if (at->is_null()) at->kind = Value::Kind::Map;
    if (!at->is_map())
      return report("'" + step + "' leads into " + std::string(name_of(at->kind)), "");
    if (last)
      drop_other_ways(*at, section_of({steps.begin(), steps.end() - 1}),
                      [&](std::string_view way) { return way == step; });
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
  if (is_buffer(steps) && at->is_map()) return merge_at(*at, scalar, steps);
  if (is_param(steps) && at->is_scalar()) scalar.text = with_value(at->text, text);
  *at = scalar;
}

}  // namespace ringkernel::topology
