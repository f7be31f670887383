#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "ringkernel/device/mpmc_ring.hpp"
#include "ringkernel/device/spmc_ring.hpp"
#include "ringkernel/device/spsc_ring.hpp"

using namespace ringkernel;

namespace {

// Zeroed memory, as every ring starts.
struct Memory {
  explicit Memory(uint32_t capacity, uint32_t payload = 16) {
    uint32_t stride = slot_stride(payload);
    size_t bytes = ring_bytes(capacity, stride);
    memory.reset(new (std::align_val_t{128}) unsigned char[bytes]());
    ring = ring_at(memory.get(), capacity, stride);
  }
  struct Delete {
    void operator()(unsigned char* p) const { operator delete[](p, std::align_val_t{128}); }
  };
  std::unique_ptr<unsigned char[], Delete> memory;
  Ring ring;
};

uint64_t& value_of(MessageHeader* slot) { return *static_cast<uint64_t*>(payload_of(slot)); }

}  // namespace

TEST_CASE("a slot is header and payload in a multiple of 64 bytes") {
  CHECK(slot_stride(1) == 128);
  CHECK(slot_stride(64) == 128);
  CHECK(slot_stride(65) == 192);
  CHECK(sizeof(MessageHeader) == 64);
}

TEST_CASE("SPSC: what is appended is invisible until it is published, and can be taken back") {
  Memory memory(4);
  SpscSender sender{memory.ring, 0, 0, 0};
  SpscReceiver receiver{memory.ring, 0, 0};
  value_of(sender.append()) = 1;
  value_of(sender.append()) = 2;
  CHECK(receiver.available() == 0);
  sender.take_back();
  CHECK(sender.publish() == 1);
  CHECK(receiver.available() == 1);
  CHECK(value_of(receiver.front()) == 1);
  receiver.pop();
  CHECK(sender.room(4) == 3);  // not yet given back
  receiver.release();
  CHECK(sender.room(4) == 4);
}

TEST_CASE("SPSC: two threads pass a million messages through a small ring, in order") {
  Memory memory(8);
  constexpr uint64_t kCount = 1'000'000;
  std::thread producer([&] {
    SpscSender sender{memory.ring, 0, 0, 0};
    for (uint64_t i = 0; i < kCount;) {
      uint32_t n = sender.room(4);
      for (uint32_t k = 0; k < n && i < kCount; ++k) value_of(sender.append()) = i++;
      if (n == 0) std::this_thread::yield();
      sender.publish();
    }
  });
  SpscReceiver receiver{memory.ring, 0, 0};
  bool ordered = true;
  for (uint64_t expected = 0; expected < kCount;) {
    uint32_t n = receiver.available();
    if (n == 0) std::this_thread::yield();
    for (uint32_t k = 0; k < n; ++k) {
      ordered = ordered && value_of(receiver.front()) == expected++;
      receiver.pop();
    }
    if (n > 0) receiver.release();
  }
  producer.join();
  CHECK(ordered);
}

TEST_CASE("SPMC: what consumers give back is free from the oldest on, whoever was first") {
  Memory memory(4);
  SpmcSender sender;
  SpmcReceiver one, other;
  sender.ring = one.ring = other.ring = memory.ring;
  auto send = [&](uint32_t n) {
    for (uint32_t i = 0; i < n; ++i) value_of(sender.append()) = i;
    sender.publish();
  };
  CHECK(sender.room(9) == 4);
  CHECK(one.take(9) == 0);
  for (int lap = 0; lap < 3; ++lap) {
    send(4);
    CHECK(sender.room(1) == 0);
    CHECK(one.take(2) == 2);
    CHECK(other.take(9) == 2);
    CHECK(one.waiting() == 0);
    other.release(2);
    CHECK(sender.room(1) == 0);
    one.release(1);
    CHECK(one.taken == 1);
    CHECK(sender.room(4) == 1);
    one.release(1);
    CHECK(sender.room(4) == 4);
    send(1);  // the next lap's runs begin elsewhere
    CHECK(one.take(9) == 1);
    one.release(1);
    CHECK(sender.room(4) == 4);
  }
}

TEST_CASE("SPMC: three consumers take each message of a small ring once, whole") {
  for (uint32_t capacity : {1U, 8U}) {
    Memory memory(capacity);
    constexpr uint64_t kCount = 200'000;
    std::vector<std::atomic<uint8_t>> seen(kCount);
    std::atomic<uint64_t> received{0};
    std::vector<std::thread> threads;
    threads.emplace_back([&] {
      SpmcSender sender;
      sender.ring = memory.ring;
      for (uint64_t i = 0; i < kCount;) {
        const uint32_t n = min_of(sender.room(3), 3U);
        for (uint32_t k = 0; k < n && i < kCount; ++k) value_of(sender.append()) = i++;
        if (n == 0) std::this_thread::yield();
        sender.publish();
      }
    });
    for (uint32_t c = 0; c < 3; ++c)
      threads.emplace_back([&, c] {
        SpmcReceiver receiver;
        receiver.ring = memory.ring;
        while (received.load() < kCount) {
          const uint32_t n = receiver.take(1 + c);
          if (n == 0) std::this_thread::yield();
          for (uint32_t k = 0; k < n; ++k)
            seen[value_of(receiver.ring.slot(receiver.head + k))].fetch_add(1);
          if (n > 1) receiver.release(1);
          if (n > 0) receiver.release(receiver.taken);
          received.fetch_add(n);
        }
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(std::all_of(seen.begin(), seen.end(), [](auto& n) { return n.load() == 1; }));
  }
}

TEST_CASE("MPMC: bulk claims never pass a full ring or a closed one") {
  Memory memory(4);
  MpmcRing ring{memory.ring};
  uint32_t n = 3;
  uint64_t first = 0;
  CHECK(ring.claim(n, first) == MpmcRing::Claim::Ok);
  CHECK(n == 3);
  uint64_t taken = 0;
  CHECK(ring.take(4, taken) == 0);  // claimed, not published
  for (uint64_t i = 0; i < 3; ++i) ring.publish(first + i);
  n = 3;
  CHECK(ring.claim(n, first) == MpmcRing::Claim::Ok);
  CHECK(n == 1);
  ring.publish(first);
  n = 1;
  CHECK(ring.claim(n, first) == MpmcRing::Claim::Full);
  CHECK_FALSE(ring.has_room());
  CHECK(ring.depth() == 4);
  CHECK(ring.take(8, taken) == 4);
  for (uint64_t i = 0; i < 4; ++i) ring.release(taken + i);
  CHECK(ring.close() == 4);
  n = 1;
  CHECK(ring.claim(n, first) == MpmcRing::Claim::Closed);
  CHECK(ring.depth() == 0);
}

TEST_CASE("MPMC: a slot that a consumer has in hand is no room yet") {
  Memory memory(4);
  MpmcRing ring{memory.ring};
  uint32_t n = 4;
  uint64_t first = 0;
  CHECK(ring.claim(n, first) == MpmcRing::Claim::Ok);
  for (uint64_t i = 0; i < 4; ++i) ring.publish(first + i);
  uint64_t taken = 0;
  CHECK(ring.take(2, taken) == 2);
  CHECK(ring.depth() == 2);
  CHECK_FALSE(ring.has_room());
  ring.release(taken);
  CHECK(ring.has_room());
  CHECK_FALSE(ring.has_room(1));
  ring.release(taken + 1);
  CHECK(ring.has_room(1));
  CHECK_FALSE(ring.has_room(2));
}

TEST_CASE("MPMC: three producers and three consumers pass each message exactly once") {
  Memory memory(16);
  MpmcRing ring{memory.ring};
  constexpr uint64_t kEach = 100'000;
  constexpr uint64_t kProducers = 3;
  std::vector<std::atomic<uint8_t>> seen(kEach * kProducers);
  std::atomic<uint64_t> received{0};
  std::vector<std::thread> threads;
  for (uint64_t p = 0; p < kProducers; ++p)
    threads.emplace_back([&, p] {
      for (uint64_t i = 0; i < kEach;) {
        uint32_t n = static_cast<uint32_t>(std::min<uint64_t>(1 + i % 5, kEach - i));
        uint64_t first = 0;
        if (ring.claim(n, first) != MpmcRing::Claim::Ok) {
          std::this_thread::yield();
          continue;
        }
        for (uint32_t k = 0; k < n; ++k) {
          value_of(ring.ring.slot(first + k)) = p * kEach + i++;
          ring.publish(first + k);
        }
      }
    });
  for (int c = 0; c < 3; ++c)
    threads.emplace_back([&] {
      while (received.load() < kEach * kProducers) {
        uint64_t first = 0;
        uint32_t n = ring.take(4, first);
        if (n == 0) std::this_thread::yield();
        for (uint32_t k = 0; k < n; ++k) {
          seen[value_of(ring.ring.slot(first + k))].fetch_add(1);
          ring.release(first + k);
        }
        received.fetch_add(n);
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(std::all_of(seen.begin(), seen.end(), [](auto& n) { return n.load() == 1; }));
}
