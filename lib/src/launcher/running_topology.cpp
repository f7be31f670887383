#include "launcher/running_topology.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "handlers/load.hpp"
#include "launcher/drain.hpp"
#include "launcher/generated_input.hpp"
#include "launcher/handler_specs.hpp"
#include "launcher/log.hpp"
#include "launcher/request_desk.hpp"
#include "launcher/run_graph.hpp"
#include "launcher/run_status.hpp"
#include "launcher/shared_progress.hpp"

namespace ringkernel::launcher {
namespace {

constexpr int kLogWarning = 2;
// For a kernel that a client ends at the end of the run, which has nothing left to handle.
constexpr auto kEndOfTermination = std::chrono::seconds(10);

using std::chrono::steady_clock;

double seconds_since(steady_clock::time_point then) {
  return std::chrono::duration<double>(steady_clock::now() - then).count();
}

// A client's feed, and what only the run can answer.
class RunFeed final : public Feed {
 public:
  RunFeed(std::shared_ptr<ClientFeed> feed, const runtime::Engine& engine)
      : feed_(std::move(feed)), engine_(engine) {}
  ~RunFeed() override {
    feed_->finish(false);
    feed_->forget_client();
  }
  size_t offer(std::span<const std::byte> bytes) override { return feed_->offer(bytes); }
  void finish(bool complete) override { feed_->finish(complete); }
  bool closed() const override { return feed_->closed(); }
  bool parsed() const override { return feed_->parsed(); }
  bool handled() override { return feed_->parsed() && engine_.quiescent(); }
  FeedCounts counts() const override { return feed_->counts(); }
  std::vector<BadLine> bad_lines() const override { return feed_->bad_lines(); }

 private:
  const std::shared_ptr<ClientFeed> feed_;
  const runtime::Engine& engine_;
};

StartError not_loaded(Error error) {
  ExitCode code = ExitCode::Invalid;
  if (error.code == ErrorCode::CompilerNotFound) code = ExitCode::Unavailable;
  if (error.code == ErrorCode::IoError) code = ExitCode::Unavailable;
  if (error.code == ErrorCode::CompilationError) {
    error.message =
        "the handler of kernel '" + error.where + "' does not compile\n" + error.message;
    error.where.clear();
  }
  return {code, std::move(error)};
}

Result<std::vector<const HandlerModule*>> compiled_handlers(
    const std::vector<handlers::HandlerSpec>& specs) {
  auto loaded = handlers::load_handlers(specs);
  if (!loaded) return tl::unexpected(loaded.error());
  std::vector<const HandlerModule*> modules;
  for (const handlers::LoadedHandler& handler : *loaded) modules.push_back(handler.module);
  return modules;
}

// The module of every kernel, in the topology's order: those on a GPU have theirs already.
Result<std::vector<const HandlerModule*>> modules_of(const topology::Topology& topology,
                                                     const std::vector<Placement>& placements,
                                                     const LoadHandlers& load) {
  std::vector<handlers::HandlerSpec> specs;
  for (size_t i = 0; i < placements.size(); ++i)
    if (!placements[i].device) specs.push_back(handler_spec(topology, topology.kernels[i]));
  const auto loaded = load(specs);
  if (!loaded) return loaded;
  std::vector<const HandlerModule*> modules;
  auto next = loaded->begin();
  for (const Placement& placement : placements)
    modules.push_back(placement.device ? placement.module : *next++);
  return modules;
}

}  // namespace

struct RunningTopology::Impl {
  Impl(const topology::Topology& model, RunSettings run_settings)
      : topology(model), settings(std::move(run_settings)), desk(graph, topology) {
    name = settings.name.empty() ? topology.name : settings.name;
    dead_letter_file = !settings.dead_letters.empty()        ? settings.dead_letters
                       : !topology.dead_letters_file.empty() ? topology.dead_letters_file
                                                             : name + ".dead.jsonl";
  }

  const topology::Topology topology;
  const RunSettings settings;
  std::string name;
  std::string dead_letter_file;
  RunGraph graph;
  RequestDesk desk;

  const steady_clock::time_point begun = steady_clock::now();
  steady_clock::time_point ready;
  double start_s = 0;
  std::atomic<double> run_s{0};  // set at the end
  std::atomic<Phase> phase{Phase::Starting};
  std::atomic<bool> stop_asked{false};
  std::atomic<bool> interrupted{false};
  std::atomic<bool> hurried{false};
  std::atomic<bool> stuck{false};
  std::shared_timed_mutex terminating;  // shared by those who end a kernel

  tl::expected<Backend, StartError> wanted_backend() const;
  bool over() const;
  bool waits_for_inputs() const;
  bool has_sources() const;
  ExitCode end();
  void save_buffers();
  void complain_unsaved(const Result<void>& terminated);
  bool too_many_failed(const RunTotals& totals) const;
  void leave_to_next(const RunTotals& totals);
  Result<const RunGraph::Input*> input_named(const std::string& input) const;
};

// The backend of kernels that leave it open.
tl::expected<Backend, StartError> RunningTopology::Impl::wanted_backend() const {
  if (settings.backend) return *settings.backend;
  const char* wish = std::getenv("RINGK_BACKEND");
  const std::string wanted = wish == nullptr ? "" : wish;
  if (wanted.empty() || wanted == "auto") return Backend::Auto;
  if (wanted == "cpu") return Backend::Cpu;
  if (wanted == "cuda") return Backend::Cuda;
  return tl::unexpected(StartError{
      ExitCode::Usage, {ErrorCode::InvalidConfig, "RINGK_BACKEND is auto, cpu or cuda", wanted}});
}

RunningTopology::RunningTopology(const topology::Topology& topology, RunSettings settings)
    : impl_(std::make_unique<Impl>(topology, std::move(settings))) {}
RunningTopology::~RunningTopology() = default;

tl::expected<void, StartError> RunningTopology::start() {
  Impl& run = *impl_;
  if (auto log = check_log_variables(); !log)
    return tl::unexpected(StartError{ExitCode::Usage, log.error()});
  const auto wanted = run.wanted_backend();
  if (!wanted) return tl::unexpected(wanted.error());
  auto placements = place_kernels(run.topology, *wanted, [&](const std::string& text) {
    log_from_kernel(run.name, "", kLogWarning, text, 0);
  });
  if (!placements) return tl::unexpected(placements.error());
  auto modules = modules_of(
      run.topology, *placements,
      run.settings.load_handlers ? run.settings.load_handlers : LoadHandlers(compiled_handlers));
  if (!modules) return tl::unexpected(not_loaded(modules.error()));
  auto built = run.graph.build(run.topology, run.settings, *modules, std::move(*placements),
                               run.name, run.dead_letter_file);
  if (!built) return built;
  if (auto started = run.graph.engine->start(); !started) {
    const ErrorCode why = started.error().code;
    const bool device = why == ErrorCode::DeviceError || why == ErrorCode::LaunchFailed;
    return tl::unexpected(
        StartError{device ? ExitCode::Crashed : ExitCode::Unavailable, started.error()});
  }
  for (const auto& input : run.graph.inputs) {
    if (input.timer != nullptr) input.timer->begin();
    run.graph.engine->wake(*input.node);
  }
  for (const auto& output : run.graph.outputs)
    if (!output.step->idle()) run.graph.engine->wake(*output.node);
  run.ready = steady_clock::now();
  run.start_s = seconds_since(run.begun);
  run.phase.store(Phase::Ready);
  return {};
}

bool RunningTopology::Impl::has_sources() const {
  return std::any_of(graph.kernels.begin(), graph.kernels.end(),
                     [](const auto& kernel) { return kernel.module->has_poll; });
}
bool RunningTopology::has_sources() const { return impl_->has_sources(); }

// Something that may end by itself: else the run goes on until it is stopped.
bool RunningTopology::Impl::waits_for_inputs() const {
  if (settings.service || topology.run.until.kind == topology::Until::Kind::Forever) return false;
  const bool finite = std::any_of(graph.inputs.begin(), graph.inputs.end(),
                                  [](const RunGraph::Input& input) { return input.finite; });
  const bool endless = std::any_of(graph.inputs.begin(), graph.inputs.end(),
                                   [](const RunGraph::Input& input) { return !input.finite; });
  // What goes on sending can still bring the output to its count.
  if (topology.run.until.kind == topology::Until::Kind::Output && endless) return false;
  return finite || has_sources();
}

bool RunningTopology::Impl::over() const {
  if (stop_asked.load() || graph.events.has_failed() || graph.events.was_reached()) return true;
  if (!waits_for_inputs() || graph.events.open_inputs() > 0) return false;
  return !has_sources() || graph.engine->quiescent();
}

ExitCode RunningTopology::run() {
  Impl& run = *impl_;
  run.graph.events.wait_until(std::chrono::milliseconds(5), [&] { return run.over(); });
  run.phase.store(Phase::Draining);
  const ExitCode code = run.end();
  run.run_s.store(seconds_since(run.ready));
  run.phase.store(Phase::Stopped);
  return code;
}

bool RunningTopology::Impl::too_many_failed(const RunTotals& totals) const {
  uint64_t failed = totals.bad + totals.failed;
  uint64_t lines = totals.lines;
  uint64_t handled = totals.handled;
  if (settings.progress != nullptr) {
    const SharedProgress::Totals& before = settings.progress->totals();
    failed += before.failed.load();
    lines += before.lines.load();
    handled += before.handled.load();
  }
  if (topology.run.max_failed_percent) {
    const auto of = static_cast<double>(lines > 0 ? lines : handled);
    return static_cast<double>(failed) > of * *topology.run.max_failed_percent / 100;
  }
  return failed > topology.run.max_failed;
}

// A kernel saves its buffers when it has ended. The drain is over: nothing is left that it could
// handle.
void RunningTopology::Impl::save_buffers() {
  // Until those that a client ended have saved theirs.
  std::unique_lock lock(terminating, std::defer_lock);
  const bool ended = !stuck.load() && lock.try_lock_for(kEndOfTermination);
  for (const auto& kernel : graph.kernels) {
    const KernelState state = kernel.node->state();
    if (!kernel.node->saves_buffers() || is_finished(state)) continue;
    if (!ended) {
      graph.events.complain(ExitCode::Failed,
                            "the buffers of '" + kernel.kernel->name + "' are not saved");
      continue;
    }
    if (can_deactivate(state)) (void)graph.engine->deactivate(*kernel.node);
    complain_unsaved(graph.engine->terminate(*kernel.node));
  }
}

// The message of a lost device says that its buffers are.
void RunningTopology::Impl::complain_unsaved(const Result<void>& terminated) {
  if (!terminated && terminated.error().code == ErrorCode::IoError)
    graph.events.complain(ExitCode::OutputError, "kernel '" + terminated.error().where +
                                                     "': " + terminated.error().message);
  else if (!terminated && terminated.error().code == ErrorCode::DeviceError)
    graph.events.complain(ExitCode::Crashed, "kernel '" + terminated.error().where +
                                                 "': " + terminated.error().message);
}

ExitCode RunningTopology::Impl::end() {
  // What ended before its inputs did has a limit; the end of the inputs has none, until somebody
  // asks for the end meanwhile, or an output fails.
  const bool early = graph.events.was_reached() || stop_asked.load() || graph.events.has_failed();
  std::optional<steady_clock::time_point> until;
  const auto limit = [&, early] {
    if (!until && (early || stop_asked.load() || graph.events.has_failed()))
      until = steady_clock::now() +
              std::chrono::duration_cast<steady_clock::duration>(topology.run.on_signal_drain);
    return until;
  };
  const Drain::Result drained = Drain(graph, topology, limit, hurried).run(early);
  ExitCode code = ExitCode::Ok;
  if (drained != Drain::Result::Complete) {
    graph.events.failed(ExitCode::Failed,
                        drained == Drain::Result::Stuck
                            ? "a handler did not return in time; what it had in hand is lost"
                            : "the time to drain was over; what was left is in the dead letters");
  }
  stuck.store(drained == Drain::Result::Stuck);
  save_buffers();
  if (!stuck.load()) {
    for (const auto& output : graph.outputs)
      graph.engine->run_on(*output.node, [&](Block&) { output.step->close(); });
    graph.dead_letters->close();
  }
  if (interrupted.load()) code = first_of(code, ExitCode::Interrupted);
  const RunTotals totals = totals_of(graph);
  if (too_many_failed(totals)) code = first_of(code, ExitCode::Failed);
  code = first_of(code, graph.events.code());
  if (settings.progress != nullptr && code == ExitCode::Crashed) leave_to_next(totals);
  return code;
}

// What another run in the place of this one goes on from.
void RunningTopology::Impl::leave_to_next(const RunTotals& totals) {
  for (size_t i = 0; i < graph.inputs.size() && !stuck.load(); ++i) {
    const RunGraph::Input& input = graph.inputs[i];
    graph.engine->run_on(
        *input.node, [&](Block&) { settings.progress->keep_rest_of_input(i, input.step->rest()); });
  }
  SharedProgress::Totals& all = settings.progress->totals();
  all.lines += totals.lines;
  all.handled += totals.handled;
  all.failed += totals.bad + totals.failed;
}

void RunningTopology::stop(Cause cause) {
  if (impl_->settings.progress != nullptr) impl_->settings.progress->end();
  if (cause == Cause::Interrupt) impl_->interrupted.store(true);
  impl_->stop_asked.store(true);
  impl_->graph.events.notify();
}

void RunningTopology::hurry() {
  impl_->hurried.store(true);
  impl_->graph.events.notify();
}

bool RunningTopology::stuck() const { return impl_->stuck.load(); }

std::string RunningTopology::ready_line() const {
  const std::string kernels = kernels_line(impl_->graph);
  return "ready in " + duration_text(impl_->start_s) +
         (kernels.empty() ? "" : " (" + kernels + ")");
}

std::string RunningTopology::summary_line() const {
  const double run_s = impl_->run_s.load();
  std::string text =
      "done in " + duration_text(run_s) + ": " + launcher::summary_line(impl_->graph);
  SharedProgress* progress = impl_->settings.progress;
  if (progress != nullptr && progress->restarts() > 0)
    text += fmt::format("; after {} restart{}, and {} failed before the last", progress->restarts(),
                        progress->restarts() == 1 ? "" : "s", progress->totals().failed.load());
  return text;
}

std::string RunningTopology::progress_line() const { return launcher::summary_line(impl_->graph); }

std::vector<std::string> RunningTopology::complaints() const {
  return impl_->graph.events.complaints();
}

RunCounts RunningTopology::counts() const {
  RunCounts counts;
  for (const auto& kernel : impl_->graph.kernels)
    counts.handled.push_back(kernel.node->counts().handled);
  for (const auto& output : impl_->graph.outputs)
    counts.written.push_back(output.step->counts().written);
  return counts;
}

const std::string& RunningTopology::name() const { return impl_->name; }
const std::string& RunningTopology::dead_letters() const { return impl_->dead_letter_file; }
ControlTarget::Phase RunningTopology::phase() const { return impl_->phase.load(); }

std::string RunningTopology::status_json() const {
  constexpr const char* kPhases[] = {"starting", "ready", "draining", "stopped"};
  const Phase now = phase();
  RunFacts facts{impl_->name, kPhases[static_cast<size_t>(now)], 0};
  if (now == Phase::Starting)
    return fmt::format(
        R"({{"schema":"ringk.status/1","name":"{}","state":"starting","uptime_s":0,"balanced":true,)"
        R"("inputs":[],"kernels":[],"edges":[],"outputs":[],"totals":{{}}}})",
        facts.name);
  facts.uptime_s = now == Phase::Stopped ? impl_->run_s.load() : seconds_since(impl_->ready);
  return launcher::status_json(impl_->graph, facts);
}

Result<const RunGraph::Input*> RunningTopology::Impl::input_named(const std::string& input) const {
  const RunGraph::Input* found = nullptr;
  if (!input.empty()) {
    found = graph.input(input);
    if (found == nullptr)
      return fail(ErrorCode::NotFound, "there is no input '" + input + "'", name);
  } else {
    for (const auto& candidate : graph.inputs) {
      if (!candidate.reads) continue;
      if (found != nullptr)
        return fail(ErrorCode::NotFound,
                    "it has several inputs: name one, as in " + name + "/" + found->input->name);
      found = &candidate;
    }
    if (found == nullptr)
      return fail(ErrorCode::NotFound, "it has no input that reads lines: name one", name);
  }
  return found;
}

Result<std::unique_ptr<Feed>> RunningTopology::open_feed(const std::string& input,
                                                         std::function<void()> on_change) {
  if (phase() == Phase::Starting) return fail(ErrorCode::Closed, "it is still starting", name());
  auto found = impl_->input_named(input);
  if (!found) return tl::unexpected(found.error());
  auto feed = (*found)->step->open_feed(std::move(on_change));
  if (!feed) return tl::unexpected(feed.error());
  return std::make_unique<RunFeed>(std::move(*feed), *impl_->graph.engine);
}

Result<void> RunningTopology::request(const std::string& input, const RequestLine& line,
                                      std::chrono::nanoseconds timeout,
                                      std::function<void(Reply)> done) {
  if (phase() != Phase::Ready) return fail(ErrorCode::Closed, "it takes nothing more", name());
  auto found = impl_->input_named(input);
  if (!found) return tl::unexpected(found.error());
  return impl_->desk.request(**found, line, timeout, std::move(done));
}

ControlTarget::Idle RunningTopology::idle() {
  RunGraph& graph = impl_->graph;
  if (phase() == Phase::Starting) return {};
  for (const auto& kernel : graph.kernels) {
    const KernelState state = kernel.node->state();
    if (state == KernelState::Active || state == KernelState::Terminated) continue;
    uint64_t waiting = 0;
    for (const runtime::Edge* edge : graph.engine->edges())
      if (&edge->to() == kernel.node) waiting += edge->counts().depth;
    if (waiting > 0)
      return {false, fmt::format("kernel '{}' is suspended and has {} messages waiting",
                                 kernel.kernel->name, waiting)};
  }
  // Inputs first: what one of them gives up shows in the engine afterwards.
  for (const auto& input : graph.inputs)
    if (!input.step->idle()) return {};
  if (!graph.engine->quiescent()) return {};
  for (const auto& output : graph.outputs)
    if (!output.step->idle()) return {};
  return {graph.dead_letter_step->resting.load() && graph.dead_letters->written(), ""};
}

Result<void> RunningTopology::suspend(const std::string& kernel) {
  return change_kernels(kernel, true);
}

Result<void> RunningTopology::resume(const std::string& kernel) {
  return change_kernels(kernel, false);
}

Result<void> RunningTopology::change_kernels(const std::string& kernel, bool suspends) {
  if (phase() != Phase::Ready) return fail(ErrorCode::Closed, "it is not ready", name());
  runtime::Engine& engine = *impl_->graph.engine;
  if (!kernel.empty()) {
    const RunGraph::Kernel* found = impl_->graph.kernel(kernel);
    if (found == nullptr)
      return fail(ErrorCode::KernelNotFound, "there is no kernel '" + kernel + "'", name());
    return suspends ? engine.deactivate(*found->node) : engine.activate(*found->node);
  }
  for (const auto& each : impl_->graph.kernels) {
    const KernelState state = each.node->state();
    if (suspends ? !can_deactivate(state) : !can_activate(state)) continue;
    auto done = suspends ? engine.deactivate(*each.node) : engine.activate(*each.node);
    if (!done) return done;
  }
  return {};
}

Result<void> RunningTopology::terminate(const std::string& kernel,
                                        std::optional<std::chrono::nanoseconds> limit) {
  const RunGraph::Kernel* found = impl_->graph.kernel(kernel);
  if (phase() == Phase::Starting || found == nullptr)
    return fail(ErrorCode::KernelNotFound, "there is no kernel '" + kernel + "'", name());
  const std::shared_lock lock(impl_->terminating);
  auto terminated = impl_->graph.engine->terminate(*found->node, limit);
  impl_->complain_unsaved(terminated);
  return terminated;
}

}  // namespace ringkernel::launcher
