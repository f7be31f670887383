// A folder of a test's own, and the declarations of its handlers.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "handlers/load.hpp"

namespace ringkernel::handlers {

class Scratch {
 public:
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "rk-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Scratch() {
    std::error_code code;
    std::filesystem::remove_all(path_, code);
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(*this / name) << text;
    return *this / name;
  }
  LoadOptions cache() const { return {*this / "cache", ""}; }

 private:
  std::string path_;
};

inline bool has(const std::string& text, const std::string& piece) {
  return text.find(piece) != std::string::npos;
}

inline schema::MessageTypePtr message(const std::string& name,
                                      const std::vector<schema::FieldDeclaration>& fields,
                                      const std::vector<schema::MessageTypePtr>& known = {}) {
  auto type = schema::make_message_type(name, fields, known);
  REQUIRE(type.has_value());
  return *type;
}

// A kernel that takes Order and emits Alert, with inline code.
inline HandlerSpec scoring(const std::string& code) {
  HandlerSpec spec;
  spec.kernel = "score";
  spec.kind = HandlerSpec::Kind::Code;
  spec.code = code;
  spec.code_file = "topology.yaml";
  spec.code_line = 12;
  auto order = message("Order", {{"id", "u64", ""}, {"account", "u32", ""}, {"amount", "f64", ""}});
  auto alert = message("Alert", {{"id", "u64", ""}, {"reason", "enum[amount, velocity]", ""}});
  spec.messages = {order, alert};
  spec.accepts = {order};
  spec.emits = {{"alert", alert, 1}};
  auto limit = schema::make_param("limit", "f64 = 1000");
  REQUIRE(limit.has_value());
  spec.params = {*limit};
  return spec;
}

inline const std::string kScore = R"(RK_HANDLER void on_message(Context& ctx, const Order& order) {
  if (order.amount > ctx.params().limit) ctx.emit(port::alert, Alert{order.id, Alert::Reason::amount});
}
)";

inline Result<LoadedHandler> load_one(const HandlerSpec& spec, const LoadOptions& options) {
  auto loaded = load_handlers({&spec, 1}, options);
  if (!loaded) return tl::unexpected(loaded.error());
  return (*loaded)[0];
}

}  // namespace ringkernel::handlers
