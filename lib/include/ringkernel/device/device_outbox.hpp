// What a device block's handlers ask for, until the batch is sent to the host: records in device
// memory, one run of slots per thread that may emit. A message that fails takes its records back.
#pragma once

#include "ringkernel/device/block.hpp"
#include "ringkernel/device/device_record.hpp"
#include "ringkernel/device/device_thread.hpp"

namespace ringkernel {

struct DeviceOutbox {
  unsigned char* slots = nullptr;
  uint32_t stride = 0;
  uint32_t used = 0;
  uint32_t position = 0;  // of the message in hand
  uint32_t logs = 0;      // records that the call in hand may still use for logs
  uint8_t flags = 0;      // kRecordHook in on_start, on_poll and on_stop

  RK_HD DeviceRecord* slot(uint32_t i) const {
    return reinterpret_cast<DeviceRecord*>(slots + static_cast<uint64_t>(i) * stride);
  }
  RK_HD uint32_t payload_room() const {
    return stride - static_cast<uint32_t>(sizeof(DeviceRecord));
  }

  // REQUIRES: room for records_per_call() was made sure of before the call.
  RK_HD DeviceRecord* append(RecordKind kind) {
    DeviceRecord* record = slot(used++);
    record->deadline = 0;
    record->position = position;
    record->count = 0;
    record->kind = kind;
    record->port = 0;
    record->priority = kPriorityOfMessage;
    record->flags = flags;
    record->reason = 0;
    record->reserved = 0;
    return record;
  }

  // Takes back what the call in hand has asked for, its logs excepted; `from` is where it began.
  RK_HD void take_back(uint32_t from) {
    uint32_t kept = from;
    RK_ROLLED for (uint32_t i = from; i < used; ++i) {
      DeviceRecord* record = slot(i);
      if (record->kind == RecordKind::Emit || record->kind == RecordKind::Reply) continue;
      if (i != kept) copy_bytes(slot(kept), record, stride);
      ++kept;
    }
    used = kept;
  }

  RK_HD void fail(Reason reason, const char* detail) {
    uint32_t bytes = 0;
    RK_ROLLED while (bytes + 1 < kDetailBytes && detail[bytes] != 0)++ bytes;
    uint32_t first = bytes > payload_room() ? payload_room() : 0;
    if (first > 0) {
      DeviceRecord* text = append(RecordKind::Text);
      text->count = first;
      copy_bytes(payload_of(text), detail, first);
    }
    DeviceRecord* record = append(RecordKind::Failed);
    record->reason = static_cast<uint16_t>(reason);
    record->count = bytes - first;
    copy_bytes(payload_of(record), detail + first, record->count);
  }

  RK_SHARED void log(int level, const char* text, double value);
};

#if !defined(RK_LINKED)
RK_SHARED_BODY void DeviceOutbox::log(int level, const char* text, double value) {
  const uint32_t room = payload_room() - static_cast<uint32_t>(sizeof(LogRecord));
  uint32_t bytes = 0;
  RK_ROLLED while (bytes < room + payload_room() && text[bytes] != 0)++ bytes;
  const uint32_t first = bytes > room ? min_of(bytes, payload_room()) : 0;
  const uint32_t needed = first > 0 ? 2 : 1;
  if (logs < needed) return;
  logs -= needed;
  if (first > 0) {
    DeviceRecord* begin = append(RecordKind::Text);
    begin->count = first;
    copy_bytes(payload_of(begin), text, first);
  }
  DeviceRecord* record = append(RecordKind::Log);
  LogRecord* head = static_cast<LogRecord*>(payload_of(record));
  *head = {value, static_cast<uint32_t>(level), 0};
  record->count = bytes - first;
  copy_bytes(head + 1, text + first, record->count);
}
#endif

// The bytes of a closure that a block's other threads help with.
struct alignas(16) TeamJob {
  static constexpr uint32_t kClosureBytes = 256;
  void (*run)(const void* closure, uint32_t n, uint32_t rank, uint32_t size);  // null: no more
  uint32_t n;
  alignas(16) unsigned char closure[kClosureBytes];
};

// What a Context needs of the device that its handler runs on.
struct DeviceSide {
  DeviceThread thread;
  DeviceOutbox outbox;
  TeamJob* job = nullptr;  // shared by the block; null: the thread is on its own
  GridBarrier* grid = nullptr;
  void* shared = nullptr;  // the author's part of the block's shared memory

  RK_HD void sync() const {
    if (grid != nullptr)
      thread.sync_grid(*grid);
    else
      thread.sync();
  }

  // f(i) for i in [0, n), with the help of the block's other threads, which are in help(). A
  // closure that points to this thread's own memory cannot be shared, and runs here alone.
  template <class F>
  RK_HD void parallel_for(uint32_t n, F& f) const {
    bool alone = job == nullptr || thread.size() == 1;
    if constexpr (__is_trivially_copyable(F) && sizeof(F) <= TeamJob::kClosureBytes) {
      unsigned char bytes[(sizeof(F) + 7) / 8 * 8] = {};
      copy_bytes(bytes, &f, static_cast<uint32_t>(sizeof(F)));
      RK_ROLLED for (uint32_t i = 0; i < sizeof bytes; i += 8) {
        uint64_t word;
        copy_bytes(&word, bytes + i, 8);
        alone = alone || is_thread_private(reinterpret_cast<const void*>(word));
      }
      if (!alone) {
        copy_bytes(job->closure, &f, static_cast<uint32_t>(sizeof(F)));
        job->n = n;
        job->run = [](const void* closure, uint32_t count, uint32_t rank, uint32_t size) {
          F& body = *static_cast<F*>(const_cast<void*>(closure));
          RK_ROLLED for (uint32_t i = rank; i < count; i += size) body(i);
        };
        thread.sync();
        job->run(job->closure, n, 0, thread.size());
        thread.sync();
        return;
      }
    }
    RK_ROLLED for (uint32_t i = 0; i < n; ++i) f(i);
  }

  // What the other threads do meanwhile, until dismiss().
  RK_HD void help() const {
    RK_ROLLED for (;;) {
      thread.sync();
      if (job->run == nullptr) return;
      job->run(job->closure, job->n, thread.rank(), thread.size());
      thread.sync();
    }
  }
  RK_HD void dismiss() const {
    job->run = nullptr;
    thread.sync();
  }
};

}  // namespace ringkernel
