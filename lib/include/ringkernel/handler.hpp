// What a handler includes. The message structs, the ports and Params come from the topology, or
// from the program that defines the handler struct.
#pragma once

#include "ringkernel/device/context.hpp"
