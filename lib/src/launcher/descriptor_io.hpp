// A whole text to and from a descriptor that blocks.
#pragma once

#include <string>
#include <string_view>

namespace ringkernel::launcher {

// Ends at an error: nobody is left to read it.
void write_all(int descriptor, std::string_view text);
// Up to the end, or an error.
std::string read_all(int descriptor);

}  // namespace ringkernel::launcher
