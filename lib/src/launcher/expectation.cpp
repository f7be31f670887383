#include "launcher/expectation.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace ringkernel::launcher {
namespace {

using Json = nlohmann::ordered_json;
constexpr size_t kShown = 5;
constexpr size_t kNone = ~size_t{0};

bool nearly_equal(double wanted, double found, double tolerance) {
  return std::abs(wanted - found) <= tolerance * std::max(std::abs(wanted), std::abs(found));
}

// The fields that are listed, and those of nested objects.
bool matches(const Json& wanted, const Json& found, const std::optional<double>& approx) {
  if (wanted.is_object()) {
    if (!found.is_object()) return false;
    for (const auto& [key, value] : wanted.items()) {
      const auto member = found.find(key);
      const bool absent = member == found.end();
      if (absent ? !value.is_null() : !matches(value, *member, approx)) return false;
    }
    return true;
  }
  if (wanted.is_array()) {
    if (!found.is_array() || wanted.size() != found.size()) return false;
    for (size_t i = 0; i < wanted.size(); ++i)
      if (!matches(wanted[i], found[i], approx)) return false;
    return true;
  }
  if (wanted.is_number() && found.is_number() && approx)
    return nearly_equal(wanted.get<double>(), found.get<double>(), *approx);
  return wanted == found;
}

// Kuhn's algorithm: partial objects may fit several messages, so the first fit will not do.
class Matching {
 public:
  Matching(const std::vector<Json>& wanted, const std::vector<Json>& found,
           const std::optional<double>& approx)
      : taken_by(found.size(), kNone) {
    for (size_t w = 0; w < wanted.size(); ++w) {
      fits_.emplace_back();
      for (size_t f = 0; f < found.size(); ++f)
        if (matches(wanted[w], found[f], approx)) fits_[w].push_back(f);
    }
    for (size_t w = 0; w < wanted.size(); ++w) {
      seen_.assign(found.size(), false);
      if (!place(w)) missing.push_back(w);
    }
  }

  std::vector<size_t> taken_by;  // the wanted one of each found one
  std::vector<size_t> missing;

 private:
  bool place(size_t wanted) {
    for (size_t f : fits_[wanted]) {
      if (seen_[f]) continue;
      seen_[f] = true;
      if (taken_by[f] == kNone || place(taken_by[f])) {
        taken_by[f] = wanted;
        return true;
      }
    }
    return false;
  }

  std::vector<std::vector<size_t>> fits_;
  std::vector<bool> seen_;
};

std::vector<Json> parsed(const std::vector<std::string>& texts) {
  std::vector<Json> all;
  for (const std::string& text : texts) all.push_back(Json::parse(text, nullptr, false));
  return all;
}

std::string listed(const char* title, const std::vector<std::string>& lines) {
  if (lines.empty()) return "";
  std::string text = title;
  for (size_t i = 0; i < std::min(lines.size(), kShown); ++i) text += "\n    " + lines[i];
  if (lines.size() > kShown) text += "\n    and " + std::to_string(lines.size() - kShown) + " more";
  return text + "\n";
}

std::string in_order(const topology::Expectation& expectation, const std::vector<Json>& wanted,
                     const std::vector<Json>& found, const std::vector<std::string>& texts) {
  size_t next = 0;
  for (size_t f = 0; f < found.size(); ++f) {
    if (next < wanted.size() && matches(wanted[next], found[f], expectation.approx)) {
      ++next;
    } else if (!expectation.contains) {
      return "message " + std::to_string(f + 1) + " is\n    " + texts[f] + "\n  and not\n    " +
             (next < wanted.size() ? (*expectation.messages)[next] : "the end") + "\n";
    }
  }
  return next == wanted.size()
             ? ""
             : "missing, in this order:\n    " + (*expectation.messages)[next] + "\n";
}

std::string in_any_order(const topology::Expectation& expectation, const std::vector<Json>& wanted,
                         const std::vector<Json>& found, const std::vector<std::string>& texts) {
  const Matching matching(wanted, found, expectation.approx);
  std::vector<std::string> missing;
  for (size_t w : matching.missing) missing.push_back((*expectation.messages)[w]);
  std::vector<std::string> others;
  for (size_t f = 0; f < found.size(); ++f)
    if (matching.taken_by[f] == kNone) others.push_back(texts[f]);
  if (missing.empty() && (expectation.contains || others.empty())) return "";
  return listed("missing:", missing) + listed("not expected:", others);
}

}  // namespace

std::string mismatch(const topology::Expectation& expectation,
                     const std::vector<std::string>& found) {
  std::string text;
  if (expectation.count && *expectation.count != found.size())
    text += std::to_string(found.size()) + " messages and not " +
            std::to_string(*expectation.count) + "\n";
  if (expectation.messages) {
    const std::vector<Json> wanted = parsed(*expectation.messages);
    const std::vector<Json> there = parsed(found);
    text += expectation.ordered ? in_order(expectation, wanted, there, found)
                                : in_any_order(expectation, wanted, there, found);
  }
  return text.empty() ? "" : expectation.target + ": " + text;
}

}  // namespace ringkernel::launcher
