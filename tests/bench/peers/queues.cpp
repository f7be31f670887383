// 64-byte messages between threads: what a ring has to be compared with. usage: queues [JOB]
#include <concurrentqueue/concurrentqueue.h>
#include <readerwriterqueue/readerwriterqueue.h>

#include <boost/lockfree/spsc_queue.hpp>
#include <string>
#include <thread>
#include <vector>

#include "bench.hpp"

namespace {

constexpr uint64_t kMessages = 10'000'000;

template <class Push, class Pop>
void throughput(const char* peer, Push push, Pop pop) {
  double t = seconds();
  std::thread producer([&] {
    for (uint64_t i = 0; i < kMessages; ++i) {
      Payload p{{i, 1, 2, 3, 4, 5, 6, 7}};
      while (!push(p)) __builtin_ia32_pause();
    }
  });
  uint64_t sum = 0;
  for (uint64_t i = 0; i < kMessages; ++i) {
    Payload p;
    while (!pop(p)) __builtin_ia32_pause();
    sum += p.word[0];
  }
  producer.join();
  if (sum != kMessages * (kMessages - 1) / 2) std::abort();
  report("queue 1P1C, 64 B", peer, "messages/s", kMessages / (seconds() - t));
}

// Several producers; bounded as the ring is.
void several_producers(int producers) {
  moodycamel::ConcurrentQueue<Payload> q(4096);
  const uint64_t each = 4'000'000 / static_cast<uint64_t>(producers);
  double t = seconds();
  std::vector<std::thread> threads;
  for (int p = 0; p < producers; ++p)
    threads.emplace_back([&] {
      for (uint64_t i = 0; i < each; ++i) {
        Payload p{{i, 1, 2, 3, 4, 5, 6, 7}};
        while (q.size_approx() >= 4096 || !q.enqueue(p)) std::this_thread::yield();
      }
    });
  uint64_t sum = 0;
  const uint64_t all = each * static_cast<uint64_t>(producers);
  for (uint64_t i = 0; i < all; ++i) {
    Payload p;
    while (!q.try_dequeue(p)) std::this_thread::yield();
    sum += p.word[0];
  }
  for (std::thread& thread : threads) thread.join();
  if (sum != static_cast<uint64_t>(producers) * (each * (each - 1) / 2)) std::abort();
  const std::string job = "queue " + std::to_string(producers) + "P1C, 64 B";
  report(job.c_str(), "moodycamel-mpmc", "messages/s", static_cast<double>(all) / (seconds() - t));
}

// There and back through two queues.
void round_trip() {
  constexpr uint64_t kTrips = 300'000;
  moodycamel::ReaderWriterQueue<Payload> there(64);
  moodycamel::ReaderWriterQueue<Payload> back(64);
  std::thread echo([&] {
    for (uint64_t i = 0; i < kTrips; ++i) {
      Payload p;
      while (!there.try_dequeue(p)) __builtin_ia32_pause();
      back.try_enqueue(p);
    }
  });
  double t = seconds();
  for (uint64_t i = 0; i < kTrips; ++i) {
    Payload p{{i}};
    there.try_enqueue(p);
    while (!back.try_dequeue(p)) __builtin_ia32_pause();
    if (p.word[0] != i) std::abort();
  }
  const double took = seconds() - t;
  echo.join();
  report("round trip between two threads, 64 B", "moodycamel-spsc", "us",
         1e6 * took / static_cast<double>(kTrips));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string only = argc > 1 ? argv[1] : "";
  const auto job = [&](const char* name, auto&& run) {
    if (only.empty() || only == name) run();
  };
  job("spsc", [&] {
    {
      static boost::lockfree::spsc_queue<Payload, boost::lockfree::capacity<4096>> q;
      throughput(
          "boost-spsc", [&](const Payload& p) { return q.push(p); },
          [&](Payload& p) { return q.pop(p); });
    }
    {
      moodycamel::ReaderWriterQueue<Payload> q(4096);
      throughput(
          "moodycamel-spsc", [&](const Payload& p) { return q.try_enqueue(p); },
          [&](Payload& p) { return q.try_dequeue(p); });
    }
    {
      moodycamel::ConcurrentQueue<Payload> q(4096);
      throughput(
          "moodycamel-mpmc",
          [&](const Payload& p) { return q.size_approx() < 4096 && q.enqueue(p); },
          [&](Payload& p) { return q.try_dequeue(p); });
    }
  });
  job("mpmc", [&] {
    for (int producers : {2, 4}) several_producers(producers);
  });
  job("call", [&] { round_trip(); });
}
