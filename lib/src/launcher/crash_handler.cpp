#include "launcher/crash_handler.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <vector>

#include "launcher/json_text.hpp"
#include "launcher/log.hpp"
#include "ringkernel/exit_code.hpp"
#include "runtime/engine.hpp"

namespace ringkernel::launcher {
namespace {

constexpr std::array<int, 5> kSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr size_t kStack = size_t{64} << 10;
// Past it a name is cut, so that a line has room for all of its names.
constexpr size_t kLongestKernelName = 1024;

// A name as text, and as it stands in a JSON string.
struct Name {
  Name() = default;
  explicit Name(const std::string& name) : text(name.substr(0, kLongestKernelName)) {
    std::string quoted;
    append_json_string(quoted, text);
    json = quoted.substr(1, quoted.size() - 2);
  }
  std::string text = "?";
  std::string json = "?";
};

// Written before the kernels run, read by the signal handler.
struct Names {
  bool log_is_json = false;
  Name topology;
  std::vector<Name> kernels;                      // by id
  std::vector<Name> handlers;                     // by id
  std::vector<Name> types;                        // by id
  std::vector<SharedProgress::Kernel*> progress;  // of kernels, by id
};
Names* names = nullptr;
std::atomic<CrashCounts*> counts{nullptr};
std::atomic<int> copy{-1};
std::array<struct sigaction, kSignals.size()> before;

class Line {
 public:
  explicit Line(bool json) : json_(json) {}

  Line& operator<<(const char* text) {
    while (*text != '\0' && size_ < text_.size()) text_[size_++] = *text++;
    return *this;
  }
  Line& operator<<(uint64_t number) { return digits(number, 1); }
  Line& operator<<(const Name& name) {
    return *this << (json_ ? name.json.c_str() : name.text.c_str());
  }
  void say(const Block& block, const char* verb, const char* how) {
    const Name& kernel = name_at(names->kernels, block.kernel);
    if (json_) {
      *this << R"({"time":")";
      time();
      *this << R"(","level":"error","topology":")" << names->topology << R"(","kernel":")" << kernel
            << R"(","text":")";
    } else {
      *this << names->topology << ": error: ";
    }
    *this << "kernel '" << kernel << "' (" << name_at(names->handlers, block.kernel) << ") " << verb
          << how;
    if (const MessageHeader* message = block.in_hand; message != nullptr) {
      *this << " while it handled " << name_at(names->types, message->message_type);
      if (message->root != 0) *this << " from line " << message->root;
      *this << " (message " << message->message_id << ")";
    } else {
      *this << " in on_start, on_poll or on_stop";
    }
    if (const CrashCounts* running = counts.load(); running != nullptr)
      *this << "; messages in hand: " << running->lost();
    *this << (json_ ? "\"}\n" : "\n");
  }
  void write_to(int descriptor) const {
    [[maybe_unused]] const ssize_t written = ::write(descriptor, text_.data(), size_);
  }

 private:
  static const Name& name_at(const std::vector<Name>& list, size_t id) {
    static const Name unknown;
    return id < list.size() ? list[id] : unknown;
  }
  Line& digits(uint64_t number, size_t least) {
    std::array<char, 24> digits;
    size_t n = 0;
    do digits[n++] = static_cast<char>('0' + number % 10);
    while ((number /= 10) > 0 || n < least);
    while (n > 0 && size_ < text_.size()) text_[size_++] = digits[--n];
    return *this;
  }
  // As append_json_time() has it, which may take a lock.
  void time() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    const std::chrono::sys_seconds seconds{std::chrono::seconds(now.tv_sec)};
    const auto day = std::chrono::floor<std::chrono::days>(seconds);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(seconds - day);
    digits(static_cast<uint64_t>(int{date.year()}), 4) << "-";
    digits(unsigned{date.month()}, 2) << "-";
    digits(unsigned{date.day()}, 2) << "T";
    digits(static_cast<uint64_t>(clock.hours().count()), 2) << ":";
    digits(static_cast<uint64_t>(clock.minutes().count()), 2) << ":";
    digits(static_cast<uint64_t>(clock.seconds().count()), 2) << ".";
    digits(static_cast<uint64_t>(now.tv_nsec) / 1000, 6) << "Z";
  }

  const bool json_;
  std::array<char, size_t{24} << 10> text_;
  size_t size_ = 0;
};

// To standard error as the log is written, and as text to whom a copy is due.
void report(const Block& block, const char* verb, const char* how) {
  {
    Line line(names->log_is_json);
    line.say(block, verb, how);
    line.write_to(STDERR_FILENO);
  }
  if (const int other = copy.load(); other >= 0) {
    Line line(false);
    line.say(block, verb, how);
    line.write_to(other);
  }
  if (block.kernel < names->progress.size() && names->progress[block.kernel] != nullptr)
    ++names->progress[block.kernel]->failures;
  if (CrashCounts* running = counts.load(); running != nullptr) running->crashed();
}

const char* signal_name(int signal) {
  switch (signal) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGFPE:
      return "SIGFPE";
    case SIGILL:
      return "SIGILL";
    default:
      return "SIGABRT";
  }
}

void crashed(int signal) {
  const Block* block = runtime::current_block();
  if (block == nullptr || names == nullptr || block->kernel == 0) {
    // Not a handler's: what would have happened without us.
    for (size_t i = 0; i < kSignals.size(); ++i)
      if (kSignals[i] == signal) sigaction(signal, &before[i], nullptr);
    ::raise(signal);
    return;
  }
  report(*block, "crashed with ", signal_name(signal));
  _exit(static_cast<int>(ExitCode::Crashed));
}

// A handler that calls exit() would end the run as if all were well.
void left() {
  const Block* block = runtime::current_block();
  if (block == nullptr || names == nullptr || block->kernel == 0) return;
  report(*block, "called exit()", "");
  _exit(static_cast<int>(ExitCode::Crashed));
}

void set_name(std::vector<Name>& list, size_t id, const std::string& name) {
  if (list.size() <= id) list.resize(id + 1);
  list[id] = Name(name);
}

}  // namespace

CrashHandler::CrashHandler(const std::string& topology) {
  names = new Names;
  names->log_is_json = log_is_json();
  names->topology = Name(topology);
  struct sigaction action {};
  action.sa_handler = crashed;
  action.sa_flags = SA_ONSTACK | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &before[i]);
  [[maybe_unused]] static const int registered = std::atexit(left);
}

CrashHandler::~CrashHandler() {
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before[i], nullptr);
  delete names;
  names = nullptr;
}

void CrashHandler::name_kernel(uint32_t id, SharedProgress::Kernel* progress,
                               const std::string& kernel, const std::string& handler) {
  if (names == nullptr) return;
  if (names->progress.size() <= id) names->progress.resize(id + 1);
  names->progress[id] = progress;
  set_name(names->kernels, id, kernel);
  set_name(names->handlers, id, handler);
}

void CrashHandler::name_type(uint16_t id, const std::string& type) {
  if (names != nullptr) set_name(names->types, id, type);
}

void CrashHandler::copy_to(int descriptor) { copy.store(descriptor); }

void CrashHandler::count_by(CrashCounts* running) { counts.store(running); }

void CrashHandler::prepare_thread() {
  struct Stack {
    std::unique_ptr<char[]> memory = std::make_unique<char[]>(kStack);
    Stack() {
      stack_t stack{};
      stack.ss_sp = memory.get();
      stack.ss_size = kStack;
      sigaltstack(&stack, nullptr);
    }
    ~Stack() {
      stack_t none{};
      none.ss_flags = SS_DISABLE;
      sigaltstack(&none, nullptr);
    }
  };
  static thread_local Stack stack;
}

}  // namespace ringkernel::launcher
