#include "cuda/ladder/baselines.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "cuda/ladder/baseline_kernels.hpp"

namespace ladder {
namespace {

constexpr std::array<uint32_t, 3> kPayloads = {64, 256, 4096};
constexpr uint32_t kBatchThreads = 128;  // of a block that handles a batch

std::string payload_name(uint32_t bytes) {
  return bytes % 1024 == 0 ? std::to_string(bytes / 1024) + " KB" : std::to_string(bytes) + " B";
}

// Nothing that was launched runs longer than this, so neither does a wait.
constexpr double kPatience = 10;

template <class Ready>
void wait_for(Ready&& ready) {
  const auto begun = Clock::now();
  for (uint64_t looks = 1; !ready(); ++looks) {
    __builtin_ia32_pause();
    if (looks % 4096 == 0) demand(seconds_since(begun) < kPatience, "an answer did not come");
  }
}

// One message's slots, and the call that answers it.
class Message {
 public:
  Message(Gpu& gpu, uint32_t bytes)
      : in_(gpu.mapped<uint64_t>(bytes / 8)), out_(gpu.mapped<uint64_t>(bytes / 8)), bytes_(bytes) {
    call_ = {in_, out_, gpu.mapped<uint64_t>(16), gpu.on_device<uint64_t>(1), bytes / 16};
  }
  void launch(const Gpu& gpu) {
    gpu.launch(gpu.one_message, 1, std::clamp(call_.units, 32U, kBatchThreads), call_);
  }
  void ask(uint64_t value) {
    in_[0] = value;
    in_[bytes_ / 8 - 1] = value;
    ++turn_;
  }
  bool answered() const { return ringkernel::load_acquire(call_.flag) == turn_; }
  void check(uint64_t value) const {
    demand(answered() && out_[0] == value + 1 && out_[bytes_ / 8 - 1] == value,
           "a launched kernel answered wrongly");
  }

 private:
  uint64_t* in_;
  uint64_t* out_;
  uint32_t bytes_;
  uint64_t turn_ = 0;
  MessageCall call_{};
};

// A graph of one launch, to be replayed.
class Graph {
 public:
  Graph(const Gpu& gpu, Message& message) : gpu_(gpu) {
    const auto& api = gpu.graphs();
    cuda::CUgraph graph = nullptr;
    gpu.demand_ok(api.cuStreamBeginCapture(gpu.stream(), cuda::kCaptureThreadLocal), "capturing");
    message.launch(gpu);
    gpu.demand_ok(api.cuStreamEndCapture(gpu.stream(), &graph), "capturing");
    gpu.demand_ok(api.cuGraphInstantiate(&executable_, graph, 0), "making a graph");
    gpu.demand_ok(api.cuGraphDestroy(graph), "making a graph");
  }
  ~Graph() { gpu_.graphs().cuGraphExecDestroy(executable_); }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  void launch() const {
    gpu_.demand_ok(gpu_.graphs().cuGraphLaunch(executable_, gpu_.stream()), "replaying a graph");
  }

 private:
  const Gpu& gpu_;
  cuda::CUgraphExec executable_ = nullptr;
};

// From the message's writing to the check of its answer.
template <class Go, class Wait>
void round_trips(const Scale& scale, const std::string& job, const std::string& peer,
                 Message& message, Go&& go, Wait&& wait) {
  std::vector<uint64_t> took;
  const Budget budget(scale.round_trips, scale.limit);
  for (uint64_t i = 0; budget.goes_on(i); ++i) {
    const auto begun = Clock::now();
    message.ask(i);
    go();
    wait();
    message.check(i);
    took.push_back(static_cast<uint64_t>((Clock::now() - begun).count()));
  }
  report_latencies(job, peer, std::move(took));
}

// Messages per second with `depth` under way: all of a round are asked, then all are awaited.
template <class Round>
void throughput(const Scale& scale, uint32_t depth, const std::string& peer, Round&& round) {
  const Budget budget(std::max<uint64_t>(scale.messages / depth, 1), scale.limit, 1);
  uint64_t rounds = 0;
  const auto begun = Clock::now();
  for (; budget.goes_on(rounds); ++rounds) round(rounds);
  const uint64_t messages = rounds * depth;
  report("T1 messages, 64 B, depth " + std::to_string(depth), peer, "messages/s",
         static_cast<double>(messages) / seconds_since(begun), messages);
}

// `depth` messages, each with a launch or a replay of its own.
template <class Go>
void each_alone(const Scale& scale, std::vector<Message>& messages, const std::string& peer,
                Go&& go) {
  throughput(scale, static_cast<uint32_t>(messages.size()), peer, [&](uint64_t round) {
    for (size_t i = 0; i < messages.size(); ++i) {
      messages[i].ask(round + i);
      go(i);
    }
    for (size_t i = 0; i < messages.size(); ++i) {
      wait_for([&] { return messages[i].answered(); });
      messages[i].check(round + i);
    }
  });
}

// `depth` messages with one launch.
void batches(Gpu& gpu, const Scale& scale, uint32_t depth) {
  constexpr uint32_t kWords = 8;
  constexpr uint32_t kUnitsPerBlock = 1024;
  const uint32_t blocks = std::clamp(depth * kWords / 2 / kUnitsPerBlock, 1U,
                                     static_cast<uint32_t>(gpu.properties().multiprocessors) * 4);
  auto* in = gpu.mapped<uint64_t>(size_t{kWords} * depth);
  auto* out = gpu.mapped<uint64_t>(size_t{kWords} * depth);
  BatchCall call{in, out, gpu.mapped<uint64_t>(size_t{16} * blocks), 0, kWords / 2, depth};
  throughput(scale, depth, "one launch for all", [&](uint64_t round) {
    for (uint32_t i = 0; i < depth; ++i)
      for (uint32_t w = 0; w < kWords; ++w) in[size_t{i} * kWords + w] = round + i + w;
    ++call.turn;
    gpu.launch(gpu.batch, blocks, kBatchThreads, call);
    for (uint32_t block = 0; block < blocks; ++block)
      wait_for([&] { return ringkernel::load_acquire(call.flags + 16 * block) == call.turn; });
    for (uint32_t i = 0; i < depth; ++i)
      demand(out[size_t{i} * kWords] == round + i + 1 &&
                 out[size_t{i} * kWords + kWords - 1] == round + i + kWords - 1,
             "a batch answered wrongly");
  });
}

}  // namespace

void launch_round_trips(Gpu& gpu, const Scale& scale) {
  for (const uint32_t bytes : kPayloads) {
    const std::string job = "L1 round trip, " + payload_name(bytes);
    Message message(gpu, bytes);
    auto launch = [&] { message.launch(gpu); };
    auto flag = [&] { wait_for([&] { return message.answered(); }); };
    round_trips(scale, job, "L2 launch, mapped flag", message, launch, flag);
    gpu.synchronize();
    round_trips(scale, job, "L3 launch, synchronise", message, launch, [&] { gpu.synchronize(); });
    const Graph graph(gpu, message);
    round_trips(
        scale, job, "L4 graph, mapped flag", message, [&] { graph.launch(); }, flag);
    gpu.synchronize();
  }
}

void launch_throughput(Gpu& gpu, const Scale& scale) {
  for (const uint32_t depth : {1U, 8U, 64U, 1024U, 65'536U}) {
    if (depth > scale.most_depth) continue;
    if (depth <= 1024) {  // more launches than that do not fit into a stream at a time
      std::vector<Message> messages;
      for (uint32_t i = 0; i < depth; ++i) messages.emplace_back(gpu, 64);
      each_alone(scale, messages, "a launch each", [&](size_t i) { messages[i].launch(gpu); });
      std::vector<std::unique_ptr<Graph>> graphs;
      for (Message& message : messages) graphs.push_back(std::make_unique<Graph>(gpu, message));
      each_alone(scale, messages, "a graph each", [&](size_t i) { graphs[i]->launch(); });
      gpu.synchronize();
    }
    batches(gpu, scale, depth);
    gpu.synchronize();
  }
}

void launch_issue(Gpu& gpu, const Scale& scale) {
  Message message(gpu, 64);
  std::vector<uint64_t> took;
  const Budget budget(scale.round_trips, scale.limit);
  for (uint64_t i = 0; budget.goes_on(i); ++i) {
    message.ask(i);
    const auto begun = Clock::now();
    message.launch(gpu);
    took.push_back(static_cast<uint64_t>((Clock::now() - begun).count()));
    wait_for([&] { return message.answered(); });
  }
  report_latencies("C1 issue alone, 64 B", "launch", std::move(took));
}

void l2_ping_pong(Gpu& gpu, const Scale& scale) {
  constexpr uint64_t kLimitNs = 2'000'000'000;
  PingPongCall call{gpu.on_device<uint64_t>(32), gpu.mapped<uint64_t>(16), scale.messages,
                    kLimitNs};
  const auto begun = Clock::now();
  gpu.launch(gpu.ping_pong, 2, 32, call);
  gpu.synchronize();
  const double took = seconds_since(begun);
  const uint64_t done = *call.done;
  demand(done > 0 && done <= call.rounds, "two blocks did not play ping-pong");
  report("K1 ping-pong of two kernels", "two words in L2, by hand", "us per round trip",
         1e6 * took / static_cast<double>(done), done);
}

double load_seconds(Gpu& gpu, uint32_t rounds) {
  constexpr uint32_t kBlock = 256;
  const auto blocks = static_cast<uint32_t>(gpu.properties().multiprocessors) * 2;
  const size_t words = size_t{blocks} * kBlock;
  static auto* const kWords = gpu.on_device<uint64_t>(2 * words);
  LoadCall call{kWords, kWords + words, rounds};
  const auto begun = Clock::now();
  gpu.launch(gpu.load, blocks, kBlock, call);
  gpu.synchronize();
  return seconds_since(begun);
}

}  // namespace ladder
