#include "launcher/control_server.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "launcher/control_session.hpp"

namespace ringkernel::launcher {
namespace {

using Clock = std::chrono::steady_clock;

// How often waiting operations ask the topology.
constexpr int kPollMs = 2;
// No file descriptor was left for a client.
constexpr int kRetryMs = 100;
// At the end: for the last answers to be read.
constexpr std::chrono::milliseconds kClientGrace{1000};

struct Client {
  Client(int socket, ControlContext& context) : session(socket, context) {}
  ControlSession session;
  uint32_t interest = 0;  // as epoll knows it; 0: not there
};

}  // namespace

struct ControlServer::Impl {
  Impl(ServiceName the_name, ControlTarget& target)
      : name(std::move(the_name)),
        context{target, name.name(), std::make_shared<ControlWaker>(),
                [this] { return bytes_held(); }} {}

  ~Impl() {
    for (const int descriptor : {listener, poll}) {
      if (descriptor >= 0) close(descriptor);
    }
  }

  Result<void> open();
  void run();
  int patience() const;
  void accept_clients();
  void look_after(Client& client);
  void settle();
  bool ended();
  bool bytes_held() const {
    return std::any_of(clients.begin(), clients.end(),
                       [](const auto& client) { return client->session.holds_data(); });
  }
  void watch(int descriptor, uint32_t events, void* what, int operation) const {
    epoll_event event{};
    event.events = events;
    event.data.ptr = what;
    epoll_ctl(poll, operation, descriptor, &event);
  }

  ServiceName name;
  ControlContext context;
  int listener = -1;
  int poll = -1;
  bool accepting = true;
  std::vector<std::unique_ptr<Client>> clients;
  std::atomic<int> exit_code{-1};  // once the topology has stopped
  bool ending = false;
  Clock::time_point end_by;
  std::thread thread;
};

Result<void> ControlServer::Impl::open() {
  auto listening = name.listen();
  if (!listening) return tl::unexpected(listening.error());
  listener = *listening;
  poll = epoll_create1(EPOLL_CLOEXEC);
  if (poll < 0 || context.waker->descriptor() < 0) {
    return fail(ErrorCode::IoError,
                std::string("cannot serve the control socket: ") + strerror(errno));
  }
  watch(listener, EPOLLIN, &listener, EPOLL_CTL_ADD);
  watch(context.waker->descriptor(), EPOLLIN, context.waker.get(), EPOLL_CTL_ADD);
  return {};
}

int ControlServer::Impl::patience() const {
  const bool polling =
      ending || std::any_of(clients.begin(), clients.end(),
                            [](const auto& client) { return client->session.polls(); });
  if (polling) return kPollMs;
  return accepting ? -1 : kRetryMs;
}

void ControlServer::Impl::run() {
  std::array<epoll_event, 64> events{};
  while (!ended()) {
    const int ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), patience());
    if (!accepting && !ending) {
      accepting = true;
      watch(listener, EPOLLIN, &listener, EPOLL_CTL_ADD);
    }
    for (int i = 0; i < ready; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      if (event.data.ptr == &listener) {
        accept_clients();
      } else if (event.data.ptr == context.waker.get()) {
        context.waker->acknowledge();
      } else {
        auto& session = static_cast<Client*>(event.data.ptr)->session;
        if (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) session.read_some();
        if (event.events & (EPOLLOUT | EPOLLERR)) session.write_some();
      }
    }
    for (const auto& client : clients) client->session.advance();
    settle();
  }
}

void ControlServer::Impl::accept_clients() {
  for (;;) {
    const int socket = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EAGAIN) {
        // Out of descriptors: level-triggered, it would ring without end.
        watch(listener, 0, nullptr, EPOLL_CTL_DEL);
        accepting = false;
      }
      return;
    }
    if (!check_peer(socket)) {
      close(socket);
      continue;
    }
    clients.push_back(std::make_unique<Client>(socket, context));
  }
}

// Tells epoll what each session wants now, and drops those that are over. A session that wants
// nothing leaves epoll altogether, which would report its hang-up again and again.
void ControlServer::Impl::settle() {
  std::erase_if(clients, [](const auto& client) { return client->session.over(); });
  for (const auto& client : clients) look_after(*client);
}

void ControlServer::Impl::look_after(Client& client) {
  const uint32_t interest = (client.session.wants_read() ? uint32_t{EPOLLIN} : 0U) |
                            (client.session.wants_write() ? uint32_t{EPOLLOUT} : 0U);
  if (interest == client.interest) return;
  const int operation = client.interest == 0 ? EPOLL_CTL_ADD
                        : interest == 0      ? EPOLL_CTL_DEL
                                             : EPOLL_CTL_MOD;
  watch(client.session.socket(), interest, &client, operation);
  client.interest = interest;
}

bool ControlServer::Impl::ended() {
  const int code = exit_code.load();
  if (code < 0) return false;
  if (!ending) {
    ending = true;
    end_by = Clock::now() + kClientGrace;
    watch(listener, 0, nullptr, EPOLL_CTL_DEL);
    // Whoever connected just before it ended gets its answer, too. The name is free before anybody
    // hears of the end, so that who waited for it may launch another under it.
    accept_clients();
    { const ServiceName freed = std::move(name); }
    for (const auto& client : clients) {
      client->session.read_some();
      client->session.end(static_cast<ExitCode>(code));
    }
    settle();
  }
  return clients.empty() || Clock::now() >= end_by;
}

ControlServer::ControlServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<ControlServer>> ControlServer::start(ServiceName name,
                                                            ControlTarget& target) {
  auto impl = std::make_unique<Impl>(std::move(name), target);
  if (auto opened = impl->open(); !opened) return tl::unexpected(opened.error());
  impl->thread = std::thread([&server = *impl] { server.run(); });
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(impl)));
}

ControlServer::~ControlServer() { finish(ExitCode::Crashed); }

void ControlServer::finish(ExitCode code) {
  if (!impl_->thread.joinable()) return;
  impl_->exit_code.store(static_cast<int>(code));
  impl_->context.waker->wake();
  impl_->thread.join();
  impl_->clients.clear();
}

}  // namespace ringkernel::launcher
