// The actor jobs on CAF 0.17 (Debian's libcaf-dev), two worker threads. usage: actors_caf [JOB]
#include <caf/all.hpp>
#include <memory>
#include <semaphore>
#include <vector>

#include "bench.hpp"

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(Payload)

using namespace caf;

namespace {

std::binary_semaphore done{0};
constexpr const char* kPeer = "caf-0.17";

behavior pong(event_based_actor*) {
  return {[](uint64_t left) { return left; }};
}

behavior ping(event_based_actor* self, actor other) {
  return {[=](uint64_t left) {
    if (left == 0) return done.release();
    self->send(other, left - 1);
  }};
}

behavior sink(event_based_actor*, uint64_t expected) {
  auto seen = std::make_shared<uint64_t>(0);
  auto sum = std::make_shared<uint64_t>(0);
  return {[=](const Payload& p) {
    *sum += p.word[0] + p.word[7];
    if (++*seen == expected) done.release();
  }};
}

// Sends in turns of 256 and yields to the other actors between them.
behavior source(event_based_actor* self, actor to, uint64_t count) {
  auto left = std::make_shared<uint64_t>(count);
  return {[=](int32_t) {
    for (int i = 0; i < 256 && *left > 0; ++i, --*left) {
      Payload p{};
      for (uint64_t w = 0; w < 8; ++w) p.word[w] = *left + w;
      self->send(to, p);
    }
    if (*left > 0) self->send(self, int32_t{1});
  }};
}

behavior stage(event_based_actor* self, actor to) {
  return {[=](const Payload& in) {
    Payload out = in;
    out.word[0] += 1;
    self->send(to, out);
  }};
}

behavior ring_node(event_based_actor* self) {
  auto next = std::make_shared<actor>();
  return {[=](actor a) { *next = a; },
          [=](uint64_t left) {
            if (left == 0) return done.release();
            self->send(*next, left - 1);
          },
          [=](int32_t) {  // breaks the cycle of references
            *next = actor{};
            self->quit();
          }};
}

behavior first_message(event_based_actor*, std::shared_ptr<std::atomic<uint64_t>> count) {
  return {[=](uint64_t expected) {
    if (++*count == expected) done.release();
  }};
}

template <class Start>
double rate(uint64_t count, Start start) {
  double t = seconds();
  start();
  done.acquire();
  return static_cast<double>(count) / (seconds() - t);
}

void stop(const std::vector<actor>& actors) {
  for (auto& a : actors) anon_send_exit(a, exit_reason::user_shutdown);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string only = argc > 1 ? argv[1] : "";
  const auto job = [&](const char* name, auto&& run) {
    if (only.empty() || only == name) run();
  };
  actor_system_config config;
  config.set("scheduler.max-threads", 2);
  actor_system system{config};
  job("ping-pong", [&] {
    const uint64_t n = 300'000;
    auto b = system.spawn(pong);
    auto a = system.spawn(ping, b);
    report("ping-pong", kPeer, "round trips/s", rate(n, [&] { anon_send(a, n); }));
    stop({a, b});
  });
  job("fan-in", [&] {
    const uint64_t n = 250'000;
    auto s = system.spawn(sink, 4 * n);
    std::vector<actor> sources;
    for (int i = 0; i < 4; ++i) sources.push_back(system.spawn(source, s, n));
    report("fan-in 4 to 1, 64 B", kPeer, "messages/s", rate(4 * n, [&] {
             for (auto& a : sources) anon_send(a, int32_t{1});
           }));
    stop(sources);
    stop({s});
  });
  job("pipeline", [&] {
    const uint64_t n = 500'000;
    std::vector<actor> all{system.spawn(sink, n)};
    for (int i = 0; i < 3; ++i) all.push_back(system.spawn(stage, all.back()));
    all.push_back(system.spawn(source, all.back(), n));
    report("pipeline, source and 4 stages, 64 B", kPeer, "messages/s end to end",
           rate(n, [&] { anon_send(all.back(), int32_t{1}); }));
    stop(all);
  });
  job("ring", [&] {
    const uint64_t n = 1'000'000;
    std::vector<actor> ring;
    for (int i = 0; i < 100; ++i) ring.push_back(system.spawn(ring_node));
    for (size_t i = 0; i < ring.size(); ++i) anon_send(ring[i], ring[(i + 1) % ring.size()]);
    report("ring of 100, one token", kPeer, "hops/s", rate(n, [&] { anon_send(ring[0], n); }));
    for (auto& a : ring) anon_send(a, int32_t{0});
  });
  job("create", [&] {
    const uint64_t n = 10'000;
    auto count = std::make_shared<std::atomic<uint64_t>>(0);
    std::vector<actor> all;
    double t = seconds();
    for (uint64_t i = 0; i < n; ++i) all.push_back(system.spawn(first_message, count));
    for (auto& a : all) anon_send(a, n);
    done.acquire();
    report("create 10,000 and handle a first message", kPeer, "us/actor",
           1e6 * (seconds() - t) / static_cast<double>(n));
    stop(all);
  });
}
