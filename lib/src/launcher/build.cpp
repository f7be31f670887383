#include "ringkernel/build.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "backends/cuda/driver.hpp"
#include "handlers/device_compiler.hpp"
#include "handlers/load.hpp"
#include "launcher/control_protocol.hpp"
#include "launcher/handler_specs.hpp"
#include "topology/topology_impl.hpp"

namespace ringkernel {
namespace {

using handlers::HandlerSpec;
using launcher::Json;

constexpr std::array kGenerations = {"sm_75", "sm_80", "sm_90", "sm_100", "sm_120"};

// Those that may run there: of the others it is not asked.
void build_for_host(const topology::Topology& model, BuildReport& report) {
  const auto specs = launcher::handler_specs_for_host(model);
  const auto all = handlers::load_handlers(specs);
  for (size_t i = 0; i < specs.size(); ++i) {
    BuiltHandler built;
    built.kernel = specs[i].kernel;
    built.target = "cpu";
    // One that fails ends a launch; who checks wants to see what is wrong with the others too.
    const auto one = all ? all : handlers::load_handlers({&specs[i], 1});
    if (one)
      built.compiled = (*one)[all ? i : 0].compiled;
    else
      built.error = one.error();
    const bool hopeless = !one && one.error().code != ErrorCode::CompilationError;
    report.handlers.push_back(std::move(built));
    if (hopeless) break;
  }
}

void note_code(const Result<handlers::DeviceCode>& code, BuiltHandler& built) {
  if (!code) {
    built.error = code.error();
    return;
  }
  built.compiled = code->compiled;
  built.registers = code->usage.registers;
  built.shared_memory = code->usage.shared_memory;
  built.stack = code->usage.stack;
  built.spilled = code->usage.spilled;
}

Result<void> check_architectures(const handlers::Nvrtc& nvrtc,
                                 const std::vector<std::string>& architectures) {
  for (const std::string& one : architectures) {
    if (one.starts_with("sm_") && nvrtc.supports(one)) continue;
    std::string known;
    for (const int number : nvrtc.architectures()) known += " sm_" + std::to_string(number);
    return fail(ErrorCode::InvalidConfig, "NVRTC " + nvrtc.version() + " does not compile for '" +
                                              one + "'; it does for" + known);
  }
  return {};
}

}  // namespace

Result<BuildReport> build_handlers(const Topology& topology, const BuildRequest& request) {
  const topology::Topology& model = model_of(topology);
  const auto specs = launcher::handler_specs(model);
  const auto nvrtc = handlers::Nvrtc::open();
  if (nvrtc) {
    if (auto checked = check_architectures(**nvrtc, request.architectures); !checked)
      return tl::unexpected(checked.error());
  }
  BuildReport report;
  build_for_host(model, report);

  std::vector<handlers::DeviceTarget> targets;
  const size_t first = report.handlers.size();
  for (size_t i = 0; i < specs.size(); ++i) {
    const Backend backend = model.kernels[i].backend;
    if (backend != Backend::Auto && backend != Backend::Cuda) continue;
    if (!nvrtc) {
      if (!request.architectures.empty()) report.skipped = nvrtc.error().message;
      continue;
    }
    for (const std::string& architecture : request.architectures) {
      BuiltHandler built;
      built.kernel = specs[i].kernel;
      built.target = architecture;
      built.required = backend == Backend::Cuda;
      report.handlers.push_back(std::move(built));
      targets.push_back({specs[i], architecture});
    }
  }
  if (targets.empty()) return report;
  const handlers::ArtefactCache cache(handlers::default_cache_folder());
  const auto codes = handlers::compile_for_device(targets, cache);
  for (size_t i = 0; i < codes.size(); ++i) note_code(codes[i], report.handlers[first + i]);
  return report;
}

std::vector<std::string> usual_architectures() {
  std::vector<std::string> usual;
  const auto nvrtc = handlers::Nvrtc::open();
  for (const char* one : kGenerations)
    // Without a compiler all of them: building for them then says that it is skipped.
    if (!nvrtc || (*nvrtc)->supports(one)) usual.emplace_back(one);
  return usual;
}

std::vector<std::string> present_architectures() {
  const auto driver = backends::cuda::Driver::open();
  const auto nvrtc = handlers::Nvrtc::open();
  if (!driver || !nvrtc) return {};
  const auto devices = (*driver)->devices();
  if (!devices) return {};
  std::set<std::string> present;
  for (const auto& device : *devices) {
    std::string target = handlers::device_target(**nvrtc, device.major, device.minor);
    if (device.unusable().empty() && target.starts_with("sm_")) present.insert(std::move(target));
  }
  return {present.begin(), present.end()};
}

std::string to_json(const BuildReport& report) {
  Json list = Json::array();
  for (const BuiltHandler& built : report.handlers) {
    Json one{{"kernel", built.kernel},
             {"target", built.target},
             {"ok", !built.error},
             {"compiled", built.compiled}};
    if (built.error) one["error"] = built.error->message;
    if (!built.error && built.target != "cpu") {
      one["registers"] = built.registers;
      one["shared_memory"] = built.shared_memory;
      one["stack"] = built.stack;
      one["spilled"] = built.spilled;
    }
    list.push_back(std::move(one));
  }
  Json document{{"schema", "ringk.build/1"}, {"handlers", list}};
  if (!report.skipped.empty()) document["skipped"] = report.skipped;
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ringkernel
