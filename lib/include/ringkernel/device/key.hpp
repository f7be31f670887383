// Keys: which actor state a message belongs to. A key is the canonical bytes of one or more fields;
// its hash picks the block, the same on every processor and in every run.
#pragma once

#include "ringkernel/device/platform.hpp"

namespace ringkernel {

// One key field, by its place in the payload.
struct KeyField {
  uint32_t offset = 0;
  uint32_t size = 0;  // canonical bytes of the value: the scalar's, or N + 2 of a String or Bytes
  uint8_t sized = 0;  // 1: {u16 size, bytes}, compared up to its size
  uint8_t optional = 0;  // 1: a presence byte follows the value and leads the canonical bytes
};

inline constexpr uint32_t kMaxKeyFields = 8;
inline constexpr uint32_t kMaxKeyBytes = 256;

struct KeySpec {
  KeyField fields[kMaxKeyFields] = {};
  uint32_t field_count = 0;
  uint32_t size = 0;  // canonical bytes of the whole key; 0: this message has no key
};

RK_HD uint64_t mix(uint64_t x) {  // the finalizer of SplitMix64, a bijection
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9ULL;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

// A key in canonical form: words is what is compared, all bytes past the key are zero.
struct Key {
  uint64_t words[kMaxKeyBytes / 8];
  uint32_t word_count;
  uint64_t hash;
};

RK_HD void read_key(const KeySpec& spec, const void* payload, Key& key) {
  const unsigned char* bytes = static_cast<const unsigned char*>(payload);
  if (RK_LIKELY(spec.field_count == 1 && spec.fields[0].sized == 0 &&
                spec.fields[0].optional == 0 && spec.size <= 8)) {
    uint64_t word = 0;
    const unsigned char* at = bytes + spec.fields[0].offset;
    switch (spec.size) {
      case 8:
        copy_bytes(&word, at, 8);
        break;
      case 4:
        copy_bytes(&word, at, 4);
        break;
      case 2:
        copy_bytes(&word, at, 2);
        break;
      default:
        word = *at;
        break;
    }
    key.words[0] = word;
    key.word_count = 1;
    key.hash = mix(word + 0x9E3779B97F4A7C15ULL);
    return;
  }
  key.word_count = (spec.size + 7) / 8;
  RK_ROLLED for (uint32_t i = 0; i < key.word_count; ++i) key.words[i] = 0;
  unsigned char* to = reinterpret_cast<unsigned char*>(key.words);
  RK_ROLLED for (uint32_t i = 0; i < spec.field_count; ++i) {
    const KeyField& field = spec.fields[i];
    const unsigned char* at = bytes + field.offset;
    bool present = true;
    if (field.optional != 0) {
      present = at[field.size] != 0;
      *to++ = present ? 1 : 0;
    }
    if (present) {
      uint32_t n = field.size;
      if (field.sized != 0) {
        uint16_t used;
        copy_bytes(&used, at, 2);
        n = min_of<uint32_t>(n, 2U + used);
      }
      copy_bytes(to, at, n);
    }
    to += field.size;
  }
  uint64_t hash = 0x9E3779B97F4A7C15ULL;
  RK_ROLLED for (uint32_t i = 0; i < key.word_count; ++i) hash =
      mix(hash ^ key.words[i]) + 0x9E3779B97F4A7C15ULL;
  key.hash = mix(hash);
}

// The block a key lives in.
RK_HD uint32_t block_of_key(uint64_t hash, uint32_t blocks) {
  return static_cast<uint32_t>(((hash >> 32) * blocks) >> 32);
}

}  // namespace ringkernel
