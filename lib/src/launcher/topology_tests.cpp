#include "ringkernel/topology_tests.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spdlog/fmt/fmt.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "handlers/load.hpp"
#include "launcher/control_protocol.hpp"
#include "launcher/crash_handler.hpp"
#include "launcher/descriptor_io.hpp"
#include "launcher/expectation.hpp"
#include "launcher/handler_specs.hpp"
#include "launcher/private_output.hpp"
#include "launcher/running_topology.hpp"
#include "topology/topology_impl.hpp"

namespace ringkernel {
namespace {

using launcher::CrashHandler;
using launcher::Json;
using launcher::RunningTopology;
using launcher::RunSettings;
using std::chrono::steady_clock;

constexpr const char* kTap = "tap of ";  // no name has a blank

// The topology with the test's messages in place of its inputs, and a copy of what arrives at each
// kernel that the test looks at.
topology::Topology prepared(const topology::Topology& model, const topology::Test& test) {
  topology::Topology prepared = model;
  prepared.run.until = {};
  prepared.run.stop_on_bad_input = false;
  for (topology::Input& input : prepared.inputs) {
    input.kind = topology::Input::Kind::Values;
    input.codec = topology::Codec::Jsonl;
    input.values.clear();
    for (const auto& [name, messages] : test.send)
      if (name == input.name) input.values = messages;
  }
  for (const topology::Expectation& expectation : test.expect) {
    const topology::Kernel* kernel = model.kernel(expectation.target);
    if (kernel == nullptr) continue;
    topology::Output tap;
    tap.name = kTap + kernel->name;
    tap.kind = topology::Output::Kind::Discard;
    tap.messages = kernel->accepts;
    for (topology::Wire wire : model.wires) {
      if (wire.to != kernel->name) continue;
      wire.to = tap.name;
      wire.on_full = topology::OnFull::Wait;
      wire.route = topology::Route::Default;
      wire.credits.reset();
      prepared.wires.push_back(std::move(wire));
    }
    prepared.outputs.push_back(std::move(tap));
  }
  return prepared;
}

// What arrives at outputs, and the dead letters.
class Arrivals {
 public:
  void add(std::string_view output, std::string_view json) {
    const std::lock_guard lock(mutex_);
    messages_[std::string(output)].emplace_back(json);
  }
  void add_dead_letter(std::string_view letter) {
    const std::lock_guard lock(mutex_);
    if (dead_letters_.size() < kShown) dead_letters_.emplace_back(letter);
  }
  const std::vector<std::string>& at(const std::string& output) { return messages_[output]; }
  const std::vector<std::string>& dead_letters() const { return dead_letters_; }

 private:
  static constexpr size_t kShown = 3;
  std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> messages_;
  std::vector<std::string> dead_letters_;
};

// Makes a run that hangs end.
class Watchdog {
 public:
  Watchdog(RunningTopology& running, std::chrono::nanoseconds within)
      : thread_([this, &running, within] {
          std::unique_lock lock(mutex_);
          if (over_.wait_for(lock, within, [this] { return done_; })) return;
          barked_ = true;
          running.stop(RunningTopology::Cause::Stop);
          running.hurry();
        }) {}
  ~Watchdog() { stop(); }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  // True: it was in time.
  bool stop() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    over_.notify_all();
    if (thread_.joinable()) thread_.join();
    return !barked_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable over_;
  bool done_ = false;
  bool barked_ = false;
  std::thread thread_;
};

class TestRun {
 public:
  TestRun(const topology::Topology& model, const topology::Test& test, const TestRequest& request,
          const launcher::LoadHandlers& load)
      : model_(model), test_(test), request_(request), load_(load) {}

  // What is wrong with it; empty: it passed. An error: it cannot be run at all.
  Result<std::string> run() {
    const topology::Topology prepared_model = prepared(model_, test_);
    // Behind the pointer: a handler that never returns must not take the run away under itself.
    auto running = std::make_unique<RunningTopology>(prepared_model, settings());
    if (auto started = running->start(); !started) return tl::unexpected(started.error().error);
    Watchdog watchdog(*running, test_.within);
    (void)running->run();
    std::string failure;
    if (!watchdog.stop())
      failure +=
          fmt::format("it did not end within {} ms\n",
                      std::chrono::duration_cast<std::chrono::milliseconds>(test_.within).count());
    for (const std::string& complaint : running->complaints()) failure += complaint + "\n";
    if (running->stuck()) {
      (void)running.release();
      return failure;
    }
    for (const topology::Expectation& expectation : test_.expect) {
      const bool output = model_.output(expectation.target) != nullptr;
      failure +=
          launcher::mismatch(expectation, arrivals_->at((output ? "" : kTap) + expectation.target));
    }
    if (!failure.empty())
      for (const std::string& letter : arrivals_->dead_letters())
        failure += "dead letter: " + letter + "\n";
    return failure;
  }

 private:
  RunSettings settings() {
    RunSettings settings;
    settings.name = model_.name;
    settings.backend = test_.backend;
    settings.workers = request_.workers;
    settings.threads = request_.threads;
    settings.load_handlers = load_;
    settings.capture = [arrivals = arrivals_](std::string_view output, std::string_view,
                                              std::string_view json) {
      arrivals->add(output, json);
    };
    settings.capture_dead_letters = [arrivals = arrivals_](std::string_view letter) {
      arrivals->add_dead_letter(letter);
    };
    return settings;
  }

  const topology::Topology& model_;
  const topology::Test& test_;
  const TestRequest& request_;
  const launcher::LoadHandlers& load_;
  // Shared with a run that never ends.
  const std::shared_ptr<Arrivals> arrivals_ = std::make_shared<Arrivals>();
};

// A test in a process of its own, so that a handler that ends the process ends that test alone.
class TestProcess {
 public:
  TestProcess() = default;
  ~TestProcess() {
    for (const int end : ends_)
      if (end >= 0) close(end);
  }
  TestProcess(const TestProcess&) = delete;
  TestProcess& operator=(const TestProcess&) = delete;

  Result<TestOutcome> run(const std::string& topology, TestRun& test) {
    if (pipe2(ends_.data(), O_CLOEXEC) != 0) return cannot("make a pipe");
    // What stands there unwritten would be written twice.
    fflush(nullptr);
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child < 0) return cannot("make a process");
    if (child == 0) be_child(topology, test, parent);
    close(std::exchange(ends_[1], -1));
    const std::string said = launcher::read_all(ends_[0]);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return understand(said, status);
  }

 private:
  static tl::unexpected<Error> cannot(const char* what) {
    return fail(ErrorCode::IoError,
                std::string("cannot ") + what + " for a test: " + std::strerror(errno));
  }

  [[noreturn]] void be_child(const std::string& topology, TestRun& test, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    close(std::exchange(ends_[0], -1));
    const launcher::CrashHandler crash_handler(topology);
    CrashHandler::prepare_thread();
    CrashHandler::copy_to(ends_[1]);
    Result<std::string> failure;
    {
      const launcher::PrivateOutput output(true);
      failure = test.run();
    }
    const Json answer = failure ? Json{{"failure", *failure}}
                                : Json{{"code", static_cast<unsigned>(failure.error().code)},
                                       {"message", failure.error().message},
                                       {"where", failure.error().where}};
    launcher::write_all(ends_[1], answer.dump(-1, ' ', false, Json::error_handler_t::replace));
    _exit(0);
  }

  static Result<TestOutcome> understand(const std::string& said, int status) {
    TestOutcome outcome;
    const auto answer = launcher::parse_control(said);
    if (answer && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      if (answer->contains("code"))
        return fail(static_cast<ErrorCode>(launcher::number_of(*answer, "code")),
                    launcher::text_of(*answer, "message"), launcher::text_of(*answer, "where"));
      outcome.failure = launcher::text_of(*answer, "failure");
    } else {
      outcome.crashed = true;
      outcome.failure = !answer && !said.empty() ? said : end_text(status);
    }
    while (outcome.failure.ends_with('\n')) outcome.failure.pop_back();
    outcome.passed = outcome.failure.empty();
    return outcome;
  }
  static std::string end_text(int status) {
    if (WIFSIGNALED(status))
      return fmt::format("the process of the test was ended by signal {} ({})", WTERMSIG(status),
                         strsignal(WTERMSIG(status)));
    return fmt::format("the process of the test ended itself with exit code {}",
                       WEXITSTATUS(status));
  }

  std::array<int, 2> ends_ = {-1, -1};  // read, written
};

std::string xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // XML 1.0 has no other control characters, not even escaped.
        out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? '?' : c;
    }
  }
  return out;
}

}  // namespace

Result<std::vector<TestOutcome>> run_tests(const Topology& topology, const TestRequest& request,
                                           const std::function<void(const TestOutcome&)>& done) {
  const topology::Topology& model = model_of(topology);
  // Compiled once, for all of them.
  const auto all = launcher::handler_specs_for_host(model);
  auto loaded = [&] {
    const launcher::PrivateOutput output(true);
    return handlers::load_handlers(all);
  }();
  if (!loaded) return tl::unexpected(loaded.error());
  const launcher::LoadHandlers load = [&](const std::vector<handlers::HandlerSpec>& specs)
      -> Result<std::vector<const HandlerModule*>> {
    std::vector<const HandlerModule*> modules;
    for (const handlers::HandlerSpec& spec : specs)
      for (size_t i = 0; i < all.size(); ++i)
        if (all[i].kernel == spec.kernel) modules.push_back((*loaded)[i].module);
    return modules;
  };
  std::vector<TestOutcome> outcomes;
  for (const topology::Test& test : model.tests) {
    if (test.name.find(request.only) == std::string::npos) continue;
    const auto begun = steady_clock::now();
    TestRun run(model, test, request, load);
    auto outcome = TestProcess().run(model.name, run);
    if (!outcome) return tl::unexpected(outcome.error());
    outcome->file = test.position.file.empty() ? model.file : test.position.file;
    outcome->line = test.position.line;
    outcome->name = test.name;
    outcome->seconds = std::chrono::duration<double>(steady_clock::now() - begun).count();
    if (done) done(*outcome);
    outcomes.push_back(std::move(*outcome));
  }
  return outcomes;
}

std::string junit_report(const std::vector<TestOutcome>& outcomes) {
  std::vector<std::string> files;
  for (const TestOutcome& outcome : outcomes)
    if (files.empty() || files.back() != outcome.file) files.push_back(outcome.file);
  std::string report = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
  for (const std::string& file : files) {
    std::string cases;
    size_t tests = 0;
    size_t failures = 0;
    double seconds = 0;
    for (const TestOutcome& outcome : outcomes) {
      if (outcome.file != file) continue;
      ++tests;
      seconds += outcome.seconds;
      cases +=
          fmt::format(R"(    <testcase name="{}" classname="{}" file="{}" line="{}" time="{:.3f}")",
                      xml(outcome.name), xml(file), xml(file), outcome.line, outcome.seconds);
      if (outcome.passed) {
        cases += "/>\n";
        continue;
      }
      ++failures;
      const std::string first = outcome.failure.substr(0, outcome.failure.find('\n'));
      cases += fmt::format(">\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
                           xml(first), xml(outcome.failure));
    }
    report += fmt::format(R"(  <testsuite name="{}" tests="{}" failures="{}" time="{:.3f}">)",
                          xml(file), tests, failures, seconds) +
              "\n" + cases + "  </testsuite>\n";
  }
  return report + "</testsuites>\n";
}

}  // namespace ringkernel
