// The folders of running topologies: control sockets and locks in the runtime folder; logs, outputs
// and dead letters of services in the state folder.
#pragma once

#include <string>

#include "ringkernel/error.hpp"

namespace ringkernel::launcher {

// $RINGK_RUNTIME_DIR, else $XDG_RUNTIME_DIR/ringk, else ringk-UID in the temporary folder. Made
// with mode 0700 where it is missing. PermissionDenied where it is not a folder of this user's own
// that nobody else can enter: whoever can write there could take the name of a topology.
Result<std::string> runtime_folder();

// $RINGK_STATE_DIR, else $XDG_STATE_HOME/ringk, else ~/.local/state/ringk; only named, not made.
Result<std::string> state_folder();

// state_folder()/name, made where it is missing.
Result<std::string> state_folder_of(const std::string& name);

// Every missing folder of `path` is made with mode 0700.
Result<void> make_folders(const std::string& path);

}  // namespace ringkernel::launcher
