#include "launcher/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <initializer_list>
#include <string>

#include "core/clock.hpp"
#include "launcher/json_text.hpp"

namespace ringkernel::launcher {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

struct Log {
  std::shared_ptr<spdlog::logger> logger;
  std::shared_ptr<spdlog::logger> sentences;  // of the run itself, whatever the level
  bool json = false;

  Log() {
    const auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    logger = std::make_shared<spdlog::logger>("ringk", sink);
    sentences = std::make_shared<spdlog::logger>("run", sink);
    json = variable("RINGK_LOG_FORMAT") == "json";
    sink->set_pattern(json ? "%v" : "%Y-%m-%dT%H:%M:%S.%f%z %l %v");
    const std::string level = variable("RINGK_LOG");
    logger->set_level(level == "debug"   ? spdlog::level::debug
                      : level == "info"  ? spdlog::level::info
                      : level == "error" ? spdlog::level::err
                                         : spdlog::level::warn);
    logger->flush_on(spdlog::level::debug);
  }
};

constexpr const char* kLevels[] = {"debug", "info", "warning", "error"};
constexpr spdlog::level::level_enum kOfSpdlog[] = {spdlog::level::debug, spdlog::level::info,
                                                   spdlog::level::warn, spdlog::level::err};

Log& the_log() {
  static Log log;
  return log;
}

std::string json_line(std::string_view topology, std::string_view kernel, int level,
                      std::string_view text) {
  std::string line = R"({"time":)";
  append_json_time(line, wall_us());
  line += std::string(R"(,"level":")") + kLevels[level] + R"(","topology":)";
  append_json_string(line, topology);
  if (!kernel.empty()) {
    line += R"(,"kernel":)";
    append_json_string(line, kernel);
  }
  line += R"(,"text":)";
  append_json_string(line, text);
  return line;
}

Result<void> check_variable(const char* name, std::initializer_list<std::string_view> known,
                            const char* all) {
  const std::string value = variable(name);
  if (value.empty() || std::find(known.begin(), known.end(), value) != known.end()) return {};
  return fail(ErrorCode::InvalidConfig, std::string(name) + " is " + all, value);
}

}  // namespace

void log_from_kernel(std::string_view topology, std::string_view kernel, int level,
                     std::string_view text, double value) {
  Log& log = the_log();
  const int known = std::clamp(level, 0, 3);
  if (!log.logger->should_log(kOfSpdlog[known])) return;
  if (!log.json) {
    log.logger->log(kOfSpdlog[known], "{}/{}: {} {}", topology, kernel, text, value);
    return;
  }
  std::string line = json_line(topology, kernel, known, text);
  // JSON has no word for NaN and infinity.
  line += std::isfinite(value) ? fmt::format(R"(,"value":{}}})", value) : R"(,"value":null})";
  log.logger->log(kOfSpdlog[known], "{}", line);
}

bool log_is_json() { return the_log().json; }

void log_from_run(std::string_view topology, int level, std::string_view text) {
  // Past the level: how a run ended is no remark that could be left away.
  the_log().sentences->log(spdlog::level::err, "{}",
                           json_line(topology, {}, std::clamp(level, 0, 3), text) + "}");
}

Result<void> check_log_variables() {
  if (auto level = check_variable("RINGK_LOG", {"debug", "info", "warning", "error"},
                                  "debug, info, warning or error");
      !level)
    return level;
  return check_variable("RINGK_LOG_FORMAT", {"text", "json"}, "text or json");
}

}  // namespace ringkernel::launcher
