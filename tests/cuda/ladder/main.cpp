// Measures resident kernels beside what one would use in their place, rung by rung. One JSON line
// per figure on stdout. A figure stands only where the host has seen and checked every answer.
// usage: ringkernel_gpu_ladder [--tiny] [--seconds N] [--list] [RUNG...]
//   --tiny: so few messages that it shows only that everything works
//   --seconds: the most that a single measurement takes (4)
// Exit: 0, 1 (a wrong answer, or none), 2 (usage), 77 (no GPU).
#include <cstdlib>
#include <functional>
#include <iostream>
#include <set>

#include "cuda/ladder/baselines.hpp"
#include "cuda/ladder/kernels.hpp"
#include "ringkernel/runtime.hpp"

namespace {

using namespace ladder;

struct Rung {
  const char* name;
  std::function<void(Gpu&, const Kernels&, const Scale&)> climb;
};

// What matters most comes first: time may run out.
const std::vector<Rung>& rungs() {
  static const std::vector<Rung> kRungs = {
      {"echo", [](Gpu&, const Kernels& k, const Scale&) { k.echo(); }},
      {"L1", [](Gpu&, const Kernels& k, const Scale&) { k.round_trips(); }},
      {"L2-L4", [](Gpu& g, const Kernels&, const Scale& s) { launch_round_trips(g, s); }},
      {"T1", [](Gpu&, const Kernels& k, const Scale&) { k.throughput(); }},
      {"T1-launches", [](Gpu& g, const Kernels&, const Scale& s) { launch_throughput(g, s); }},
      {"K1",
       [](Gpu& g, const Kernels& k, const Scale& s) {
         k.ping_pong();
         k.block_ping_pong();
         l2_ping_pong(g, s);
       }},
      {"K2", [](Gpu&, const Kernels& k, const Scale&) { k.fan_in(); }},
      {"K3", [](Gpu&, const Kernels& k, const Scale&) { k.all_to_all(); }},
      {"V1",
       [](Gpu&, const Kernels& k, const Scale&) {
         k.volume();
         k.device_volume();
       }},
      {"Y1", [](Gpu&, const Kernels& k, const Scale&) { k.lives(); }},
      {"I1", [](Gpu& g, const Kernels& k, const Scale&) { k.idle(g); }},
      {"C1",
       [](Gpu& g, const Kernels& k, const Scale& s) {
         k.issue();
         launch_issue(g, s);
       }},
  };
  return kRungs;
}

int usage(const std::string& wrong) {
  std::cerr << "ringkernel_gpu_ladder: " << wrong
            << "\nusage: ringkernel_gpu_ladder [--tiny] [--seconds N] [--list] [RUNG...]\n";
  return 2;
}

int climb(const Scale& scale, const std::set<std::string>& wanted) {
  if (const auto why = ringkernel::Runtime::unavailable(ringkernel::Backend::Cuda)) {
    std::cerr << "no GPU: " << why->message << "\n";
    return 77;
  }
  const char* told = std::getenv("RK_SOURCE");
  const std::string source = told != nullptr && *told != '\0' ? told : RK_SOURCE_FOLDER;
  int wrong = 0;
  try {
    Gpu gpu(source);
    const Kernels kernels(source, scale);
    for (const Rung& rung : rungs()) {
      if (!wanted.empty() && !wanted.contains(rung.name)) continue;
      try {
        rung.climb(gpu, kernels, scale);
      } catch (const Wrong& error) {
        std::cerr << rung.name << ": " << error.what() << "\n";
        wrong = 1;
      }
    }
  } catch (const Wrong& error) {
    std::cerr << error.what() << "\n";
    wrong = 1;
  }
  return wrong;
}

}  // namespace

int main(int argc, char** argv) {
  Scale scale;
  std::set<std::string> wanted;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--tiny") {
      scale = Scale::tiny();
    } else if (argument == "--seconds") {
      char* end = nullptr;
      const double seconds = ++i < argc ? std::strtod(argv[i], &end) : 0;
      if (seconds <= 0 || *end != '\0') return usage("--seconds wants a number");
      scale.limit = std::chrono::duration<double>(seconds);
    } else if (argument == "--list") {
      for (const Rung& rung : rungs()) std::cout << rung.name << "\n";
      return 0;
    } else {
      const bool known = std::any_of(rungs().begin(), rungs().end(),
                                     [&](const Rung& rung) { return argument == rung.name; });
      if (!known) return usage("there is no rung '" + argument + "'");
      wanted.insert(argument);
    }
  }
  return climb(scale, wanted);
}
