// A program of somebody else's, against the installed library.
#include <cstdio>
#include <ringkernel/error.hpp>

int main() {
  const ringkernel::Error error{ringkernel::ErrorCode::Timeout, "nobody answered", "pricing"};
  std::puts(ringkernel::to_string(error).c_str());
}
