#include "backends/cuda/resident_kernel.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <thread>

#include "backends/cuda/k2k_edge.hpp"
#include "core/clock.hpp"
#include "ringkernel/device/resident_frame.hpp"

namespace ringkernel::backends::cuda {
namespace {

constexpr const char* kEntry = "rk_resident";
constexpr uint64_t kLeaveNs = 5'000'000'000;   // until every block must have left
constexpr uint64_t kStartNs = 10'000'000'000;  // until every block must have shown up
constexpr uint32_t kIdleNs = 1000;
constexpr uint64_t kSector = 32;         // what a load of a word reads over the bus
constexpr uint32_t kWindow = 32;         // messages of a batch, one per lane of a warp
constexpr uint32_t kLeastMessages = 64;  // the ring to the device
constexpr uint32_t kMostMessages = 4096;
constexpr int kClusterMajor = 9;  // of the compute capability from which there are clusters

uint32_t round_up(uint32_t n, uint32_t to) { return (n + to - 1) / to * to; }

// Lays objects out in one buffer that is then copied to the device.
class Image {
 public:
  explicit Image(CUdeviceptr base) : base_(base) {}
  template <class T>
  T* add(const T* from, size_t n) {
    bytes_.resize((bytes_.size() + 15) / 16 * 16);
    const size_t at = bytes_.size();
    bytes_.resize(at + n * sizeof(T));
    if (n > 0) std::memcpy(bytes_.data() + at, from, n * sizeof(T));
    return reinterpret_cast<T*>(base_ + at);
  }
  const std::vector<char>& bytes() const { return bytes_; }

 private:
  CUdeviceptr base_;
  std::vector<char> bytes_;
};

// Of a kernel with one block there are no siblings.
SchedulerConfig scheduler_of(const ResidentSpec& spec) {
  SchedulerConfig config = spec.options.scheduler.value_or(SchedulerConfig{});
  const bool alone = spec.options.grid_size == 1 || spec.module->granularity == Granularity::Grid;
  const bool spreads =
      config.strategy == SchedulerStrategy::RoundRobin ||
      (config.strategy == SchedulerStrategy::WorkStealing && config.steal_threshold > 0);
  if (config.strategy != SchedulerStrategy::Priority && (alone || !spreads))
    config.strategy = SchedulerStrategy::Static;
  return config;
}

Ring mapped_ring(char* slots, uint32_t capacity, uint32_t stride) {
  Ring ring;
  ring.slots = reinterpret_cast<unsigned char*>(slots);
  ring.capacity = capacity;
  ring.stride = stride;
  ring.lap_shift = static_cast<uint32_t>(std::countr_zero(capacity));
  return ring;
}

}  // namespace

ResidentKernel::ResidentKernel(std::shared_ptr<Device> device, ResidentSpec spec)
    : device_(std::move(device)),
      spec_(std::move(spec)),
      buffers_(device_),
      tables_(*device_, *spec_.module, scheduler_of(spec_)) {}

Result<std::unique_ptr<ResidentKernel>> ResidentKernel::create(
    std::shared_ptr<Device> device, ResidentSpec spec, const std::vector<FillPart>& contents) {
  std::unique_ptr<ResidentKernel> kernel(new ResidentKernel(std::move(device), std::move(spec)));
  if (auto done = kernel->load(); !done) return tl::unexpected(done.error());
  if (auto done = kernel->buffers_.lay_out(*kernel->spec_.module, contents, kernel->stream_); !done)
    return tl::unexpected(kernel->named(done.error()));
  if (auto done = kernel->lay_out(); !done) return tl::unexpected(done.error());
  return kernel;
}

ResidentKernel::~ResidentKernel() {
  leave();
  if (abandoned_) {
    buffers_.abandon();
    device_->keep_memory();
    return;
  }
  release();
  tables_.release();
}

void ResidentKernel::release() {
  if (abandoned_) return;
  buffers_.drop();
  if (stream_ != nullptr && device_->enter()) device_->api().cuStreamDestroy(stream_);
  stream_ = nullptr;
  for (char* memory : device_memory_) device_->memory().release(memory);
  for (char* memory : mapped_memory_) device_->mapped().release(memory);
  device_memory_.clear();
  mapped_memory_.clear();
  device_bytes_ = 0;
  if (admitted_) device_->dismiss(grid_, most_blocks_);
  admitted_ = false;
}

Error ResidentKernel::named(Error error) const {
  error.where = spec_.name;
  return error;
}

Result<void> ResidentKernel::load() {
  const DriverApi& api = device_->api();
  const Driver& driver = device_->driver();
  if (auto done = device_->enter(); !done) return done;
  auto check = [&](CUresult result, const std::string& what) -> Result<void> {
    if (result == kSuccess) return {};
    return tl::unexpected(named(driver.error(result, what)));
  };
  if (auto done = check(api.cuModuleLoadDataEx(&module_, spec_.image.data(), 0, nullptr, nullptr),
                        "loading the handler on " + device_->name());
      !done)
    return done;
  if (auto done = check(api.cuModuleGetFunction(&entry_, module_, kEntry), "finding its entry");
      !done)
    return done;
  // A kernel that is loaded at its first launch would wait for those that are resident, for ever.
  if (auto done = check(api.cuFuncLoad(entry_), "loading its entry"); !done) return done;

  const DeviceProperties& has = device_->properties();
  int most_threads = has.max_threads_per_block;
  api.cuFuncGetAttribute(&most_threads, kFunctionMaxThreadsPerBlock, entry_);
  threads_ = spec_.options.block_size;
  if (threads_ > static_cast<uint32_t>(most_threads))
    return fail(ErrorCode::LaunchFailed,
                "a block of " + std::to_string(threads_) +
                    " threads is too large: " + std::to_string(most_threads) +
                    " fit, limited by the registers that the handler needs; lower block_size",
                spec_.name);
  if (is_grid() && !has.cooperative_launch)
    return fail(ErrorCode::LaunchFailed,
                "granularity grid needs cooperative launch, which " + device_->name() + " (" +
                    has.name + ") has not",
                spec_.name);
  grid_ = spec_.options.grid_size;
  uint32_t largest_in = 0;
  for (uint32_t i = 0; i < spec_.module->accept_count; ++i)
    largest_in = std::max(largest_in, spec_.module->accepts[i].size);
  in_stride_ = slot_stride(largest_in);
  shared_bytes_ =
      resident_shared_bytes(threads_) + static_cast<uint32_t>(spec_.options.shared_memory_size);
  if (shared_bytes_ > static_cast<uint32_t>(has.shared_memory_per_block_optin))
    return fail(ErrorCode::LaunchFailed,
                "asks for " + std::to_string(spec_.options.shared_memory_size) +
                    " bytes of shared memory, " +
                    std::to_string(has.shared_memory_per_block_optin -
                                   static_cast<int>(resident_shared_bytes(threads_))) +
                    " are the most; lower shared_memory_size",
                spec_.name);
  if (spec_.options.cluster_size > 1) lay_out_cluster();
  if (auto done = check(api.cuFuncSetAttribute(entry_, kFunctionMaxDynamicSharedSizeBytes,
                                               static_cast<int>(shared_bytes_)),
                        "reserving shared memory");
      !done)
    return done;
  int per_multiprocessor = 0;
  if (auto done = check(api.cuOccupancyMaxActiveBlocksPerMultiprocessor(
                            &per_multiprocessor, entry_, static_cast<int>(threads_), shared_bytes_),
                        "asking how many blocks fit");
      !done)
    return done;
  most_blocks_ = static_cast<uint32_t>(per_multiprocessor * has.multiprocessors);
  if (cluster_.blocks > 1) {
    CUlaunchAttribute attribute{};
    const CUlaunchConfig config = launch_config(attribute);
    int clusters = 0;
    if (auto done = check(api.cuOccupancyMaxActiveClusters(&clusters, entry_, &config),
                          "asking how many clusters fit");
        !done)
      return done;
    most_blocks_ = static_cast<uint32_t>(clusters) * cluster_.blocks;
  }
  // A kernel that is started per batch waits for its turn instead.
  if (is_resident() || is_grid()) {
    if (auto done = device_->admit(grid_, most_blocks_, spec_.name, limit()); !done) return done;
    admitted_ = true;
  }
  return check(api.cuStreamCreateWithPriority(&stream_, kStreamNonBlocking, 0), "making a stream");
}

// What lets no more blocks be resident on a multiprocessor at a time.
std::string ResidentKernel::limit() const {
  const DeviceProperties& has = device_->properties();
  int registers = 0;
  device_->api().cuFuncGetAttribute(&registers, kFunctionNumRegs, entry_);
  // A warp takes whole units of 8 registers of each of its threads.
  const uint64_t warps = (threads_ + 31U) / 32U;
  const uint64_t registers_of_block =
      std::max<uint64_t>(round_up(static_cast<uint32_t>(registers), 8) * 32 * warps, 1);
  const uint64_t memory_of_block =
      shared_bytes_ + static_cast<uint64_t>(has.shared_memory_reserved_per_block);
  const std::pair<uint64_t, std::string> limits[] = {
      {static_cast<uint64_t>(has.max_threads_per_multiprocessor) / threads_,
       std::to_string(threads_) + " threads per block"},
      {static_cast<uint64_t>(has.registers_per_multiprocessor) / registers_of_block,
       std::to_string(registers) + " registers of each of " + std::to_string(threads_) +
           " threads per block"},
      {static_cast<uint64_t>(has.shared_memory_per_multiprocessor) / memory_of_block,
       std::to_string(memory_of_block) + " bytes of shared memory per block"},
      {static_cast<uint64_t>(has.max_blocks_per_multiprocessor),
       std::to_string(has.max_blocks_per_multiprocessor) + " blocks per multiprocessor"}};
  std::string text = std::min_element(std::begin(limits), std::end(limits))->second;
  if (cluster_.blocks > 1)
    text += ", in clusters of " + std::to_string(cluster_.blocks) + " blocks";
  return text;
}

// For rings as large as every other's. Where they do not fit, the device's memory serves.
void ResidentKernel::lay_out_cluster() {
  const DeviceProperties& has = device_->properties();
  const uint32_t blocks = spec_.options.cluster_size;
  if (!is_resident() || is_grid()) return;
  if (!has.cluster_launch || has.major < kClusterMajor) {
    without_clusters_ =
        "cluster_size has no effect: " + device_->name() + " has no clusters of blocks";
    return;
  }
  const uint32_t offset = round_up(shared_bytes_, RK_CACHE_LINE);
  const uint64_t bytes = cluster_bytes(
      blocks, static_cast<uint32_t>(std::bit_ceil(spec_.options.input_queue_capacity)), in_stride_);
  if (offset + bytes > static_cast<uint64_t>(has.shared_memory_per_block_optin)) {
    without_clusters_ =
        "cluster_size has no effect: rings between " + std::to_string(blocks) + " blocks take " +
        std::to_string(bytes) + " bytes of shared memory, and " +
        std::to_string(has.shared_memory_per_block_optin - static_cast<int>(offset)) +
        " are left; lower input_queue_capacity";
    return;
  }
  cluster_ = {blocks, offset, static_cast<uint32_t>(bytes)};
  shared_bytes_ = offset + cluster_.bytes;
}

// REQUIRES: `cluster` lives as long as what is returned.
CUlaunchConfig ResidentKernel::launch_config(CUlaunchAttribute& cluster) const {
  cluster.id = kLaunchCluster;
  cluster.value.cluster = {cluster_.blocks, 1, 1};
  return {grid_, 1, 1, threads_, 1, 1, shared_bytes_, stream_, &cluster, 1};
}

Result<char*> ResidentKernel::take(DeviceMemory& from, size_t bytes, std::vector<char*>& into) {
  auto memory = from.allocate(bytes);
  if (!memory) return tl::unexpected(named(memory.error()));
  into.push_back(*memory);
  return memory;
}

Result<void> ResidentKernel::lay_out() {
  const HandlerModule& m = *spec_.module;
  uint32_t largest_in = 0, largest_out = m.reply.size, key_size = 0, emits = 0;
  std::vector<uint32_t> sizes;
  for (uint32_t i = 0; i < m.accept_count; ++i) {
    sizes.push_back(m.accepts[i].size);
    largest_in = std::max(largest_in, m.accepts[i].size);
    if (m.keys != nullptr) key_size = std::max(key_size, m.keys[i].size);
  }
  for (uint32_t i = 0; i < m.port_count; ++i) {
    largest_out = std::max(largest_out, m.ports[i].message.size);
    emits += m.ports[i].max;
  }
  const uint32_t pumps = is_grid() ? 1 : grid_;
  const uint32_t window = m.granularity == Granularity::Thread ? threads_ : kWindow;
  const uint32_t area = records_per_call(emits);
  const uint32_t messages = std::bit_ceil(
      std::max(2 * window, std::clamp(static_cast<uint32_t>(std::min<size_t>(
                                          spec_.options.input_queue_capacity, kMostMessages)),
                                      kLeastMessages, kMostMessages)));
  const uint32_t records = std::bit_ceil(2 * (window * area + 2));
  // The host is told whole messages that came from the device's own kernels.
  out_stride_ = record_stride(
      is_resident()
          ? std::max(largest_out, static_cast<uint32_t>(sizeof(MessageHeader)) + largest_in)
          : largest_out);

  // The device's own memory, block by block.
  const uint32_t outbox_slots = window * area + 1;
  const size_t stage_bytes = size_t{window} * in_stride_;
  const size_t outbox_bytes = size_t{outbox_slots} * (out_stride_ + sizeof(uint32_t));
  const uint64_t index_slots = m.keys != nullptr ? std::bit_ceil(2 * spec_.key_capacity) : 0;
  const uint32_t entry_stride = key_entry_stride(key_size, m.state_size);
  const uint32_t scratch_bytes = round_up(std::max(largest_out, 1U), 16);
  const uint32_t scratches = m.granularity == Granularity::Thread ? threads_ : 1;
  const size_t state_bytes = std::max<uint32_t>(m.state_size, 16);
  std::vector<ResidentFrame> frames(pumps);
  uint64_t* kernel_keys = nullptr;
  GridBarrier* barrier = nullptr;
  auto take_device = [&](size_t bytes, bool zero) -> Result<char*> {
    auto memory = take(device_->memory(), bytes, device_memory_);
    if (!memory) return memory;
    device_bytes_ += bytes;
    if (zero)
      if (auto done = device_->clear(*memory, bytes); !done)
        return tl::unexpected(named(done.error()));
    return memory;
  };
  auto words = take_device(256, true);
  if (!words) return tl::unexpected(words.error());
  kernel_keys = reinterpret_cast<uint64_t*>(*words);
  barrier = reinterpret_cast<GridBarrier*>(*words + 128);
  for (uint32_t i = 0; i < pumps; ++i) {
    ResidentFrame& f = frames[i];
    Block& b = f.block;
    b.index = i;
    b.blocks = pumps;
    auto stage = take_device(stage_bytes, false);
    auto outbox = take_device(outbox_bytes, false);
    auto state = take_device(state_bytes, true);
    auto scratch = take_device(size_t{scratch_bytes} * scratches, false);
    auto mapped =
        take(device_->mapped(),
             sizeof(ControlBlock) + size_t{messages} * in_stride_ + size_t{records} * out_stride_,
             mapped_memory_);
    for (const auto* one : {&stage, &outbox, &state, &scratch, &mapped})
      if (!*one) return tl::unexpected(one->error());
    std::memset(
        *mapped, 0,
        sizeof(ControlBlock) + size_t{messages} * in_stride_ + size_t{records} * out_stride_);
    Pump::Memory memory;
    memory.control = reinterpret_cast<ControlBlock*>(*mapped);
    memory.in = mapped_ring(*mapped + sizeof(ControlBlock), messages, in_stride_);
    memory.out = mapped_ring(*mapped + sizeof(ControlBlock) + size_t{messages} * in_stride_,
                             records, out_stride_);
    if (is_resident()) {
      auto bytes = tables_.add_block(b, f.k2k, memory);
      if (!bytes) return tl::unexpected(named(bytes.error()));
      device_bytes_ += *bytes;
      f.k2k.cluster_offset = cluster_.offset;
      f.k2k.cluster_bytes = cluster_.bytes;
    }
    f.control = memory.control;
    f.in = memory.in;
    f.out = memory.out;
    f.stage = reinterpret_cast<unsigned char*>(*stage);
    f.outbox = reinterpret_cast<unsigned char*>(*outbox);
    f.grid = barrier;
    f.window = window;
    f.batch_size = is_resident() ? 0 : spec_.options.batch_size;
    f.lease_ns = static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(spec_.options.lease).count());
    f.idle_ns = kIdleNs;
    b.kernel = spec_.id;
    b.threads = is_grid() ? threads_ * grid_ : threads_;
    b.accept_count = m.accept_count;
    b.state = *state;
    b.scratch = *scratch;
    b.scratch_size = scratch_bytes;
    b.shared_size = static_cast<uint32_t>(spec_.options.shared_memory_size);
    if (m.keys != nullptr) {
      KeyTable& table = b.keys;
      auto index = take_device(index_slots * sizeof(uint32_t), true);
      auto entries = take_device(spec_.key_capacity * entry_stride, true);
      for (const auto* one : {&index, &entries})
        if (!*one) return tl::unexpected(one->error());
      table.index = reinterpret_cast<uint32_t*>(*index);
      table.entries = reinterpret_cast<unsigned char*>(*entries);
      table.index_mask = static_cast<uint32_t>(index_slots - 1);
      table.capacity = static_cast<uint32_t>(spec_.key_capacity);
      table.kernel_capacity = spec_.key_capacity;
      table.kernel_keys = kernel_keys;
      table.entry_stride = entry_stride;
      table.state_offset = key_state_offset(key_size);
    }
    pumps_.push_back(std::make_unique<Pump>(m, memory));
  }

  // The frames, and what they point at that is the same for all.
  const size_t image_bytes =
      sizeof(ResidentFrame) * pumps + spec_.params.size() +
      m.accept_count * (sizeof(uint16_t) + sizeof(uint32_t) + sizeof(KeySpec)) +
      m.buffer_count * sizeof(void*) + 256;
  auto memory = take_device(image_bytes, false);
  if (!memory) return tl::unexpected(memory.error());
  frames_ = reinterpret_cast<CUdeviceptr>(*memory);
  const CUdeviceptr shared = frames_ + sizeof(ResidentFrame) * pumps;
  Image image(shared);
  const auto* params = image.add(spec_.params.data(), spec_.params.size());
  const auto* types = image.add(spec_.accept_types.data(), spec_.accept_types.size());
  const auto* size_list = image.add(sizes.data(), sizes.size());
  const KeySpec* keys = m.keys != nullptr ? image.add(m.keys, m.accept_count) : nullptr;
  void* const* buffers = image.add(buffers_.addresses().data(), m.buffer_count);
  for (ResidentFrame& f : frames) {
    f.block.params = params;
    f.block.buffers = buffers;
    f.block.accept_types = types;
    f.block.accept_sizes = size_list;
    f.block.accept_keys = keys;
  }
  auto done = device_->upload(*memory, frames.data(), sizeof(ResidentFrame) * pumps);
  if (done)
    done = device_->upload(reinterpret_cast<void*>(shared), image.bytes().data(),
                           image.bytes().size());
  if (!done) return tl::unexpected(named(done.error()));
  return {};
}

Result<std::unique_ptr<RemoteEdge>> ResidentKernel::connect(RemoteKernel& to,
                                                            const RemoteEdgeSpec& spec) {
  auto& other = static_cast<ResidentKernel&>(to);
  if (other.device_ != device_ || !is_resident() || !other.is_resident() || lost_.load() ||
      other.lost_.load() || spec.port >= 64)
    return nullptr;
  return K2kEdge::create(device_, *this, other, spec);
}

void ResidentKernel::settle() {
  while (!lost_.load() && !tables_.is_heeded())
    std::this_thread::sleep_for(std::chrono::microseconds(20));
}

Result<void> ResidentKernel::start() {
  if (auto done = device_->enter(); !done) return done;
  for (auto& pump : pumps_)
    store_relaxed(&pump->control().state, static_cast<uint32_t>(ResidentState::Absent));
  void* arguments[] = {&frames_};
  const DriverApi& api = device_->api();
  CUresult result = kSuccess;
  if (cluster_.blocks > 1) {
    CUlaunchAttribute attribute{};
    const CUlaunchConfig config = launch_config(attribute);
    result = api.cuLaunchKernelEx(&config, entry_, arguments, nullptr);
  } else if (is_grid()) {
    result = api.cuLaunchCooperativeKernel(entry_, grid_, 1, 1, threads_, 1, 1, shared_bytes_,
                                           stream_, arguments);
  } else {
    result = api.cuLaunchKernel(entry_, grid_, 1, 1, threads_, 1, 1, shared_bytes_, stream_,
                                arguments, nullptr);
  }
  if (result == kSuccess) return {};
  Error error = named(device_->driver().error(result, "launching it on " + device_->name()));
  error.code = ErrorCode::LaunchFailed;
  return tl::unexpected(std::move(error));
}

bool ResidentKernel::all_are(ResidentState state) const {
  return std::all_of(pumps_.begin(), pumps_.end(), [&](const auto& pump) {
    return load_acquire(&pump->control().state) == static_cast<uint32_t>(state);
  });
}

Result<void> ResidentKernel::launch() {
  device_->watch(*this);
  launched_ = true;
  if (auto done = start(); !done) return done;
  // The clocks: a block writes its own when it comes alive, and waits for the distance.
  const uint64_t begun = monotonic_ns();
  for (size_t i = 0; i < pumps_.size();) {
    ControlBlock& control = pumps_[i]->control();
    if (load_acquire(&control.state) != static_cast<uint32_t>(ResidentState::Absent)) {
      control.clock_offset_us =
          static_cast<int64_t>(wall_us()) - static_cast<int64_t>(control.clock_us);
      store_release(&control.clock_set, 1U);
      ++i;
      continue;
    }
    if (lost_.load() || monotonic_ns() - begun > kStartNs) {
      const auto error = device_->error();
      std::string why = error ? error->message
                              : std::to_string(pumps_.size() - i) + " of its " +
                                    std::to_string(pumps_.size()) + " blocks did not start";
      leave();
      return fail(ErrorCode::LaunchFailed, why, spec_.name);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return {};
}

StepResult ResidentKernel::step(Block& block, uint32_t budget, bool active) {
  Pump& pump = *pumps_[block.index];
  // Looked at first: what a launch has told is then there, and what is unfinished without it waits.
  const bool left = !is_resident() && all_are(ResidentState::Left);
  const StepResult result = pump.step(block, budget, active);
  if (left && !pump.has_records() && batch_is_due(pump, block)) launch_again();
  return result;
}

// As many wait as a launch takes, or the first has waited long enough for others.
bool ResidentKernel::batch_is_due(const Pump& pump, const Block& block) const {
  if (pump.wants_hook()) return true;
  const auto most = std::min<uint64_t>(spec_.options.batch_size, pump.memory().in.capacity);
  const uint64_t waiting = pump.unfinished();
  if (waiting == 0) return false;
  const auto delay = static_cast<uint64_t>(spec_.options.batch_delay.count());
  return waiting >= most || delay == 0 || block.now_us - pump.first_handed_over_us() >= delay;
}

// Only the host decides to start the next batch: a message that came while the blocks were leaving
// is seen here.
void ResidentKernel::launch_again() {
  std::unique_lock lock(again_, std::try_to_lock);
  if (!lock || leaving_ || lost_ || !all_are(ResidentState::Left)) return;
  if (auto done = start(); !done) lost(done.error());
}

void ResidentKernel::detach() {
  detached_.store(true);
  if (launched_) device_->forget(*this);  // returns when its thread is not in lost()
}

void ResidentKernel::leave() {
  if (!launched_ || leaving_.exchange(true)) return;
  std::lock_guard lock(again_);
  for (auto& pump : pumps_) store_release(&pump->control().desired, kDesireExit);
  // A handler that never returns keeps its blocks: they are left to the driver.
  const uint64_t begun = monotonic_ns();
  abandoned_ = true;
  if (device_->enter())
    while (!lost_.load() && monotonic_ns() - begun < kLeaveNs) {
      if (device_->api().cuStreamQuery(stream_) != kErrorNotReady) {
        abandoned_ = false;
        break;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  device_->forget(*this);
  tables_.leave();
}

bool ResidentKernel::conclude(Block& block, Reason reason) {
  return pumps_[block.index]->conclude_all(block, reason);
}

Result<void> ResidentKernel::read_buffer(uint32_t buffer, const TakePart& take) {
  if (lost_) return fail(ErrorCode::DeviceError, device_->name() + " is lost", spec_.name);
  if (abandoned_)
    return fail(ErrorCode::DeviceError, "a handler did not leave " + device_->name(), spec_.name);
  auto done = buffers_.read(buffer, take, device_->copies());
  if (!done) return tl::unexpected(named(done.error()));
  return {};
}

uint64_t ResidentKernel::bytes_to_device() const {
  uint64_t n = 0;
  for (const auto& pump : pumps_) n += pump->handed_over();
  return n * in_stride_ + buffers_.bytes_filled();
}
uint64_t ResidentKernel::bytes_from_device() const {
  uint64_t n = 0;
  for (const auto& pump : pumps_) n += pump->records();
  return n * out_stride_ + buffers_.bytes_read();
}

// The threads that look have a slot each; a block of more threads has no more than a window's.
uint64_t ResidentKernel::bytes_polled() const {
  const bool each = spec_.module->granularity == Granularity::Thread;
  const uint64_t slots = each ? threads_ : std::min(threads_, kWindow);
  const uint64_t looks = idle_looks_.load(std::memory_order_relaxed);
  return (looks * slots + looks / kIdleLooksPerControl * kControlWords) * kSector;
}

void ResidentKernel::beat(uint64_t heartbeat) {
  uint64_t looks = 0;
  for (auto& pump : pumps_) {
    store_relaxed(&pump->control().heartbeat, heartbeat);
    looks += load_relaxed(&pump->control().idle_looks);
  }
  idle_looks_.store(looks, std::memory_order_relaxed);
}

void ResidentKernel::ended() {
  if (!is_resident() || leaving_.load()) return;
  for (auto& pump : pumps_)
    if (load_acquire(&pump->control().state) == static_cast<uint32_t>(ResidentState::LeaseExpired))
      return lost(Error{ErrorCode::DeviceError,
                        "it left the device: this process showed no life for longer than its lease",
                        spec_.name});
}

void ResidentKernel::lost(const Error& error) {
  if (lost_.exchange(true)) return;
  // The error is the device's, whichever kernel made it: what each had in hand tells.
  std::string in_hand;
  for (size_t i = 0; i < pumps_.size(); ++i)
    if (const std::string text = pumps_[i]->in_hand(); !text.empty())
      in_hand += (in_hand.empty() ? "" : "; ") + ("block " + std::to_string(i) + ": " + text);
  for (auto& pump : pumps_) pump->lose();
  if (!spec_.on_lost || detached_.load()) return;
  Error told = error;
  told.message += in_hand.empty() ? "; no message was in hand" : "; in hand were " + in_hand;
  spec_.on_lost(told);
}

}  // namespace ringkernel::backends::cuda
