// What the parts of one kernel say of each other.
#include <fstream>
#include <iterator>

#include "topology/handler_text.hpp"
#include "topology/reader.hpp"

namespace ringkernel::topology {
namespace {

void check_builtin(Reader& reader, const Kernel& kernel) {
  if (kernel.handler.kind != Handler::Kind::Builtin) return;
  if (!kernel.buffers.empty())
    reader.error(kernel.handler.position, "a built-in handler has no use for buffers",
                 "builtin-shape");
  if (kernel.handler.builtin == "echo" && (kernel.accepts.size() != 1 || kernel.emits.size() != 1 ||
                                           kernel.accepts[0] != kernel.emits[0].message ||
                                           (kernel.replies && kernel.replies != kernel.accepts[0])))
    reader.error(kernel.handler.position, "echo accepts one message and emits it on one port",
                 "builtin-shape");
  if (kernel.handler.builtin == "discard" && (!kernel.emits.empty() || kernel.replies))
    reader.error(kernel.handler.position, "discard emits nothing and replies to nobody",
                 "builtin-shape");
  if (kernel.handler.builtin == "discard" && kernel.accepts.empty())
    reader.error(kernel.handler.position, "discard needs messages to accept", "builtin-shape");
}

std::string handler_text(const Handler& handler) {
  if (handler.kind != Handler::Kind::Source) return handler.code;
  std::ifstream file(handler.source, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What the compiler would refuse at a place that the author never sees.
void check_state(Reader& reader, const Value& value, const Kernel& kernel) {
  if (kernel.granularity != Granularity::Thread || !kernel.keys.empty() ||
      !defines_state(handler_text(kernel.handler)))
    return;
  reader.error(value.find("granularity")->position,
               "'" + kernel.name +
                   "' has State and no key: with granularity thread, threads of a block would "
                   "change it at once",
               "thread-without-key", "", "give it a key, or take granularity serial or block");
}

// `own`: what the kernel says itself, without the defaults.
void warn_no_effect(Reader& reader, const Value& own, const Kernel& kernel) {
  auto warn = [&](const Value& written, std::string message) {
    reader.warning(written.position, std::move(message), "no-effect");
  };
  const bool cpu = kernel.backend == Backend::Cpu;
  if (const Value* device = own.find("device"); device != nullptr && cpu)
    warn(*device, "'device' has no effect on the CPU");
  if (const Value* capacity = own.find("key_capacity"); capacity != nullptr && kernel.keys.empty())
    warn(*capacity, "'key_capacity' has no effect: '" + kernel.name + "' has no key");
  const Value* launch = own.find("launch");
  if (launch == nullptr) return;
  if (const Value* size = launch->find("block_size");
      size != nullptr && cpu && kernel.launch.block_size != LaunchOptions{}.block_size)
    warn(*size, "'block_size' acts on the CPU only as the most threads of ringk test --threads");
  if (const Value* size = launch->find("grid_size"); size != nullptr && cpu &&
                                                     kernel.granularity == Granularity::Grid &&
                                                     kernel.launch.grid_size > 1)
    warn(*size, "'grid_size' has no effect on the CPU: granularity grid runs as one block there");
  if (const Value* size = launch->find("cluster_size");
      size != nullptr && kernel.launch.cluster_size > 1) {
    if (cpu)
      warn(*size, "'cluster_size' has no effect on the CPU");
    else if (kernel.granularity == Granularity::Grid ||
             kernel.launch.mode != KernelMode::Persistent)
      warn(*size, "'cluster_size' acts with blocks that are resident, each for itself");
  }
  for (const char* name : {"batch_size", "batch_delay"})
    if (const Value* found = launch->find(name);
        found != nullptr && (cpu || kernel.launch.mode != KernelMode::EventDriven))
      warn(*found, "'" + std::string(name) + "' acts with mode event_driven on a GPU only");
  if (const Value* lease = launch->find("lease");
      lease != nullptr && cpu && kernel.launch.lease != LaunchOptions{}.lease)
    warn(*lease, "'lease' has no effect on the CPU");
  const Value* scheduler = launch->find("scheduler");
  if (scheduler == nullptr || !kernel.launch.scheduler) return;
  const SchedulerStrategy strategy = kernel.launch.scheduler->strategy;
  for (const char* key :
       {"steal_threshold", "share_threshold", "max_steal_batch", "steal_neighborhood"})
    if (const Value* found = scheduler->find(key);
        found != nullptr && strategy != SchedulerStrategy::WorkStealing)
      warn(*found, "'" + std::string(key) + "' acts with strategy work_stealing only");
  if (const Value* levels = scheduler->find("levels");
      levels != nullptr && strategy != SchedulerStrategy::Priority)
    warn(*levels, "'levels' acts with strategy priority only");
}

}  // namespace

void check_kernel(Reader& reader, const Value& value, const Value& own, const Kernel& kernel) {
  check_builtin(reader, kernel);
  check_state(reader, value, kernel);
  warn_no_effect(reader, own, kernel);
}

}  // namespace ringkernel::topology
