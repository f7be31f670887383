// What one would use in place of a resident kernel, and the loads of a GPU that stand beside one.
#pragma once

#include "cuda/ladder/gpu.hpp"
#include "cuda/ladder/measurement.hpp"

namespace ladder {

void launch_round_trips(Gpu& gpu, const Scale& scale);  // L2, L3, L4
void launch_throughput(Gpu& gpu, const Scale& scale);   // T1's opponents
void launch_issue(Gpu& gpu, const Scale& scale);        // C1: not the time of anything done
void l2_ping_pong(Gpu& gpu, const Scale& scale);        // K1's floor
double load_seconds(Gpu& gpu, uint32_t rounds);         // of I1's other kernel, alone or not

}  // namespace ladder
