#include "launcher/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
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
  bool json = false;

  Log() {
    logger = std::make_shared<spdlog::logger>("ringk",
                                              std::make_shared<spdlog::sinks::stderr_sink_mt>());
    json = variable("RINGK_LOG_FORMAT") == "json";
    logger->set_pattern(json ? "%v" : "%Y-%m-%dT%H:%M:%S.%f%z %l %v");
    const std::string level = variable("RINGK_LOG");
    logger->set_level(level == "debug"   ? spdlog::level::debug
                      : level == "info"  ? spdlog::level::info
                      : level == "error" ? spdlog::level::err
                                         : spdlog::level::warn);
    logger->flush_on(spdlog::level::debug);
  }
};

constexpr const char* kLevels[] = {"debug", "info", "warning", "error"};

}  // namespace

void log_from_kernel(std::string_view topology, std::string_view kernel, int level,
                     std::string_view text, double value) {
  static Log log;
  const int known = std::clamp(level, 0, 3);
  constexpr spdlog::level::level_enum kOfSpdlog[] = {spdlog::level::debug, spdlog::level::info,
                                                     spdlog::level::warn, spdlog::level::err};
  if (!log.logger->should_log(kOfSpdlog[known])) return;
  if (!log.json) {
    log.logger->log(kOfSpdlog[known], "{}/{}: {} {}", topology, kernel, text, value);
    return;
  }
  std::string line = R"({"time":)";
  append_json_time(line, wall_us());
  line += std::string(R"(,"level":")") + kLevels[known] + R"(","topology":)";
  append_json_string(line, topology);
  line += R"(,"kernel":)";
  append_json_string(line, kernel);
  line += R"(,"text":)";
  append_json_string(line, text);
  line += fmt::format(R"(,"value":{}}})", value);
  log.logger->log(kOfSpdlog[known], "{}", line);
}

}  // namespace ringkernel::launcher
