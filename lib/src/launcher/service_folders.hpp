// Making the folders of running topologies: control sockets and locks are in the runtime folder;
// logs, outputs and dead letters of services in the state folder. ringkernel/service.hpp names
// both.
#pragma once

#include <string>

#include "ringkernel/error.hpp"

namespace ringkernel::launcher {

// state_folder()/name, made where it is missing.
Result<std::string> state_folder_of(const std::string& name);

// Every missing folder of `path` is made with mode 0700.
Result<void> make_folders(const std::string& path);

// Standard output and error go to `log` from now on. IoError.
Result<void> write_to_log(const std::string& log);

}  // namespace ringkernel::launcher
