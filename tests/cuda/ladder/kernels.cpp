#include "cuda/ladder/kernels.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>

#include "cuda/ladder/baselines.hpp"
#include "cuda/ladder/handlers.hpp"
#include "ringkernel/device/make_module.hpp"
#include "ringkernel/runtime.hpp"

namespace ladder {
namespace {

using namespace ringkernel;
using namespace std::chrono_literals;

constexpr const char* kUs = "ringkernel";
constexpr uint32_t kThreads = 32;  // of a block: one warp looks at the ring

template <class T>
T value_of(Result<T> result, const char* what) {
  if (!result) throw Wrong(std::string(what) + ": " + to_string(result.error()));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

RuntimeBuilder builder(const std::string& source) {
  return RuntimeBuilder{}
      .backend(Backend::Cuda)
      .device_include(source)
      .device_include(source + "/tests");
}
Runtime make_runtime(const std::string& source) {
  return value_of(builder(source).build(), "building a runtime");
}

LaunchOptions one_block() { return LaunchOptions::single_block(kThreads); }

template <class H>
KernelHandle launch(Runtime& runtime, std::string name, const LaunchOptions& options = one_block(),
                    const typename Context<H>::Params& params = {}) {
  return value_of(runtime.launch<H>(std::move(name), options, params), "launching");
}

void wire(Runtime& runtime, const KernelHandle& from, const KernelHandle& to,
          std::optional<Route> route = {}) {
  value_of(runtime.connect(from.port("out"), to, {.route = route}), "connecting");
}

template <class Handler, class Message>
void round_trips_of(const std::string& source, const Scale& scale, const std::string& payload) {
  Runtime runtime = make_runtime(source);
  auto kernel = launch<Handler>(runtime, "echo");
  constexpr size_t kLast = sizeof(Message) / 8 - 1;
  Message message{};
  std::vector<uint64_t> took;
  const Budget budget(scale.round_trips, scale.limit);
  for (uint64_t i = 0; budget.goes_on(i); ++i) {
    message.word[0] = message.word[kLast] = i;
    const auto begun = Clock::now();
    const auto answer = value_of(kernel.template call<Message>(message), "a call");
    took.push_back(static_cast<uint64_t>((Clock::now() - begun).count()));
    demand(answer.word[0] == i + 1 && answer.word[kLast] == i, "an echo answered wrongly");
  }
  report_latencies("L1 round trip, " + payload, kUs, std::move(took));
}

// Sends `scale.messages` and takes back as many, with at most `depth` under way; each must be the
// next one. How many were, when the time was up.
uint64_t pass_in_order(const KernelHandle& kernel, const Budget& budget, uint64_t depth) {
  uint64_t sent = 0, received = 0;
  bool more = true;
  while (more || received < sent) {
    while (more && sent - received < depth) {
      if (!kernel.try_send(Small{{sent, sent, 2, 3, 4, 5, 6, 7}})) break;
      more = budget.goes_on(++sent);
    }
    // One wait, then all that is there.
    auto got = value_of(kernel.receive_timeout(10s), "an answer did not come");
    for (;;) {
      const Small answer = value_of(got.as<Small>(), "an answer");
      demand(answer.word[0] == received + 1 && answer.word[1] == received && answer.word[7] == 7,
             "a message was lost, doubled or overtaken");
      if (++received == sent) break;
      auto next = kernel.try_receive();
      if (!next) break;
      got = std::move(*next);
    }
  }
  return received;
}

// The rate of that through a block of so many threads.
template <class Handler>
void pass_through(const std::string& source, const Scale& scale, const std::string& job,
                  uint32_t depth, uint32_t threads) {
  Runtime runtime = make_runtime(source);
  const auto options =
      LaunchOptions::single_block(threads).with_queue_capacity(std::max<size_t>(depth, 1024));
  auto kernel = launch<Handler>(runtime, "pass", options);
  const Budget budget(scale.messages, scale.limit);
  const auto begun = Clock::now();
  const uint64_t messages = pass_in_order(kernel, budget, depth);
  report(job, kUs, "messages/s", static_cast<double>(messages) / seconds_since(begun), messages);
}

// What checks of so many blocks tell at their end, together.
Tally tally_of(const KernelHandle& check, uint32_t blocks) {
  value_of(check.terminate(), "terminating");
  Tally all{};
  for (uint32_t i = 0; i < blocks; ++i) {
    const auto tally = value_of(
        value_of(check.receive_timeout(10s), "a tally did not come").as<Tally>(), "a tally");
    all.seen += tally.seen;
    all.wrong += tally.wrong;
    all.sum += tally.sum;
  }
  return all;
}

// With this sum and none out of order they are those that were sent, each once.
void demand_all(const std::string& job, const Tally& all, uint64_t sent, uint64_t sum) {
  if (all.seen != sent || all.wrong != 0 || all.sum != sum)
    throw Wrong(job + ": of " + std::to_string(sent) + " messages " + std::to_string(all.seen) +
                " were seen, " + std::to_string(all.wrong) + " out of order or not whole");
}

// Seconds in which sources of `senders` blocks emit `each` messages and `receivers` blocks have
// checked them. What the checks tell at their end says that none was lost.
double senders_to_receivers(const std::string& source, const std::string& job, uint32_t senders,
                            uint32_t receivers, uint64_t each) {
  Runtime runtime = make_runtime(source);
  auto check = launch<Check>(runtime, "check", LaunchOptions::multi_block(receivers, kThreads));
  auto from = launch<Source>(runtime, "source",
                             LaunchOptions::multi_block(senders, kThreads).without_auto_activate(),
                             {.count = each});
  wire(runtime, from, check, Route::RoundRobin);
  const auto begun = Clock::now();
  value_of(from.activate(), "activating");
  demand(runtime.wait_idle(60s), "the messages did not arrive");
  const double took = seconds_since(begun);
  demand_all(job, tally_of(check, receivers), each * senders, senders * (each * (each - 1) / 2));
  return took;
}

// The rate of that, of as many messages as the limit of time allows.
void rate_between(const std::string& source, const Scale& scale, const std::string& job,
                  uint32_t senders, uint32_t receivers) {
  const uint64_t most = std::max<uint64_t>(scale.messages / senders, 1);
  uint64_t each = std::max<uint64_t>(most / 100, 1);
  double took = senders_to_receivers(source, job, senders, receivers, each);
  if (100 * took <= scale.limit.count())
    took = senders_to_receivers(source, job, senders, receivers, each = most);
  const uint64_t messages = each * senders;
  report(job, kUs, "messages/s", static_cast<double>(messages) / took, messages);
}

// Fewer than were asked for are said to be.
void report_volume(const Scale& scale, const std::string& job, uint64_t messages, double took) {
  report(job, kUs, "messages", static_cast<double>(messages), messages);
  report(job, kUs, "messages/s", static_cast<double>(messages) / took, messages);
  if (messages < scale.volume)
    std::fprintf(stderr, "%s: %llu of %llu messages, then the time was up\n", job.c_str(),
                 static_cast<unsigned long long>(messages),
                 static_cast<unsigned long long>(scale.volume));
}

// Passes a token to and fro, doubling its hops until they take long enough, so that a slow way ends
// too. `send` begins with so many hops.
template <class Send>
uint64_t report_hops(Runtime& runtime, const Scale& scale, const std::string& job, Send&& send) {
  uint64_t hops = std::min<uint64_t>(scale.messages, 2'000);
  for (;; hops *= 2) {
    const auto begun = Clock::now();
    send(hops);
    demand(runtime.wait_idle(60s), "the token did not come to its end");
    const double took = seconds_since(begun);
    if (took < 0.5 && 2 * hops <= scale.messages) continue;
    report(job, kUs, "us per round trip", 2e6 * took / static_cast<double>(hops), hops / 2);
    return hops;
  }
}

// A key whose messages the block gets, of two.
uint64_t key_of_block(uint32_t block) {
  const KeySpec& spec = module_of<Bounce>().keys[0];
  for (Token token{};; ++token.to) {
    Key key;
    read_key(spec, &token, key);
    if (block_of_key(key.hash, 2) == block) return token.to;
  }
}

// Bytes per second that a kernel with nothing to do reads over the bus, by what its blocks count.
void report_polling(const KernelHandle& kernel, const Scale& scale, const std::string& job) {
  // From one telling to another.
  auto told_after = [&](uint64_t before) {
    const auto begun = Clock::now();
    while (kernel.metrics().bytes_polled == before) {
      demand(seconds_since(begun) < 10, "an idle kernel does not look for messages");
      std::this_thread::sleep_for(1ms);
    }
    return kernel.metrics().bytes_polled;
  };
  const uint64_t first = told_after(kernel.metrics().bytes_polled);
  const auto begun = Clock::now();
  std::this_thread::sleep_for(scale.lives > 1 ? 2s : 0s);
  const uint64_t bytes = told_after(kernel.metrics().bytes_polled) - first;
  report(job, kUs, "B/s", static_cast<double>(bytes) / seconds_since(begun), bytes);
}

// What nvidia-smi says that the GPU takes; none: it is not there.
std::optional<double> watts() {
  FILE* pipe = popen(
      "nvidia-smi --id=0 --query-gpu=power.draw --format=csv,noheader,nounits 2>/dev/null", "r");
  if (pipe == nullptr) return std::nullopt;
  double value = 0;
  const bool read = std::fscanf(pipe, "%lf", &value) == 1;
  pclose(pipe);
  return read ? std::optional(value) : std::nullopt;
}

}  // namespace

void Kernels::echo() const {
  Runtime runtime = make_runtime(source_);
  auto kernel = launch<EchoSmall>(runtime, "echo");
  const auto answer = value_of(kernel.call<Small>(Small{{41}}, 2s), "the first echo");
  demand(answer.word[0] == 42, "the first echo answered wrongly");
  report("first echo", kUs, "answers", 1, 1);
}

void Kernels::round_trips() const {
  round_trips_of<EchoSmall, Small>(source_, scale_, "64 B");
  round_trips_of<EchoMedium, Medium>(source_, scale_, "256 B");
  round_trips_of<EchoLarge, Large>(source_, scale_, "4 KB");
}

void Kernels::throughput() const {
  for (const uint32_t depth : {1U, 8U, 64U, 1024U, 65'536U}) {
    if (depth > scale_.most_depth) continue;
    const std::string job = "T1 messages, 64 B, depth " + std::to_string(depth);
    pass_through<PassOn>(source_, scale_, job, depth, kThreads);
    if (depth >= 1024)
      for (const uint32_t threads : {32U, 128U, 256U})
        pass_through<PassOnThreads>(
            source_, scale_, job + ", " + std::to_string(threads) + " threads", depth, threads);
  }
}

// Handlers on the CPU emit and check, so that the way there and back is all that takes time.
// Several ways side by side: one has one pump, on one core.
void Kernels::volume() const {
  constexpr uint32_t kWays = 4;
  const std::string job = "V1 through the host and back, in order, none lost or doubled";
  // A handler that is not for a GPU runs on the CPU.
  Runtime runtime = value_of(builder(source_).backend(Backend::Auto).build(), "building a runtime");
  std::vector<std::pair<KernelHandle, KernelHandle>> ends;
  for (uint32_t i = 0; i < kWays; ++i) {
    const std::string n = std::to_string(i);
    auto source = launch<SourceOnHost>(runtime, "source" + n, one_block().without_auto_activate(),
                                       {.count = scale_.volume / kWays});
    auto pass = launch<PassOnThreads>(runtime, "pass" + n,
                                      LaunchOptions::single_block(256).with_queue_capacity(16'384));
    auto check = launch<CheckOnHost>(runtime, "check" + n, one_block().with_queue_capacity(16'384));
    wire(runtime, source, pass);
    wire(runtime, pass, check);
    ends.emplace_back(source, check);
  }
  const auto begun = Clock::now();
  for (const auto& [source, check] : ends) value_of(source.activate(), "activating");
  const auto limit = std::chrono::duration_cast<std::chrono::nanoseconds>(5 * scale_.limit);
  if (!runtime.wait_idle(limit)) {
    for (const auto& [source, check] : ends) value_of(source.terminate(), "terminating");
    demand(runtime.wait_idle(30s), "the messages did not arrive");
  }
  const double took = seconds_since(begun);
  uint64_t messages = 0;
  for (const auto& [source, check] : ends) {
    const uint64_t sent = source.metrics().messages_sent;
    demand_all(job, tally_of(check, 1), sent, sent * (sent + 1) / 2);  // PassOn adds one to each
    messages += sent;
  }
  report_volume(scale_, job, messages, took);
}

// The same past the host, of as many as the limit of time allows.
void Kernels::device_volume() const {
  const std::string job = "V1 between kernels of the device, in order, none lost or doubled";
  const uint32_t blocks = std::min(32U, scale_.most_senders);
  const uint64_t most = scale_.volume / blocks;
  const uint64_t first = std::max<uint64_t>(most / 100, 1);
  const double took_first = senders_to_receivers(source_, job, blocks, blocks, first);
  const double fits = 5 * scale_.limit.count() / took_first * static_cast<double>(first);
  const uint64_t each = fits < static_cast<double>(most) ? static_cast<uint64_t>(fits) : most;
  const double took = senders_to_receivers(source_, job, blocks, blocks, std::max(each, first));
  report_volume(scale_, job, std::max(each, first) * blocks, took);
}

void Kernels::ping_pong() const {
  Runtime runtime = make_runtime(source_);
  auto left = launch<Relay>(runtime, "left");
  auto right = launch<Relay>(runtime, "right");
  wire(runtime, left, right);
  wire(runtime, right, left);
  const uint64_t hops =
      report_hops(runtime, scale_, "K1 ping-pong of two kernels",
                  [&](uint64_t n) { value_of(left.send(Small{{n}}), "a token"); });
  const uint64_t handled = left.metrics().messages_processed + right.metrics().messages_processed;
  demand(handled >= hops + 1, "hops are missing");
}

// The same of two blocks of one kernel, and of a block that sends to itself: by way of the device's
// memory, and of a cluster's shared one, where the rings of a block's own messages lie in its own.
void Kernels::block_ping_pong() const {
  const std::array keys = {key_of_block(0), key_of_block(1)};
  for (const uint32_t cluster : {1U, 2U}) {
    for (const bool alone : {false, true}) {
      std::string notice;
      Runtime runtime = value_of(builder(source_)
                                     .on_log([&](std::string_view, LogLevel, std::string_view text,
                                                 double) { notice = text; })
                                     .build(),
                                 "building a runtime");
      auto kernel = launch<Bounce>(runtime, "bounce",
                                   LaunchOptions::multi_block(2, kThreads)
                                       .with_cluster_size(cluster)
                                       .with_queue_capacity(32),
                                   {.key = {keys[0], keys[alone ? 0 : 1]}});
      if (!notice.empty()) {
        std::fprintf(stderr, "K1: %s\n", notice.c_str());
        continue;
      }
      wire(runtime, kernel, kernel);
      const std::string job =
          alone ? std::string("K1 two hops of one block to itself, ") +
                      (cluster == 1 ? "device memory" : "its own shared memory")
                : std::string("K1 ping-pong of two blocks, ") +
                      (cluster == 1 ? "device memory" : "shared memory of a cluster");
      const uint64_t hops = report_hops(runtime, scale_, job, [&](uint64_t n) {
        value_of(kernel.send(Token{n, keys[0], {}}), "a token");
      });
      demand(kernel.metrics().messages_processed >= hops + 1, "hops are missing");
    }
  }
}

void Kernels::fan_in() const {
  for (const uint32_t senders : {1U, 2U, 8U, 32U, 131U})
    if (senders <= scale_.most_senders)
      rate_between(source_, scale_, "K2 fan-in " + std::to_string(senders) + " -> 1, 64 B", senders,
                   1);
}

void Kernels::all_to_all() const {
  for (const uint32_t blocks : {2U, 8U, 32U})
    if (blocks <= scale_.most_senders)
      rate_between(source_, scale_,
                   "K3 all to all, " + std::to_string(blocks) + " x " + std::to_string(blocks) +
                       " blocks, 64 B",
                   blocks, blocks);
}

void Kernels::issue() const {
  Runtime runtime = make_runtime(source_);
  auto kernel = launch<PassOn>(runtime, "pass");
  std::vector<uint64_t> took;
  const Budget budget(scale_.round_trips, scale_.limit);
  for (uint64_t i = 0; budget.goes_on(i); ++i) {
    const auto begun = Clock::now();
    value_of(kernel.try_send(Small{{i}}), "a message");
    took.push_back(static_cast<uint64_t>((Clock::now() - begun).count()));
    value_of(kernel.receive_timeout(10s), "an answer did not come");
  }
  report_latencies("C1 issue alone, 64 B", kUs, std::move(took));
}

void Kernels::lives() const {
  std::vector<uint64_t> cold, warm, activate, deactivate, terminate;
  auto timed = [](std::vector<uint64_t>& into, auto&& what) {
    const auto begun = Clock::now();
    what();
    into.push_back(static_cast<uint64_t>((Clock::now() - begun).count()));
  };
  const char* told = std::getenv("RINGK_CACHE_DIR");
  const std::optional<std::string> before =
      told == nullptr ? std::nullopt : std::optional<std::string>(told);
  std::string empty = (std::filesystem::temp_directory_path() / "ladder-XXXXXX").string();
  demand(mkdtemp(empty.data()) != nullptr, "no temporary folder");
  Runtime runtime = make_runtime(source_);
  setenv("RINGK_CACHE_DIR", empty.c_str(), 1);
  for (uint32_t i = 0; i <= scale_.lives; ++i) {
    std::optional<KernelHandle> kernel;
    timed(i == 0 ? cold : warm, [&] { kernel = launch<PassOn>(runtime, "life"); });
    timed(deactivate, [&] { value_of(kernel->deactivate(), "deactivating"); });
    timed(activate, [&] { value_of(kernel->activate(), "activating"); });
    value_of(kernel->send(Small{{i}}), "a message");
    value_of(kernel->receive_timeout(10s), "an answer did not come");
    timed(terminate, [&] { value_of(kernel->terminate(), "terminating"); });
  }
  before ? setenv("RINGK_CACHE_DIR", before->c_str(), 1) : unsetenv("RINGK_CACHE_DIR");
  std::filesystem::remove_all(empty);
  report("Y1 launch, cold", kUs, "us", static_cast<double>(cold.at(0)) / 1000, 1);
  report_latencies("Y1 launch, warm", kUs, std::move(warm));
  report_latencies("Y1 activate", kUs, std::move(activate));
  report_latencies("Y1 deactivate", kUs, std::move(deactivate));
  report_latencies("Y1 terminate", kUs, std::move(terminate));
}

void Kernels::idle(Gpu& gpu) const {
  // A load of some 20 ms, alone.
  uint32_t rounds = 1000;
  double alone = load_seconds(gpu, rounds);
  if (scale_.lives > 1)
    while (alone < 0.02 && rounds < 100'000'000) alone = load_seconds(gpu, rounds *= 2);
  auto best = [&] {
    double least = load_seconds(gpu, rounds);
    for (uint32_t i = 0; i < std::min(scale_.lives, 9U); ++i)
      least = std::min(least, load_seconds(gpu, rounds));
    return least;
  };
  alone = best();
  std::this_thread::sleep_for(scale_.lives > 1 ? 2s : 0s);
  const auto power = watts();
  if (power) report("I1 power, nothing resident", kUs, "W", *power, 1);
  for (const uint32_t blocks : {1U, 8U, 64U}) {
    if (blocks > std::max(scale_.most_senders, 1U)) continue;
    Runtime runtime = make_runtime(source_);
    auto kernel = launch<PassOn>(runtime, "idle", LaunchOptions::multi_block(blocks, kThreads));
    const std::string name =
        std::to_string(blocks) + (blocks == 1 ? " idle block" : " idle blocks");
    report("I1 another kernel beside " + name, kUs, "times as long", best() / alone, rounds);
    report_polling(kernel, scale_, "I1 read over the bus by " + name);
    if (power) report("I1 power, " + name, kUs, "W", watts().value_or(0), 1);
  }
}

}  // namespace ladder
