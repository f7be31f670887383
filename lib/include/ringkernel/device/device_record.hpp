// What a device block sends to its host: a stream of records in the order of what happened. Slots
// of a turn ring, in mapped host memory; the host's pump plays them back on the block's edges.
#pragma once

#include "ringkernel/device/header.hpp"

namespace ringkernel {

enum class RecordKind : uint8_t {
  Emit,     // payload: the message for `port`
  Reply,    // payload: the reply to the message in hand
  Text,     // payload: the first `count` bytes of the Log or Failed that follows
  Log,      // payload: LogRecord, then its last `count` bytes
  Failed,   // the message in hand failed for `reason`; payload: the last `count` bytes of its words
  Kept,     // one of a message's calls, one per key, has ended; what it emitted stays
  Done,     // the messages before `position` are finished
  Started,  // on_start has run
  Polled,   // on_poll has run; `count` 0: it has no more
  Stopped,  // on_stop has run, for every key
  // About a message that came from a kernel on the device, which the host has not seen
  Received,   // payload: its header and payload; the records that follow are about it
  Refused,    // it is not handled, because the host has said so
  Concluded,  // it is finished; `count` credits of its cycle come back
  Skip        // not sent
};

// Flags of a record
inline constexpr uint8_t kRecordForwards = 1;  // Emit: hands on the duty to answer
inline constexpr uint8_t kRecordHook = 2;      // made by on_start, on_poll or on_stop
inline constexpr uint8_t kRecordK2k = 4;       // about the message of the last Received
inline constexpr uint8_t kRecordSettles = 8;   // Emit: a copy that stays on the device has the duty

struct DeviceRecord {
  uint64_t turn;
  uint64_t deadline;  // Emit: microseconds since 1970; 0: that of the message in hand
  uint32_t position;  // in the ring from the host, low 32 bits: of the message in hand
  uint32_t count;     // Received: the wire it came over
  RecordKind kind;
  uint8_t port;
  uint8_t priority;  // Emit; kPriorityOfMessage: that of the message in hand
  uint8_t flags;
  uint16_t reason;  // Emit: a bit for each wire of the port whose receiver has terminated
  uint16_t reserved;
};
static_assert(sizeof(DeviceRecord) == 32);
inline constexpr uint8_t kPriorityOfMessage = 0xFF;

struct LogRecord {
  double value;
  uint32_t level;
  uint32_t reserved;
};

RK_HD void* payload_of(DeviceRecord* record) { return record + 1; }
RK_HD const void* payload_of(const DeviceRecord* record) { return record + 1; }

// Bytes of a slot for records of up to this payload: a multiple of 64, so that stores fill whole
// sectors, and enough for a line of text.
RK_HD constexpr uint32_t record_stride(uint32_t payload_size) {
  return (static_cast<uint32_t>(sizeof(DeviceRecord)) + max_of(payload_size, 96U) + 63U) & ~63U;
}

// A failure's words, with the NUL: the same on every processor.
inline constexpr uint32_t kDetailBytes = 104;

// Room that is made sure of before a handler is called: for what it may emit, a reply and the end
// of the call, or for its failure; for two records of logs (what is more of them is cut); and for
// the message itself and its end, where it came from another kernel on the device.
inline constexpr uint32_t kLogRecords = 2;
RK_HD constexpr uint32_t records_per_call(uint32_t emits) { return emits + 4 + kLogRecords; }

}  // namespace ringkernel
