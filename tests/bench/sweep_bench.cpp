// How the engine's throughput changes with one thing at a time: one JSON line per point,
// {"sweep", "x", "series", "unit", "value"}. All but `kernels` send through three kernels in a row
// with queues of 1024: a source, a stage that copies, a sink.
// usage: sweep_bench [SWEEP [PART]]     PART: of the usual number of messages, default 1
#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "measure.hpp"

// A message of a size, one of several types of that size.
template <uint32_t Bytes, uint32_t Type = 0>
struct Blob {
  uint64_t word[Bytes / 8];
};

namespace ringkernel {
template <uint32_t Bytes, uint32_t Type>
struct MessageTraits<::Blob<Bytes, Type>> {
  static constexpr char kName[] = {'B', 'l', 'o', 'b', 'A' + Type, '\0'};
  static constexpr const char* kFields = "word";
  static constexpr uint64_t kFingerprint = fingerprint_of(kName, Bytes);
  static void clear_padding(::Blob<Bytes, Type>&) {}
};
}  // namespace ringkernel

namespace {

using namespace ringkernel;

constexpr FixedString<3> port_name(uint32_t type) {
  FixedString<3> name("p?");
  name.text[1] = static_cast<char>('A' + type);
  return name;
}
template <uint32_t Bytes, uint32_t Type>
inline constexpr Port<port_name(Type), Blob<Bytes, Type>> port;

// Kernels for messages of so many bytes, of the types whose numbers they are given.
template <uint32_t Bytes, class Types>
struct Kernels;
template <uint32_t Bytes, uint32_t... Type>
struct Kernels<Bytes, std::integer_sequence<uint32_t, Type...>> {
  static constexpr uint32_t kTypes = sizeof...(Type);

  // Sends one message of each type at a time.
  struct Source {
    struct Params {
      uint64_t count;
    };
    struct State {
      uint64_t sent;
    };
    using Ports = ringkernel::Ports<port<Bytes, Type>...>;
    using Context = ringkernel::Context<Source>;
    static bool on_poll(Context& ctx, State& state) {
      (send<Type>(ctx, state.sent), ...);
      return (state.sent += kTypes) < ctx.params().count;
    }
    template <uint32_t T>
    static void send(Context& ctx, uint64_t number) {
      Blob<Bytes, T> blob;
      for (uint64_t i = 0; i < Bytes / 8; ++i) blob.word[i] = number + i;
      ctx.emit(port<Bytes, T>, blob);
    }
  };

  struct Stage {
    using Accepts = ringkernel::Accepts<Blob<Bytes, Type>...>;
    using Ports = ringkernel::Ports<port<Bytes, Type>...>;
    using Context = ringkernel::Context<Stage>;
    template <uint32_t T>
    static void on_message(Context& ctx, const Blob<Bytes, T>& in) {
      Blob<Bytes, T> blob = in;
      blob.word[0] += 1;
      ctx.emit(port<Bytes, T>, blob);
    }
  };

  struct Sink {
    struct State {
      uint64_t sum;
    };
    using Accepts = ringkernel::Accepts<Blob<Bytes, Type>...>;
    using Context = ringkernel::Context<Sink>;
    template <uint32_t T>
    static void on_message(Context&, State& state, const Blob<Bytes, T>& in) {
      state.sum += in.word[0] + in.word[Bytes / 8 - 1];
    }
  };
};

template <uint32_t Types>
using TypeNumbers = std::make_integer_sequence<uint32_t, Types>;

struct Shape {
  uint32_t workers = 1;
  uint32_t stages = 1;
  uint32_t blocks = 1;  // of each stage
  size_t capacity = 1024;
  uint64_t messages = 0;
};

// Messages per second through source, stages and sink.
template <uint32_t Bytes, uint32_t Types>
double throughput(const Shape& shape) {
  using All = Kernels<Bytes, TypeNumbers<Types>>;
  const uint64_t count = shape.messages / Types * Types;
  Runtime runtime = runtime_of(shape.workers);
  const LaunchOptions options = quiet().with_queue_capacity(shape.capacity);
  auto source = runtime.launch<typename All::Source>("source", options, {.count = count}).value();
  std::vector<KernelHandle> row{source};
  for (uint32_t i = 0; i < shape.stages; ++i)
    row.push_back(
        runtime
            .launch<typename All::Stage>("stage" + std::to_string(i),
                                         LaunchOptions(options).with_grid_size(shape.blocks))
            .value());
  row.push_back(runtime.launch<typename All::Sink>("sink", options).value());
  for (size_t i = 0; i + 1 < row.size(); ++i)
    for (uint32_t type = 0; type < Types; ++type)
      demand(runtime.connect(row[i].port(port_name(type).text), row[i + 1]).has_value());
  for (size_t i = 1; i < row.size(); ++i) demand(row[i].activate().has_value());
  return static_cast<double>(count) / run_to_end(runtime, {source}, row.back(), count);
}

class Sweeps {
 public:
  explicit Sweeps(double part) : part_(part) {}

  // Once more with queues that stay in a core's own cache.
  void payload() {
    each<64, 128, 256, 512, 1024, 2048, 4096>([&]<uint32_t Bytes>(uint32_t workers) {
      Shape shape{.workers = workers, .messages = messages(400'000'000 / (Bytes + 64))};
      report("payload", Bytes, workers, throughput<Bytes, 1>(shape));
      if (workers > 1) return;
      shape.capacity = 64;
      report("payload", Bytes, "1 worker, queues of 64", throughput<Bytes, 1>(shape));
    });
  }
  // Queues of 128, else the rings of 10,000 kernels fill a gigabyte.
  void kernels() {
    for (const uint32_t stages : {1U, 3U, 10U, 30U, 100U, 300U, 1000U, 3000U, 10'000U})
      for (const uint32_t workers : {1U, 2U}) {
        const Shape shape{.workers = workers,
                          .stages = stages,
                          .capacity = 128,
                          .messages = std::max<uint64_t>(messages(8'000'000) / (stages + 1), 64)};
        // The sink handles each, too.
        report("kernels", stages, workers, throughput<64, 1>(shape) * (stages + 1));
      }
  }
  void blocks() {
    for (const uint32_t blocks : {1U, 2U, 4U, 8U, 16U, 32U, 64U})
      for (const uint32_t workers : {1U, 2U})
        report("blocks", blocks, workers,
               throughput<64, 1>(
                   {.workers = workers, .blocks = blocks, .messages = messages(3'000'000)}));
  }
  void capacity() {
    for (const size_t capacity : {4U, 16U, 64U, 256U, 1024U, 4096U, 16'384U, 65'536U})
      for (const uint32_t workers : {1U, 2U})
        report("capacity", static_cast<double>(capacity), workers,
               throughput<64, 1>(
                   {.workers = workers, .capacity = capacity, .messages = messages(3'000'000)}));
  }
  void types() {
    each<1, 2, 4, 8, 16>([&]<uint32_t Types>(uint32_t workers) {
      report("types", Types, workers,
             throughput<64, Types>({.workers = workers, .messages = messages(3'000'000)}));
    });
  }

 private:
  uint64_t messages(uint64_t usual) const {
    return static_cast<uint64_t>(part_ * static_cast<double>(usual));
  }
  template <uint32_t... X, class F>
  static void each(F&& point) {
    for (const uint32_t workers : {1U, 2U}) (point.template operator()<X>(workers), ...);
  }
  static void report(const char* sweep, double x, const std::string& series, double value) {
    std::printf(
        "{\"sweep\":\"%s\",\"x\":%.6g,\"series\":\"%s\",\"unit\":\"messages/s\",\"value\":%.6g}\n",
        sweep, x, series.c_str(), value);
    std::fflush(stdout);
  }
  static void report(const char* sweep, double x, uint32_t workers, double value) {
    report(sweep, x, std::to_string(workers) + (workers == 1 ? " worker" : " workers"), value);
  }

  const double part_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string only = argc > 1 ? argv[1] : "";
  Sweeps sweeps(argc > 2 ? std::stod(argv[2]) : 1);
  const auto sweep = [&](const char* name, void (Sweeps::*run)()) {
    if (only.empty() || only == name) (sweeps.*run)();
  };
  sweep("payload", &Sweeps::payload);
  sweep("kernels", &Sweeps::kernels);
  sweep("blocks", &Sweeps::blocks);
  sweep("capacity", &Sweeps::capacity);
  sweep("types", &Sweeps::types);
}
