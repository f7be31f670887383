#include "launcher/crash_handler.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "ringkernel/exit_code.hpp"
#include "runtime/engine.hpp"

namespace ringkernel::launcher {
namespace {

constexpr std::array<int, 5> kSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr size_t kStack = size_t{64} << 10;

// Written before the kernels run, read by the signal handler.
struct Names {
  std::string topology;
  std::vector<std::string> kernels;   // by id
  std::vector<std::string> handlers;  // by id
  std::vector<std::string> types;     // by id
};
Names* names = nullptr;
std::atomic<const runtime::Engine*> engine{nullptr};
std::atomic<int> copy{-1};
std::array<struct sigaction, kSignals.size()> before;

template <class List>
const char* name_at(const List& list, size_t id) {
  return id < list.size() && !list[id].empty() ? list[id].c_str() : "?";
}

class Line {
 public:
  Line& operator<<(const char* text) {
    while (*text != '\0' && size_ < text_.size()) text_[size_++] = *text++;
    return *this;
  }
  Line& operator<<(uint64_t number) {
    std::array<char, 24> digits;
    size_t n = 0;
    do digits[n++] = static_cast<char>('0' + number % 10);
    while ((number /= 10) > 0);
    while (n > 0 && size_ < text_.size()) text_[size_++] = digits[--n];
    return *this;
  }
  void begin(const Block& block) {
    *this << names->topology.c_str() << ": error: kernel '" << name_at(names->kernels, block.kernel)
          << "' (" << name_at(names->handlers, block.kernel) << ")";
  }
  // Writes it, too.
  void end(const Block& block) {
    if (const MessageHeader* message = block.in_hand; message != nullptr) {
      *this << " while it handled " << name_at(names->types, message->message_type);
      if (message->root != 0) *this << " from line " << message->root;
      *this << " (message " << message->message_id << ")";
    } else {
      *this << " in on_start, on_poll or on_stop";
    }
    if (const runtime::Engine* running = engine.load(); running != nullptr)
      *this << "; messages in hand: " << running->under_way();
    *this << "\n";
    for (const int descriptor : {STDERR_FILENO, copy.load()})
      if (descriptor >= 0) [[maybe_unused]]
        const ssize_t written = ::write(descriptor, text_.data(), size_);
  }

 private:
  std::array<char, 1024> text_;
  size_t size_ = 0;
};

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
  Line line;
  line.begin(*block);
  line << " crashed with " << signal_name(signal);
  line.end(*block);
  _exit(static_cast<int>(ExitCode::Crashed));
}

// A handler that calls exit() would end the run as if all were well.
void left() {
  const Block* block = runtime::current_block();
  if (block == nullptr || names == nullptr || block->kernel == 0) return;
  Line line;
  line.begin(*block);
  line << " called exit()";
  line.end(*block);
  _exit(static_cast<int>(ExitCode::Crashed));
}
void set_name(std::vector<std::string>& list, size_t id, const std::string& name) {
  if (list.size() <= id) list.resize(id + 1);
  list[id] = name;
}

}  // namespace

CrashHandler::CrashHandler(const std::string& topology) {
  names = new Names;
  names->topology = topology;
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

void CrashHandler::name_kernel(uint32_t id, const std::string& kernel, const std::string& handler) {
  if (names == nullptr) return;
  set_name(names->kernels, id, kernel);
  set_name(names->handlers, id, handler);
}

void CrashHandler::name_type(uint16_t id, const std::string& type) {
  if (names != nullptr) set_name(names->types, id, type);
}

void CrashHandler::copy_to(int descriptor) { copy.store(descriptor); }

void CrashHandler::count_by(const runtime::Engine* running) { engine.store(running); }

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
