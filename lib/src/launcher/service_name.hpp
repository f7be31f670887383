// The name of a running topology: NAME.lock, held by flock for as long as the process lives, and
// NAME.sock beside it. The kernel of the system frees the lock of a killed process, so what kill -9
// left behind is known as dead.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ringkernel/error.hpp"

namespace ringkernel::launcher {

// [a-z][a-z0-9_-]*, at most 80 bytes.
bool is_topology_name(std::string_view name);

class ServiceName {
 public:
  // Takes `name` in `folder`, clearing away what a killed process left. AlreadyRunning: another
  // process holds it.
  static Result<ServiceName> take(const std::string& folder, const std::string& name);
  ~ServiceName();  // frees the name and removes its files
  ServiceName(ServiceName&& other) noexcept;
  ServiceName& operator=(ServiceName&& other) noexcept;
  ServiceName(const ServiceName&) = delete;
  ServiceName& operator=(const ServiceName&) = delete;

  const std::string& name() const { return name_; }

  // The same name for a process that is forked from this one: it frees nothing, and holds the lock,
  // whose descriptor it inherits, for as long as it lives.
  ServiceName lent() const { return ServiceName(folder_, name_, -1); }

  // A listening Unix stream socket, mode 0600, non-blocking, at NAME.sock; the caller closes it.
  Result<int> listen();

 private:
  ServiceName(std::string folder, std::string name, int lock);
  void release();

  std::string folder_;
  std::string name_;
  int lock_ = -1;
};

// The names that living processes hold, sorted; what dead ones left is removed.
Result<std::vector<std::string>> running_names(const std::string& folder);

// A connected stream socket to NAME.sock. NotFound: nothing listens there.
Result<int> connect_to(const std::string& folder, const std::string& name);

// PermissionDenied unless the process at the other end is this user's or root's.
Result<void> check_peer(int socket);

}  // namespace ringkernel::launcher
