#include "ringkernel/bench.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>

#include "handlers/load.hpp"
#include "launcher/bench_report.hpp"
#include "launcher/crash_handler.hpp"
#include "launcher/handler_specs.hpp"
#include "launcher/load_phase.hpp"
#include "launcher/private_output.hpp"
#include "launcher/redirects.hpp"
#include "launcher/run_status.hpp"
#include "launcher/signals.hpp"
#include "topology/topology_impl.hpp"

namespace ringkernel {
namespace {

using launcher::BenchFacts;
using launcher::LoadMessages;
using launcher::LoadPhase;
using launcher::PhasePlan;
using launcher::PhaseResult;
using launcher::RunningTopology;
using launcher::RunSettings;

struct Share {
  const char* name;
  double of_capacity;
};
constexpr std::array<Share, 3> kShares = {{{"10%", 0.1}, {"50%", 0.5}, {"90%", 0.9}}};

class Bench {
 public:
  Bench(const topology::Topology& model, const BenchRequest& request)
      : model_(model), request_(request) {}

  BenchReport run() {
    if (const ExitCode code = prepare(); code != ExitCode::Ok) return {code, {}, {}};
    const launcher::PrivateOutput output(true);
    const launcher::SignalsHeld signals;
    const launcher::CrashHandler crash_handler(model_.name);
    launcher::CrashHandler::prepare_thread();
    const launcher::SignalWatch watch(
        signals, [this](bool interrupt) { stop(interrupt); },
        [this](std::string_view text) {
          say(Voice::Notice, model_.name + ": " + std::string(text));
        });
    ExitCode code = run_phases();
    if (interrupted_.load()) code = first_of(code, ExitCode::Interrupted);
    if (results_.empty()) return {code, {}, {}};
    say_done();
    const BenchFacts facts{model_.name, model_.file, request_.lines, request_.keys};
    return {code, launcher::bench_json(facts, results_), launcher::bench_table(facts, results_)};
  }

 private:
  ExitCode prepare();
  ExitCode make_sources();
  ExitCode run_phases();
  ExitCode run_phase(PhasePlan plan);
  RunSettings settings();
  void stop(bool interrupt);

  void say_done() {
    uint64_t sent = 0;
    double seconds = 0;
    for (const PhaseResult& result : results_) {
      sent += result.sent;
      seconds += result.seconds;
    }
    say(Voice::Notice, model_.name + ": done: " + std::to_string(sent) + " messages sent in " +
                           launcher::duration_text(seconds));
  }
  void say(Voice voice, std::string_view text) {
    if (!request_.say) return;
    const std::lock_guard lock(mutex_);
    request_.say(voice, text);
  }
  ExitCode refused(ExitCode code, const Error& error) {
    say(Voice::Error, (error.where.empty() ? "" : error.where + ": ") + error.message);
    return code;
  }

  topology::Topology model_;
  const BenchRequest& request_;
  launcher::LoadSources sources_;
  std::optional<std::vector<const HandlerModule*>> modules_;
  std::vector<PhaseResult> results_;
  std::mutex mutex_;
  std::mutex phase_mutex_;
  std::unique_ptr<LoadPhase> phase_;
  std::atomic<bool> stopped_{false};
  std::atomic<bool> interrupted_{false};
};

// Nothing of the user's is read but what `in` names, and nothing is written.
ExitCode Bench::prepare() {
  if (auto known = launcher::check_redirects("input", request_.in, model_.inputs); !known)
    return refused(ExitCode::Usage, known.error());
  if (const ExitCode code = make_sources(); code != ExitCode::Ok) return code;
  model_.run.until = {};
  for (topology::Output& output : model_.outputs) {
    output.kind = request_.lines ? topology::Output::Kind::File : topology::Output::Kind::Discard;
    output.path = "/dev/null";
    output.append = false;
  }
  return ExitCode::Ok;
}

ExitCode Bench::make_sources() {
  for (const topology::Input& input : model_.inputs) {
    std::string file;
    for (const auto& [name, from] : request_.in)
      if (name == input.name) file = from;
    // A timer is part of the topology, not of its load.
    if (input.kind == topology::Input::Kind::Every && file.empty()) continue;
    auto made = LoadMessages::make(model_, input, file, request_.keys, request_.lines);
    if (!made) {
      const ErrorCode error = made.error().code;
      return refused(error == ErrorCode::ValidationError   ? ExitCode::BadInput
                     : error == ErrorCode::MessageTooLarge ? ExitCode::Usage
                                                           : ExitCode::NoInput,
                     made.error());
    }
    if (made->cut())
      say(Voice::Notice, file + ": the first " + std::to_string(made->size()) +
                             " messages are enough, the rest is left out");
    sources_.emplace(input.name, std::move(*made));
  }
  if (!sources_.empty()) return ExitCode::Ok;
  return refused(ExitCode::Usage, {ErrorCode::InvalidConfig,
                                   "it has no input that messages could be sent to: launch it and "
                                   "see its rates with ringk status --watch",
                                   model_.file});
}

RunSettings Bench::settings() {
  RunSettings settings;
  settings.name = model_.name;
  settings.workers = request_.workers;
  settings.backend = request_.backend;
  settings.load_handlers = [this](const std::vector<handlers::HandlerSpec>& specs)
      -> Result<std::vector<const HandlerModule*>> {
    if (modules_) return *modules_;
    auto loaded = handlers::load_handlers(specs);
    if (!loaded) return tl::unexpected(loaded.error());
    modules_.emplace();
    for (const handlers::LoadedHandler& handler : *loaded) modules_->push_back(handler.module);
    return *modules_;
  };
  return settings;
}

ExitCode Bench::run_phases() {
  PhasePlan plan{"capacity", std::nullopt, request_.messages, request_.duration};
  if (request_.rate) {
    plan.name = "rate";
    plan.rate = request_.rate;
  }
  ExitCode code = run_phase(plan);
  // A share of a capacity that was measured once may be too much a moment later; not so a rate that
  // was asked for.
  if (request_.rate && !results_.empty() && !results_.front().kept())
    code = first_of(code, ExitCode::Failed);
  if (request_.rate || request_.capacity_only || results_.empty()) return code;
  const double capacity = launcher::spread_of(results_.front()).median;
  for (const Share& share : kShares) {
    if (stopped_.load() || capacity <= 0) break;
    plan.name = share.name;
    plan.rate = capacity * share.of_capacity;
    code = first_of(code, run_phase(plan));
  }
  return code;
}

ExitCode Bench::run_phase(PhasePlan plan) {
  {
    const std::lock_guard lock(phase_mutex_);
    if (stopped_.load()) return ExitCode::Ok;
    phase_ = std::make_unique<LoadPhase>(model_, sources_, plan);
  }
  const std::string name = model_.name + ": ";
  LoadPhase::Progress progress;
  progress.on_ready = [&](const std::string& line) {
    if (results_.empty()) say(Voice::Notice, name + line);
  };
  progress.on_window = [&](const launcher::PhaseWindow& window) {
    const auto seconds = static_cast<uint64_t>(window.begin_s + window.seconds + 0.5);
    say(Voice::Progress, name + plan.name + ": " + std::to_string(seconds) + " s, " +
                             launcher::amount_text(window.rate) + "/s");
  };
  bool stuck = false;
  auto result = phase_->run(settings(), progress, stuck);
  if (!result) return refused(result.error().code, result.error().error);
  for (const std::string& complaint : result->complaints)
    say(Voice::Error, name + plan.name + ": " + complaint);
  if (stuck) _exit(static_cast<int>(result->code));
  const ExitCode code = result->code;
  results_.push_back(std::move(*result));
  const std::lock_guard lock(phase_mutex_);
  phase_.reset();
  return code;
}

void Bench::stop(bool interrupt) {
  if (interrupt) interrupted_.store(true);
  const std::lock_guard lock(phase_mutex_);
  stopped_.store(true);
  if (phase_)
    phase_->stop(interrupt ? RunningTopology::Cause::Interrupt : RunningTopology::Cause::Stop);
}

}  // namespace

BenchReport bench(const Topology& topology, const BenchRequest& request) {
  return Bench(model_of(topology), request).run();
}

}  // namespace ringkernel
