#include "launcher/run_graph.hpp"

#include <algorithm>

#include "core/npy.hpp"
#include "handlers/load.hpp"
#include "launcher/crash_handler.hpp"
#include "launcher/generated_input.hpp"
#include "launcher/load_roots.hpp"
#include "launcher/log.hpp"

namespace ringkernel::launcher {
namespace {

using topology::Topology;
using Started = tl::expected<void, StartError>;

tl::unexpected<StartError> start_error(ExitCode code, Error error) {
  return tl::unexpected<StartError>(StartError{code, std::move(error)});
}

// What the engine refuses is a topology that cannot run as it stands; a file that it cannot read is
// one that a buffer is loaded from.
tl::unexpected<StartError> refused(const Error& error) {
  ExitCode code = ExitCode::Invalid;
  if (error.code == ErrorCode::OutOfMemory) code = ExitCode::Unavailable;
  if (error.code == ErrorCode::DeviceError) code = ExitCode::Crashed;
  if (error.code == ErrorCode::NotFound || error.code == ErrorCode::IoError)
    code = ExitCode::NoInput;
  return start_error(code, error);
}

MessageInfo info_of(const schema::MessageType& type) {
  return {type.name.c_str(), type.fingerprint, type.size, type.alignment};
}

std::string redirect(const std::map<std::string, std::string>& files, const std::string& name) {
  const auto found = files.find(name);
  return found == files.end() ? "" : found->second;
}

class Builder {
 public:
  Builder(RunGraph& graph, const Topology& topology, const RunSettings& settings)
      : graph_(graph), topology_(topology), settings_(settings) {}

  Started add_types();
  Started add_inputs();
  Started add_outputs();
  Started add_kernels(const std::vector<const HandlerModule*>& modules,
                      std::vector<Placement> placements);
  Started connect();
  Started set_credits();

 private:
  Started add_input(const topology::Input& input);
  Started add_output(const topology::Output& output);
  tl::expected<KernelBuffers, StartError> buffers_of(const topology::Kernel& kernel) const;
  tl::expected<Channel, StartError> open_input(const topology::Input& input,
                                               bool& stdin_like) const;
  tl::expected<Channel, StartError> open_output(const topology::Output& output) const;
  bool is_restart() const {
    return settings_.progress != nullptr && settings_.progress->restarts() > 0;
  }
  runtime::Node* node(const std::string& name) const;
  uint32_t port_of(const topology::Wire& wire) const;

  RunGraph& graph_;
  const Topology& topology_;
  const RunSettings& settings_;
};

Started Builder::add_types() {
  for (const auto& type : topology_.messages) {
    auto id = graph_.engine->register_message(info_of(*type));
    if (!id) return refused(id.error());
    graph_.type_ids.push_back(*id);
    CrashHandler::name_type(*id, type->name);
  }
  return {};
}

tl::expected<Channel, StartError> Builder::open_input(const topology::Input& input,
                                                      bool& stdin_like) const {
  const std::string file = redirect(settings_.in, input.name);
  const bool from_stdin = file.empty() ? input.kind == topology::Input::Kind::Stdin : file == "-";
  stdin_like = from_stdin;
  if (from_stdin && settings_.service) return Channel();
  auto channel = from_stdin ? Channel::of(settings_.standard_in, Channel::Direction::Read)
                            : Channel::open_to_read(file.empty() ? input.path : file);
  if (channel) return std::move(*channel);
  Error error = channel.error();
  error.message = "input '" + input.name + "': " + error.message;
  return start_error(ExitCode::NoInput, std::move(error));
}

Started Builder::add_input(const topology::Input& input) {
  using Kind = topology::Input::Kind;
  RunGraph::Input added;
  added.input = &input;
  std::unique_ptr<InputStep> step;
  const bool redirected = !redirect(settings_.in, input.name).empty();
  if (settings_.make_input) step = settings_.make_input(input, graph_.input_services);
  if (step) {
    added.finite = true;
  } else if (input.kind == Kind::Values && !redirected) {
    step = std::make_unique<ValuesInput>(input, graph_.input_services);
    added.finite = true;
  } else if (input.kind == Kind::Every && !redirected) {
    auto timer = std::make_unique<TimerInput>(input, graph_.input_services);
    if (auto checked = timer->check(); !checked) return refused(checked.error());
    added.timer = timer.get();
    // A run that ends by a count ends as well when nothing more can count.
    added.finite = topology_.run.until.kind == topology::Until::Kind::Output && input.count;
    step = std::move(timer);
  } else {
    bool stdin_like = false;
    auto channel = open_input(input, stdin_like);
    if (!channel) return tl::unexpected(channel.error());
    const bool follows = input.follow && !redirected;
    added.finite = channel->is_open() && !follows;
    added.reads = true;
    step = std::make_unique<StreamInput>(input, graph_.input_services, std::move(*channel),
                                         follows ? input.path : "");
  }
  added.step = step.get();
  if (settings_.progress != nullptr) {
    const size_t i = graph_.inputs.size();
    added.step->go_on_from(settings_.progress->input(i), settings_.progress->rest_of_input(i));
  }
  std::vector<MessageInfo> types;
  for (const auto& type : added.step->parser().types()) types.push_back(info_of(*type));
  auto node = graph_.engine->add_input(input.name, std::move(types), std::move(step));
  if (!node) return refused(node.error());
  added.node = *node;
  added.step->attach(**node);
  if (added.finite) added.step->expect_end();
  graph_.inputs.push_back(added);
  return {};
}

Started Builder::add_inputs() {
  for (const topology::Input& input : topology_.inputs)
    if (auto added = add_input(input); !added) return added;
  return {};
}

tl::expected<Channel, StartError> Builder::open_output(const topology::Output& output) const {
  const std::string file = redirect(settings_.out, output.name);
  if (settings_.capture) return Channel();
  if (file.empty() && output.kind == topology::Output::Kind::Discard) return Channel();
  const bool to_stdout = file.empty() ? output.kind == topology::Output::Kind::Stdout : file == "-";
  const bool append = is_restart() || (file.empty() && output.append);
  auto channel = !to_stdout ? Channel::open_to_write(file.empty() ? output.path : file, append)
                 : settings_.stdout_file.empty()
                     ? Channel::of(settings_.standard_out, Channel::Direction::Write)
                     : Channel::open_to_write(settings_.stdout_file, is_restart());
  if (channel) return std::move(*channel);
  Error error = channel.error();
  error.message = "output '" + output.name + "': " + error.message;
  return start_error(ExitCode::OutputError, std::move(error));
}

Started Builder::add_output(const topology::Output& output) {
  auto channel = open_output(output);
  if (!channel) return tl::unexpected(channel.error());
  OutputStep::Capture capture;
  if (settings_.capture)
    capture = [give = settings_.capture, name = output.name](
                  std::string_view type, std::string_view json) { give(name, type, json); };
  const topology::Until& until = topology_.run.until;
  const bool waited_for =
      until.kind == topology::Until::Kind::Output && until.output == output.name;
  auto step = std::make_unique<OutputStep>(output, graph_.output_services, std::move(*channel),
                                           std::move(capture), waited_for ? until.count : 0);
  OutputStep* raw = step.get();
  if (settings_.progress != nullptr) raw->go_on_from(*settings_.progress, graph_.outputs.size());
  auto node = graph_.engine->add_output(output.name, std::move(step));
  if (!node) return refused(node.error());
  std::vector<uint16_t> ids;
  for (const auto& type : output.messages) {
    auto id = graph_.engine->register_message(info_of(*type));
    if (!id) return refused(id.error());
    ids.push_back(*id);
  }
  raw->attach(**node, ids);
  graph_.outputs.push_back({&output, *node, raw});
  return {};
}

Started Builder::add_outputs() {
  for (const topology::Output& output : topology_.outputs)
    if (auto added = add_output(output); !added) return added;
  return {};
}

// A run that could not save what it has worked out does not begin.
tl::expected<KernelBuffers, StartError> Builder::buffers_of(const topology::Kernel& kernel) const {
  KernelBuffers buffers;
  for (const topology::Buffer& buffer : kernel.buffers) {
    if (!buffer.load.empty()) buffers.load(std::string_view(buffer.name), buffer.load);
    if (buffer.save.empty() || settings_.capture) continue;
    if (auto may = NpyWriter::check(buffer.save); !may) {
      Error error = may.error();
      error.message = "buffer '" + buffer.name + "' of '" + kernel.name + "': " + error.message;
      return start_error(ExitCode::OutputError, std::move(error));
    }
    buffers.save(std::string_view(buffer.name), buffer.save);
  }
  return buffers;
}

Started Builder::add_kernels(const std::vector<const HandlerModule*>& modules,
                             std::vector<Placement> placements) {
  for (size_t i = 0; i < topology_.kernels.size(); ++i) {
    const topology::Kernel& kernel = topology_.kernels[i];
    runtime::KernelSpec spec;
    spec.name = kernel.name;
    spec.module = modules[i];
    spec.options = kernel.launch;
    if (kernel.granularity != topology::Granularity::Serial || settings_.threads > 1)
      spec.options.threads = settings_.threads;
    spec.options.enable_k2k = true;
    if (modules[i]->params_size > 0) spec.params = handlers::params_bytes(kernel.params);
    spec.key_capacity = kernel.key_capacity;
    auto buffers = buffers_of(kernel);
    if (!buffers) return tl::unexpected(buffers.error());
    spec.buffers = std::move(*buffers);
    spec.device = placements[i].device;
    spec.device_image = std::move(placements[i].image);
    auto node = graph_.engine->add_kernel(std::move(spec));
    if (!node) return refused(node.error());
    SharedProgress::Kernel* progress =
        settings_.progress != nullptr ? &settings_.progress->kernel(i) : nullptr;
    graph_.kernels.push_back({&kernel, modules[i], *node, progress});
    const topology::Handler& handler = kernel.handler;
    CrashHandler::name_kernel((*node)->id(), progress, kernel.name,
                              handler.kind == topology::Handler::Kind::Source ? handler.source
                              : handler.kind == topology::Handler::Kind::Code
                                  ? handler.position.file + ":" + std::to_string(handler.code_line)
                                  : "builtin " + handler.builtin);
  }
  return {};
}

runtime::Node* Builder::node(const std::string& name) const {
  for (const auto& kernel : graph_.kernels)
    if (kernel.kernel->name == name) return kernel.node;
  for (const auto& input : graph_.inputs)
    if (input.input->name == name) return input.node;
  for (const auto& output : graph_.outputs)
    if (output.output->name == name) return output.node;
  return nullptr;
}

uint32_t Builder::port_of(const topology::Wire& wire) const {
  const topology::Kernel* from = topology_.kernel(wire.from);
  if (from == nullptr) return 0;
  const auto found = std::find_if(from->emits.begin(), from->emits.end(),
                                  [&](const topology::Port& p) { return p.name == wire.port; });
  return static_cast<uint32_t>(found - from->emits.begin());  // past the last: the reply port
}

Started Builder::connect() {
  for (const topology::Wire& wire : topology_.wires) {
    runtime::EdgeSpec spec;
    spec.from = node(wire.from);
    spec.to = node(wire.to);
    spec.port = port_of(wire);
    spec.id = wire.id();
    spec.on_full = static_cast<OnFull>(wire.on_full);
    switch (wire.route) {
      case topology::Route::Default:
        break;
      case topology::Route::Key:
        spec.route = Route::Key;
        break;
      case topology::Route::RoundRobin:
        spec.route = Route::RoundRobin;
        break;
      case topology::Route::All:
        spec.route = Route::All;
        break;
      case topology::Route::BlockField:
        spec.route = Route::BlockField;
        break;
    }
    if (wire.route == topology::Route::BlockField) {
      for (const auto& type : wire.messages) {
        const schema::Field* field = type->field(wire.block_field);
        spec.block_fields.push_back({type->fingerprint, field->offset, field->type.value_size});
      }
    }
    if (auto edge = graph_.engine->connect(spec); !edge) return refused(edge.error());
  }
  return {};
}

Started Builder::set_credits() {
  for (const auto& cycle : topology::cycles(topology_)) {
    uint64_t credits = ~uint64_t{0};
    auto inside = [&](const std::string& name) {
      return std::find(cycle.begin(), cycle.end(), name) != cycle.end();
    };
    for (const topology::Wire& wire : topology_.wires)
      if (wire.credits && inside(wire.from) && inside(wire.to))
        credits = std::min<uint64_t>(credits, *wire.credits);
    if (credits == ~uint64_t{0}) continue;
    std::vector<runtime::Node*> nodes;
    for (const std::string& name : cycle) nodes.push_back(node(name));
    if (auto done = graph_.engine->set_credits(nodes, credits); !done) return refused(done.error());
  }
  return {};
}

}  // namespace

RunGraph::~RunGraph() {
  // Its thread wakes nodes of the engine.
  if (poller) poller->stop();
  CrashHandler::count_by(nullptr);
  engine.reset();
}

Started RunGraph::build(const Topology& topology, const RunSettings& settings,
                        const std::vector<const HandlerModule*>& modules,
                        std::vector<Placement> placements, const std::string& name,
                        const std::string& dead_letter_file) {
  runtime::EngineOptions options;
  options.workers = settings.workers;
  options.on_thread = &CrashHandler::prepare_thread;
  if (settings.load != nullptr) {
    options.on_handled = [](void* load, const MessageHeader& message) {
      static_cast<const LoadRoots*>(load)->ended(message.root);
    };
    options.handled_context = const_cast<LoadRoots*>(settings.load);
  }
  auto made = runtime::Engine::create(options);
  if (!made) return refused(made.error());
  engine = std::move(*made);
  progress = settings.progress;
  CrashHandler::count_by(this);
  const bool goes_on = topology.run.on_kernel_failure == topology::OnKernelFailure::Continue;
  engine->set_on_failure([this, goes_on](const runtime::Node& kernel, const Error& error) {
    for (const Kernel& one : kernels)
      if (one.node == &kernel && one.progress != nullptr) ++one.progress->failures;
    std::string text = "kernel '" + kernel.name() + "' failed: " + error.message;
    if (kernel.saves_buffers()) text += "; its buffers are lost, and not saved";
    if (goes_on)
      events.complain(ExitCode::Crashed, text);
    else
      events.failed(ExitCode::Crashed, text);
  });
  engine->set_log([name](std::string_view kernel, int level, std::string_view text, double value) {
    log_from_kernel(name, kernel, level, text, value);
  });
  auto started = Poller::start();
  if (!started) return start_error(ExitCode::Unavailable, started.error());
  poller = std::move(*started);
  const bool begins = settings.progress == nullptr || settings.progress->restarts() == 0;
  if (!settings.capture_dead_letters && begins)
    if (auto cleared = DeadLetterFile::clear(dead_letter_file); !cleared)
      return start_error(ExitCode::OutputError, cleared.error());
  dead_letters = std::make_unique<DeadLetterFile>(
      dead_letter_file, events, settings.capture_dead_letters, settings.progress != nullptr);
  auto step = std::make_unique<DeadLetterStep>(*dead_letters);
  dead_letter_step = step.get();
  auto node = engine->set_dead_letters(std::move(step));
  if (!node) return refused(node.error());
  dead_letter_node = *node;
  input_services = {engine.get(),     poller.get(), dead_letters.get(),
                    dead_letter_node, &events,      topology.run.stop_on_bad_input};
  output_services = {engine.get(), poller.get(), &events, settings.load};

  Builder builder(*this, topology, settings);
  if (auto done = builder.add_types(); !done) return done;
  if (auto done = builder.add_inputs(); !done) return done;
  if (auto done = builder.add_outputs(); !done) return done;
  if (auto done = builder.add_kernels(modules, std::move(placements)); !done) return done;
  if (auto done = builder.connect(); !done) return done;
  if (auto done = builder.set_credits(); !done) return done;
  dead_letter_step->learn(*engine, topology.messages, type_ids);
  return {};
}

// At most: what an output is taking at this moment counts as under way and as pending.
uint64_t RunGraph::lost() const noexcept {
  uint64_t messages = engine->under_way();
  for (const Output& output : outputs) messages += output.step->counts().pending;
  return messages;
}

void RunGraph::crashed() noexcept {
  if (progress == nullptr) return;
  SharedProgress::Totals& totals = progress->totals();
  for (const Input& input : inputs) {
    const InputCounts counts = input.step->counts();
    totals.lines += counts.lines;
    totals.failed += counts.bad;
  }
  for (const Output& output : outputs) totals.failed += output.step->counts().failed;
  const runtime::Tally tally = engine->tally();
  totals.handled += tally.handled;
  totals.failed += tally.failed + lost();
}

const RunGraph::Kernel* RunGraph::kernel(std::string_view name) const {
  for (const Kernel& k : kernels)
    if (k.kernel->name == name) return &k;
  return nullptr;
}

const RunGraph::Input* RunGraph::input(std::string_view name) const {
  for (const Input& i : inputs)
    if (i.input->name == name) return &i;
  return nullptr;
}

}  // namespace ringkernel::launcher
