#include "ringkernel/device/key.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <set>
#include <vector>

#include "ringkernel/device/key_table.hpp"
#include "ringkernel/device/value.hpp"

using namespace ringkernel;

namespace {

struct Trade {
  uint64_t id;
  String<6> symbol;
  Optional<uint32_t> desk;
};

KeySpec spec_of_symbol_and_desk() {
  KeySpec spec;
  spec.fields[0] = {offsetof(Trade, symbol), sizeof(String<6>), 1, 0};
  spec.fields[1] = {offsetof(Trade, desk), sizeof(uint32_t), 0, 1};
  spec.field_count = 2;
  spec.size = sizeof(String<6>) + 1 + sizeof(uint32_t);
  return spec;
}

Key key_of(const Trade& trade) {
  Key key;
  read_key(spec_of_symbol_and_desk(), &trade, key);
  return key;
}

bool equal(const Key& a, const Key& b) {
  return a.hash == b.hash && a.word_count == b.word_count &&
         std::memcmp(a.words, b.words, 8 * a.word_count) == 0;
}

}  // namespace

TEST_CASE("equal fields are equal keys, whatever else differs") {
  Trade a{1, "EURUSD", {}};
  Trade b{2, "EURUSD", {}};
  a.desk.reset();
  b.desk.reset();
  CHECK(equal(key_of(a), key_of(b)));
  b.symbol = "EURCHF";
  CHECK_FALSE(equal(key_of(a), key_of(b)));
}

TEST_CASE("an absent optional is a key of its own, and its bytes do not matter") {
  Trade a{1, "X", {}};
  a.desk.reset();
  Trade zero{1, "X", 0U};
  CHECK_FALSE(equal(key_of(a), key_of(zero)));
  Trade dirty = a;
  dirty.desk.value_ = 99;
  CHECK(equal(key_of(a), key_of(dirty)));
}

TEST_CASE("bytes past a string's size do not matter") {
  Trade a{1, "AB", 1U};
  Trade b = a;
  b.symbol.data_[4] = 'x';
  CHECK(equal(key_of(a), key_of(b)));
}

TEST_CASE("sequential keys spread over the blocks") {
  KeySpec spec;
  spec.fields[0] = {0, 8, 0, 0};
  spec.field_count = 1;
  spec.size = 8;
  std::vector<uint32_t> blocks(8);
  for (uint64_t i = 0; i < 80'000; ++i) {
    Key key;
    read_key(spec, &i, key);
    ++blocks[block_of_key(key.hash, 8)];
  }
  for (uint32_t n : blocks) {
    CHECK(n > 9'000);
    CHECK(n < 11'000);
  }
}

TEST_CASE(
    "the table finds what it has, keeps the order of arrival, and stops at the kernel's capacity") {
  constexpr uint32_t kCapacity = 100;
  std::vector<uint32_t> index(256);
  std::vector<uint64_t> entries(size_t{kCapacity} * key_entry_stride(8, 16) / 8);
  uint64_t kernel_keys = 0;
  KeyTable table;
  table.index = index.data();
  table.entries = reinterpret_cast<unsigned char*>(entries.data());
  table.index_mask = 255;
  table.capacity = kCapacity;
  table.entry_stride = key_entry_stride(8, 16);
  table.state_offset = key_state_offset(8);
  table.kernel_keys = &kernel_keys;
  table.kernel_capacity = kCapacity;
  KeySpec spec;
  spec.fields[0] = {0, 4, 0, 0};
  spec.field_count = 1;
  spec.size = 4;
  auto find = [&](uint64_t value) {
    Key key;
    read_key(spec, &value, key);
    return table.find_or_insert(key);
  };
  for (uint64_t i = 0; i < kCapacity; ++i) CHECK(find(i * 7919) == i);
  for (uint64_t i = 0; i < kCapacity; ++i) CHECK(find(i * 7919) == i);
  CHECK(find(1) == KeyTable::kNone);
  CHECK(kernel_keys == kCapacity);
}

TEST_CASE("the steps by which a GPU finds a remainder give what the host's division gives") {
  for (const uint64_t x : {0ULL, 1ULL, 65535ULL, 65536ULL, 0xFFFFFFFFULL, 0x100000000ULL,
                           0x123456789ABCDEF0ULL, 0xFFFFFFFFFFFFFFFFULL})
    for (const uint32_t n : {1U, 2U, 3U, 7U, 132U, 1000U, 32768U, 65535U})
      CHECK(remainder_by_steps(x, n) == x % n);
}
