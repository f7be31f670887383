// Where files of the user's own go.
#pragma once

#include <string>

namespace ringkernel {

// The environment's, where it is an absolute path: a relative one counts as unset, as the XDG rules
// say. Empty: unset.
std::string absolute_variable(const char* name);

// HOME; else the home that the system has for the user, where it can be written. Empty: none.
std::string home_folder();

// TMPDIR where it is a folder, else /tmp.
std::string temporary_folder();

// ringk-KIND-UID in the temporary folder, where anybody may have put anything: made with mode 0700,
// and only given where it is the user's own and closed to others. Empty: it is not, or cannot be
// made.
std::string own_temporary_folder(const std::string& kind);

}  // namespace ringkernel
