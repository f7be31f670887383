// What the cases of the behaviour suite share.
#pragma once

#include <doctest/doctest.h>

#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "backend/gated_handlers.hpp"
#include "backend/messages.hpp"

using namespace ringkernel;
using namespace std::chrono_literals;

inline RuntimeBuilder builder(uint32_t workers = 2) {
  return RuntimeBuilder{}
      .backend(backend_under_test())
      .device_include(source_folder())
      .device_include(source_folder() + "/tests")
      .workers(workers);
}
inline LaunchOptions quiet() { return LaunchOptions{}.without_auto_activate(); }
inline Runtime make_runtime(uint32_t workers = 2) { return builder(workers).build().value(); }

template <class T>
void ok(const Result<T>& result) {
  INFO((result ? std::string() : to_string(result.error())));
  REQUIRE(result.has_value());
}
template <class T>
ErrorCode code_of(const Result<T>& result) {
  REQUIRE_FALSE(result.has_value());
  return result.error().code;
}

// Every way to spread messages over a kernel's blocks; what they share is small enough to matter.
inline std::vector<SchedulerConfig> every_strategy() {
  return {SchedulerConfig{}, SchedulerConfig::priority(3), SchedulerConfig::round_robin(),
          SchedulerConfig::work_stealing(4).with_share_threshold(1).with_max_steal_batch(3)};
}

inline Number receive(const KernelHandle& kernel) {
  auto got = kernel.receive_timeout(30s);
  ok(got);
  return got->as<Number>().value();
}

inline std::vector<Number> receive(const KernelHandle& kernel, size_t count) {
  std::vector<Number> all;
  for (size_t i = 0; i < count; ++i) all.push_back(receive(kernel));
  return all;
}

inline void send_all(const KernelHandle& kernel, uint64_t count, uint32_t keys = 7) {
  for (uint64_t i = 0; i < count; ++i)
    ok(kernel.send(Number{i, static_cast<uint32_t>(i % keys), i}, 30s));
}

// Waits until `done`, without a time of its own: the ctest limit ends a hang.
template <class F>
void eventually(F&& done) {
  while (!done()) std::this_thread::sleep_for(1ms);
}

// Waits until what `look()` gives has not changed for some looks, and is more than `least`.
template <class F>
void eventually_still(F&& look, uint64_t least) {
  uint64_t seen = 0;
  for (int same = 0; same < 50 || seen <= least; std::this_thread::sleep_for(10ms)) {
    const uint64_t before = std::exchange(seen, look());
    same = before == seen ? same + 1 : 0;
  }
}

// Keeps the dead letters of a runtime, which has std::ref() of it.
class Dead {
 public:
  void operator()(const DeadMessage& letter) {
    std::lock_guard lock(mutex_);
    letters_.push_back(letter);
  }
  std::vector<DeadMessage> of(std::string_view reason) const {
    std::lock_guard lock(mutex_);
    std::vector<DeadMessage> some;
    for (const DeadMessage& letter : letters_)
      if (letter.reason == reason) some.push_back(letter);
    return some;
  }

  std::vector<DeadMessage> all() const {
    std::lock_guard lock(mutex_);
    return letters_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<DeadMessage> letters_;
};

// Where a handler waits until it is opened; it is shut where it is made. Each has words of its own:
// a handler that was left behind may still look at those of an earlier one.
class Gate {
 public:
  Gate() : words_(next()) {}
  ~Gate() { open(); }
  uint64_t address() const { return reinterpret_cast<uint64_t>(words_); }
  void open() { store_release(&words_->open, 1U); }
  uint32_t arrived() const { return load_acquire(&words_->arrived); }

 private:
  static GateWords* next() {
    constexpr size_t kMost = 256;
    static auto* const kAll = static_cast<GateWords*>(shared_memory(kMost * sizeof(GateWords)));
    static size_t used = 0;
    REQUIRE(kAll != nullptr);
    REQUIRE(used < kMost);
    kAll[used] = {};
    return &kAll[used++];
  }
  GateWords* words_;
};
