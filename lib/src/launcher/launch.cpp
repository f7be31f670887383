#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "launcher/control_server.hpp"
#include "launcher/crash_handler.hpp"
#include "launcher/log.hpp"
#include "launcher/other_process.hpp"
#include "launcher/private_output.hpp"
#include "launcher/redirects.hpp"
#include "launcher/run_status.hpp"
#include "launcher/running_topology.hpp"
#include "launcher/service_folders.hpp"
#include "launcher/service_name.hpp"
#include "launcher/shared_progress.hpp"
#include "launcher/signals.hpp"
#include "launcher/supervisor.hpp"
#include "ringkernel/build.hpp"
#include "ringkernel/launcher.hpp"
#include "ringkernel/service.hpp"
#include "topology/topology_impl.hpp"

namespace ringkernel {
namespace {

using launcher::check_redirects;
using launcher::ControlServer;
using launcher::CrashHandler;
using launcher::PrivateOutput;
using launcher::RunningTopology;
using launcher::RunSettings;
using launcher::ServiceName;
using launcher::SharedProgress;
using launcher::SignalsHeld;
using launcher::SignalWatch;
using launcher::Supervisor;

// Makes nothing: what a run that crashes leaves is no summary.
Result<void> check_summary(const std::string& path) {
  if (path.empty() || path == "-") return {};
  struct stat found {};
  int reason = 0;
  if (stat(path.c_str(), &found) == 0) {
    if (S_ISDIR(found.st_mode))
      reason = EISDIR;
    else if (faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) != 0)
      reason = errno;
  } else if (errno != ENOENT) {
    reason = errno;
  } else {
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    if (faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0) reason = errno;
  }
  if (reason == 0) return {};
  return fail(ErrorCode::IoError, std::string("the summary cannot be written: ") + strerror(reason),
              path);
}

class Launch {
 public:
  Launch(const topology::Topology& topology, const LaunchRequest& request)
      : topology_(topology), request_(request) {}

  ExitCode run() {
    if (auto checked = check(); !checked)
      return refused(
          checked.error().code == ErrorCode::IoError ? ExitCode::OutputError : ExitCode::Usage,
          checked.error());
    const PrivateOutput output(!request_.service);
    if (auto named = take_name(); !named) return named.error();
    if (auto made = settings(output.descriptor()); !made) return made.error();
    if (topology_.run.on_kernel_failure == topology::OnKernelFailure::Restart) return supervise();
    return run_as(std::move(*name_));
  }

  Result<void> check() const {
    if (auto in = check_redirects("input", request_.in, topology_.inputs); !in) return in;
    if (auto out = check_redirects("output", request_.out, topology_.outputs); !out) return out;
    return check_summary(request_.summary);
  }

 private:
  void say(Voice voice, std::string_view text) {
    if (!request_.say) return;
    const std::lock_guard lock(mutex_);
    request_.say(voice, text);
  }
  // Of the run: in its log.
  void say_of(Voice voice, std::string_view text) {
    if (!launcher::log_is_json()) return say(voice, running_name_ + ": " + std::string(text));
    if (voice == Voice::Progress) return;
    const int level = voice == Voice::Error ? 3 : voice == Voice::Warning ? 2 : 1;
    launcher::log_from_run(running_name_, level, text);
  }
  ExitCode refused(ExitCode code, const Error& error) {
    const std::string where = error.where.empty() ? "" : error.where + ": ";
    say(Voice::Error, where + error.message);
    return code;
  }
  tl::unexpected<ExitCode> refuse(ExitCode code, const Error& error) {
    return tl::unexpected<ExitCode>(refused(code, error));
  }

  tl::expected<void, ExitCode> take_name();
  tl::expected<void, ExitCode> settings(int standard_out);
  std::vector<int> hold_pipes() const;
  ExitCode supervise();
  ExitCode run_as(ServiceName name, pid_t supervisor = 0);
  ExitCode run_started(RunningTopology& running);
  void warn_of_terminal() const;
  bool restarts_after(ExitCode code) const;
  bool write_summary(const RunningTopology& running, ExitCode code);
  bool write_out_summary(std::string_view text);
  bool shows_data() const;

  const topology::Topology& topology_;
  const LaunchRequest& request_;
  std::mutex mutex_;
  std::string running_name_;
  std::optional<ServiceName> name_;
  RunSettings settings_;
  LaunchedAs as_;
};

// A run in the foreground takes another name where its own is taken.
tl::expected<void, ExitCode> Launch::take_name() {
  auto folder = runtime_folder();
  if (!folder) return refuse(ExitCode::Unavailable, folder.error());
  auto name = ServiceName::take(*folder, topology_.name);
  if (!name && name.error().code == ErrorCode::AlreadyRunning && !request_.service)
    name = ServiceName::take(*folder, topology_.name + "-" + std::to_string(getpid()));
  if (!name && name.error().code == ErrorCode::AlreadyRunning && request_.if_absent)
    return tl::unexpected(ExitCode::NameTaken);
  if (!name)
    return refuse(name.error().code == ErrorCode::AlreadyRunning ? ExitCode::NameTaken
                                                                 : ExitCode::Unavailable,
                  name.error());
  running_name_ = name->name();
  name_ = std::move(*name);
  return {};
}

tl::expected<void, ExitCode> Launch::settings(int standard_out) {
  settings_.name = running_name_;
  settings_.workers = request_.workers;
  settings_.service = request_.service;
  settings_.standard_out = standard_out;
  for (const auto& [name, file] : request_.in) settings_.in[name] = file;
  for (const auto& [name, file] : request_.out) settings_.out[name] = file;
  as_.name = running_name_;
  if (!request_.service) return {};
  auto files = make_service_files(running_name_);
  if (!files) return refuse(ExitCode::OutputError, files.error());
  settings_.stdout_file = files->output;
  if (topology_.dead_letters_file.empty()) settings_.dead_letters = files->dead_letters;
  as_.log = files->log;
  for (const topology::Output& output : topology_.outputs)
    if (output.kind == topology::Output::Kind::Stdout && !settings_.out.contains(output.name))
      as_.output = files->output;
  return {};
}

// After everything that the outputs had for it.
bool Launch::write_out_summary(std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = write(settings_.standard_out, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) {
      pollfd room{settings_.standard_out, POLLOUT, 0};
      poll(&room, 1, -1);
      continue;
    }
    if (put < 0) {
      say_of(Voice::Error, std::string("the summary cannot be written: ") + strerror(errno));
      return false;
    }
    text.remove_prefix(static_cast<size_t>(put));
  }
  return true;
}

void Launch::warn_of_terminal() const {
  for (const topology::Input& input : topology_.inputs)
    if (input.kind == topology::Input::Kind::Stdin && !settings_.in.contains(input.name) &&
        !request_.service && isatty(STDIN_FILENO) == 1 && request_.say)
      request_.say(Voice::Notice, running_name_ + ": input '" + input.name +
                                      "' reads from the terminal; end it with Ctrl-D");
}

// Data on the same terminal would run into the line of progress.
bool Launch::shows_data() const {
  if (isatty(settings_.standard_out) != 1) return false;
  for (const topology::Output& output : topology_.outputs) {
    const auto redirected = settings_.out.find(output.name);
    if (redirected == settings_.out.end() ? output.kind == topology::Output::Kind::Stdout
                                          : redirected->second == "-")
      return true;
  }
  return false;
}

// Another run follows, and has the last word.
bool Launch::restarts_after(ExitCode code) const {
  const SharedProgress* progress = settings_.progress;
  return progress != nullptr && code == ExitCode::Crashed && !progress->ends() &&
         !progress->is_last();
}

bool Launch::write_summary(const RunningTopology& running, ExitCode code) {
  if (request_.summary.empty()) return true;
  if (request_.summary == "-") {
    if (restarts_after(code)) return true;
    return write_out_summary(running.status_json() + "\n");
  }
  errno = 0;
  std::ofstream file(request_.summary, std::ios::trunc);
  file << running.status_json() << '\n';
  if (file.flush()) return true;
  say_of(Voice::Error, request_.summary + ": the summary cannot be written: " + strerror(errno));
  return false;
}

// A named pipe whose reader goes takes what is in it along, and ends its writer.
std::vector<int> Launch::hold_pipes() const {
  std::vector<int> held;
  for (const topology::Input& input : topology_.inputs) {
    const auto redirected = settings_.in.find(input.name);
    const std::string path = redirected != settings_.in.end() ? redirected->second : input.path;
    struct stat found {};
    if (path.empty() || stat(path.c_str(), &found) != 0 || !S_ISFIFO(found.st_mode)) continue;
    const int pipe = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (pipe >= 0) held.push_back(pipe);
  }
  return held;
}

ExitCode Launch::supervise() {
  auto progress = SharedProgress::create(topology_.inputs.size(), topology_.kernels.size(),
                                         topology_.outputs.size());
  if (!progress) return refused(ExitCode::Unavailable, progress.error());
  settings_.progress = progress->get();
  const std::vector<int> pipes = hold_pipes();
  Supervisor supervisor(topology_.run, **progress,
                        [this](std::string_view text) { say_of(Voice::Warning, text); });
  const pid_t self = getpid();
  auto code = supervisor.supervise([&] { return run_as(name_->lent(), self); },
                                   [this] {
                                     // Nothing of the caller's stays open, and what is said of a
                                     // restart is in the log.
                                     if (request_.service) (void)launcher::write_to_log(as_.log);
                                   });
  for (const int pipe : pipes) close(pipe);
  return code ? *code : refused(ExitCode::Unavailable, code.error());
}

ExitCode Launch::run_as(ServiceName name, pid_t supervisor) {
  const SignalsHeld signals(supervisor);
  const CrashHandler crash_handler(running_name_);
  CrashHandler::prepare_thread();
  RunningTopology running(topology_, settings_);
  as_.dead_letters = running.dead_letters();
  const SignalWatch watch(
      signals,
      [&running](bool interrupt) {
        running.stop(interrupt ? RunningTopology::Cause::Interrupt : RunningTopology::Cause::Stop);
      },
      [this](std::string_view text) { say_of(Voice::Notice, text); });
  auto server = ControlServer::start(std::move(name), running);
  if (!server) return refused(ExitCode::Unavailable, server.error());
  if (settings_.progress == nullptr || settings_.progress->restarts() == 0) warn_of_terminal();
  ExitCode code = ExitCode::Ok;
  if (auto started = running.start(); !started) {
    code = refused(started.error().code, started.error().error);
  } else {
    code = run_started(running);
  }
  (*server)->finish(code);
  if (running.stuck()) _exit(static_cast<int>(code));
  return code;
}

ExitCode Launch::run_started(RunningTopology& running) {
  say_of(Voice::Notice, running.ready_line());
  ExitCode code = ExitCode::Ok;
  if (request_.on_ready) {
    if (auto done = request_.on_ready(as_); !done) {
      code = refused(ExitCode::OutputError, done.error());
      running.stop(RunningTopology::Cause::Stop);
    }
  }
  std::atomic<bool> over{false};
  std::thread progress;
  if (request_.progress && !shows_data())
    progress = std::thread([&] {
      for (int tick = 1; !over.load(); ++tick) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        if (tick % 20 == 0 && !over.load()) say_of(Voice::Progress, running.progress_line());
      }
    });
  code = first_of(code, running.run());
  over.store(true);
  if (progress.joinable()) progress.join();
  for (const std::string& complaint : running.complaints()) say_of(Voice::Error, complaint);
  if (!write_summary(running, code)) code = first_of(code, ExitCode::OutputError);
  say_of(Voice::Notice, running.summary_line());
  return code;
}

Result<void> compile_for_present(const Topology& topology) {
  auto report = build_handlers(topology, {present_architectures()});
  if (!report) return tl::unexpected(report.error());
  // One processor is enough for a kernel to run.
  std::map<std::string, std::optional<Error>> wrong;
  for (BuiltHandler& built : report->handlers) {
    const auto [of_kernel, is_first] = wrong.emplace(built.kernel, built.error);
    if (!is_first && !built.error) of_kernel->second.reset();
  }
  for (auto& [kernel, error] : wrong)
    if (error) return tl::unexpected(std::move(*error));
  return {};
}

}  // namespace

Result<void> check_launch(const Topology& topology, const LaunchRequest& request) {
  return Launch(model_of(topology), request).check();
}

ExitCode launch(const Topology& topology, const LaunchRequest& request) {
  return Launch(model_of(topology), request).run();
}

Result<void> compile_handlers(const Topology& topology) {
  const PrivateOutput output(true);
  // To know what is present it opens the driver, which a run that is forked from here must not find
  // open.
  return launcher::in_other_process([&] { return compile_for_present(topology); });
}

}  // namespace ringkernel
