// Resident kernels, through the library's public interface.
#pragma once

#include <string>

#include "cuda/ladder/gpu.hpp"
#include "cuda/ladder/measurement.hpp"

namespace ladder {

class Kernels {
 public:
  // `source`: this repository. `gpu`: for what is measured beside resident kernels.
  Kernels(std::string source, const Scale& scale) : source_(std::move(source)), scale_(scale) {}

  void echo() const;         // one block, one message: the first thing to try on a GPU
  void round_trips() const;  // L1
  void throughput() const;   // T1
  void volume() const;       // V1: nothing lost, doubled or overtaken
  void device_volume() const;
  void ping_pong() const;  // K1
  void block_ping_pong() const;
  void fan_in() const;        // K2
  void all_to_all() const;    // K3
  void issue() const;         // C1
  void lives() const;         // Y1
  void idle(Gpu& gpu) const;  // I1

 private:
  const std::string source_;
  const Scale scale_;
};

}  // namespace ladder
