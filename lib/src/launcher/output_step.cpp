#include "launcher/output_step.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/clock.hpp"
#include "launcher/load_roots.hpp"

namespace ringkernel::launcher {
namespace {

constexpr uint64_t kOutputSliceNs = 50'000;
constexpr uint32_t kMessagesAtOnce = 64;
constexpr size_t kOutputBlock = size_t{128} << 10;

void add(std::atomic<uint64_t>& counter, uint64_t n) {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_release);
}

}  // namespace

OutputStep::OutputStep(const topology::Output& output, const OutputServices& services,
                       Channel channel, Capture capture, uint64_t reach)
    : name_(output.name),
      services_(services),
      to_stdout_(output.kind == topology::Output::Kind::Stdout),
      raw_(output.codec == topology::Codec::Raw && !capture),
      types_(output.messages),
      writer_(output.messages, output.tag),
      capture_(std::move(capture)),
      channel_(std::move(channel)),
      counts_only_(!channel_.is_open()),
      reach_(reach) {
  if (channel_.is_open())
    watched_ = services_.poller->add(channel_.descriptor(), Poller::For::Writing,
                                     [this] { services_.engine->wake(*node_); });
}

OutputStep::~OutputStep() {
  if (watched_) services_.poller->remove(channel_.descriptor());
}

void OutputStep::attach(runtime::Node& node, const std::vector<uint16_t>& type_ids) {
  node_ = &node;
  for (size_t i = 0; i < type_ids.size(); ++i) {
    if (index_of_id_.size() <= type_ids[i]) index_of_id_.resize(type_ids[i] + size_t{1});
    index_of_id_[type_ids[i]] = static_cast<uint32_t>(i);
  }
}

void OutputStep::go_on_from(SharedProgress& progress, size_t output) {
  progress_ = &progress;
  output_ = output;
  buffer_ = progress.rest_of_output(output);
  told_begun_ = !buffer_.empty();
  owes_.store(told_begun_);
  if (reach_ > 0 && progress.output(output).written.load() >= reach_) services_.events->reached();
}

// What is missing of the line, or struct, in whose middle the writing stands.
std::string_view OutputStep::begun() const {
  const std::string_view rest = std::string_view(buffer_).substr(sent_);
  if (raw_) {
    const size_t size = types_.front()->size;
    return rest.substr(0, (rest.size() % size));
  }
  const bool in_line = sent_ == 0 ? owes_.load() : buffer_[sent_ - 1] != '\n';
  return rest.substr(0, in_line ? rest.find('\n') + 1 : 0);
}

void OutputStep::tell_begun() {
  const std::string_view rest = begun();
  if (rest.empty() && !told_begun_) return;
  told_begun_ = !rest.empty();
  progress_->keep_rest_of_output(output_, rest);
}

StepStatus OutputStep::step(Block& block) {
  const uint64_t until = monotonic_ns() + kOutputSliceNs;
  for (;;) {
    if (abandoned_.load(std::memory_order_relaxed) && !broken_) fail_with(0);
    if (buffer_.size() - sent_ >= kOutputBlock && !write_out()) return StepStatus::Idle;
    const uint32_t taken = runtime::take(
        block, kMessagesAtOnce, [this](uint32_t, const MessageHeader& header, const void* payload) {
          append(header, payload);
          return true;
        });
    if (taken == 0) break;
    if (monotonic_ns() > until) return StepStatus::More;
  }
  write_out();
  return StepStatus::Idle;
}

void OutputStep::append(const MessageHeader& header, const void* payload) {
  const uint32_t type = index_of_id_[header.message_type];
  if (broken_) return add(failed_, 1);
  if (capture_) {
    buffer_.clear();
    writer_.write(type, static_cast<const std::byte*>(payload), buffer_);
    capture_(types_[type]->name, buffer_);
    buffer_.clear();
    return wrote(1);
  }
  if (counts_only_) {
    if (services_.load != nullptr) services_.load->ended(header.root);
    return wrote(1);
  }
  add(pending_, 1);
  ++in_buffer_;
  if (services_.load != nullptr) roots_.push_back(header.root);
  if (raw_) {
    buffer_.append(static_cast<const char*>(payload), types_[type]->size);
  } else {
    writer_.write(type, static_cast<const std::byte*>(payload), buffer_);
    buffer_ += '\n';
  }
}

void OutputStep::wrote(uint64_t messages) {
  add(written_, messages);
  uint64_t all = written_.load(std::memory_order_relaxed);
  if (progress_ != nullptr) all = progress_->output(output_).written += messages;
  if (reach_ > 0 && all >= reach_) services_.events->reached();
}

// How many of this run's messages end in the last bytes that were written.
uint64_t OutputStep::ended_in(size_t bytes) {
  if (raw_) {
    const size_t size = types_.front()->size;
    return in_buffer_ - std::min<uint64_t>(in_buffer_, (buffer_.size() - sent_ + size - 1) / size);
  }
  const char* const end = buffer_.data() + sent_;
  auto lines = static_cast<uint64_t>(std::count(end - bytes, end, '\n'));
  if (lines > 0 && owes_.exchange(false)) --lines;
  return std::min(lines, in_buffer_);
}

// That many of the messages in the buffer are written.
void OutputStep::settle(uint64_t messages) {
  if (messages == 0) return;
  if (!roots_.empty()) {
    const auto end = roots_.begin() + static_cast<std::ptrdiff_t>(messages);
    for (auto root = roots_.begin(); root != end; ++root) services_.load->ended(*root);
    roots_.erase(roots_.begin(), end);
  }
  in_buffer_ -= messages;
  wrote(messages);
  pending_.store(in_buffer_, std::memory_order_release);
}

bool OutputStep::write_out() {
  non_finite_.store(writer_.non_finite(), std::memory_order_relaxed);
  while (sent_ < buffer_.size()) {
    const Transfer moved = channel_.write(std::string_view(buffer_).substr(sent_));
    if (moved.status == Transfer::Status::Moved) {
      sent_ += moved.bytes;
      add(bytes_, moved.bytes);
      if (progress_ != nullptr) tell_begun();
      if (sent_ < buffer_.size()) settle(ended_in(moved.bytes));
    } else if (moved.status == Transfer::Status::WouldBlock) {
      services_.poller->arm(channel_.descriptor());
      return false;
    } else {
      fail_with(moved.error);
      return true;
    }
  }
  settle(in_buffer_);
  buffer_.clear();
  sent_ = 0;
  owes_.store(false, std::memory_order_release);
  return true;
}

void OutputStep::fail_with(int error) {
  broken_ = true;
  add(failed_, in_buffer_);
  pending_.store(0, std::memory_order_release);
  in_buffer_ = 0;
  buffer_.clear();
  sent_ = 0;
  owes_.store(false, std::memory_order_release);
  if (error == 0) {
    services_.events->notify();
  } else if (error == EPIPE && to_stdout_) {
    services_.events->failed(ExitCode::OutputClosed, "");
  } else {
    services_.events->failed(ExitCode::OutputError,
                             name_ + ": cannot be written: " + strerror(error));
  }
}

void OutputStep::abandon() {
  abandoned_.store(true);
  services_.engine->wake(*node_);
}

void OutputStep::close() {
  if (!channel_.is_open()) return;
  if (watched_) services_.poller->remove(channel_.descriptor());
  watched_ = false;
  if (const int error = channel_.close(); error != 0 && !broken_) {
    services_.events->failed(ExitCode::OutputError,
                             name_ + ": cannot be written: " + strerror(error));
  }
}

OutputCounts OutputStep::counts() const {
  OutputCounts counts;
  counts.pending = pending_.load(std::memory_order_acquire);
  counts.written = written_.load(std::memory_order_acquire);
  counts.failed = failed_.load(std::memory_order_acquire);
  counts.delivered = counts.written + counts.failed + counts.pending;
  counts.bytes = bytes_.load(std::memory_order_relaxed);
  counts.non_finite = non_finite_.load(std::memory_order_relaxed);
  return counts;
}

}  // namespace ringkernel::launcher
