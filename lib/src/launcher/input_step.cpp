#include "launcher/input_step.hpp"

#include <algorithm>
#include <utility>

#include "core/clock.hpp"
#include "launcher/json_text.hpp"

namespace ringkernel::launcher {
namespace {

constexpr uint64_t kInputSliceNs = 50'000;
constexpr uint32_t kLinesAtOnce = 64;
// Of a bad line, in its dead letter.
constexpr size_t kLongestText = 4096;

void count(std::atomic<uint64_t>& counter, uint64_t n = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

std::string_view shortened(std::string_view text) {
  if (text.size() <= kLongestText) return text;
  size_t end = kLongestText;
  while (end > kLongestText - 4 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

InputStep::InputStep(const topology::Input& input, const InputServices& services)
    : name_(input.name), services_(services), parser_(input) {}

void InputStep::expect_end() {
  awaited_ = true;
  services_.events->expect_input();
}

void InputStep::go_on_from(SharedProgress::Input& progress, std::string rest) {
  progress_ = &progress;
  skip_to(progress, std::move(rest));
  tell(progress);  // also where it begins: a run that dies before its first batch has read on
}

void InputStep::ended() {
  if (std::exchange(awaited_, false)) services_.events->input_ended();
}

Result<std::shared_ptr<ClientFeed>> InputStep::open_feed(std::function<void()> on_change) {
  auto feed = std::make_shared<ClientFeed>(
      parser_.make_splitter(), [this] { wake(); }, std::move(on_change));
  if (!feeds_.add(feed)) return fail(ErrorCode::Closed, "the input takes nothing more", name_);
  return feed;
}

void InputStep::begin_batch() {
  feeds_.refresh();
  turn_ = turn_ + 1 > feeds_.size() ? 0 : turn_ + 1;
}

bool InputStep::fetch(Record& record) {
  const size_t sources = feeds_.size() + 1;
  for (size_t i = 0; i < sources; ++i) {
    source_ = turn_;
    if (source_ == 0 ? fetch_own(record) : feeds_[source_ - 1].fetch(record)) return true;
    turn_ = turn_ + 1 == sources ? 0 : turn_ + 1;
  }
  return false;
}

void InputStep::settled(const Record& record, const schema::LineError* error) {
  if (source_ > 0) feeds_[source_ - 1].settled(record, error);
}

void InputStep::measure(const Block& block) {
  batch_ = kLinesAtOnce;
  for (uint32_t p = 0; p < block.port_count; ++p) {
    uint64_t copies = 0;
    for (uint32_t i = 0; i < block.ports[p].edge_count; ++i) {
      const OutEdge& edge = block.ports[p].edges[i];
      copies += edge.route == Route::All ? edge.targets : 1;
      if (edge.kind == RingKind::Mpmc || edge.on_full != OnFull::Wait) continue;
      // Half a ring, so that the receiver has the other half meanwhile.
      for (uint32_t l = 0; l < edge.targets * edge.levels; ++l) {
        batch_ = std::min(batch_, edge.links[l].spsc.ring.capacity / 2);
      }
    }
    copies_.push_back(copies);
  }
  if (block.dead != nullptr) {
    batch_ = std::min(batch_, block.dead->spsc.ring.capacity / std::max(1U, block.dead_max));
  }
  batch_ = std::max(batch_, 1U);
}

StepStatus InputStep::step(Block& block) {
  if (batch_ == 0) measure(block);
  busy_.store(true, std::memory_order_relaxed);
  const uint64_t until = monotonic_ns() + kInputSliceNs;
  do {
    const bool was_stopping = stopping();
    if (!runtime::ensure_room(block, batch_)) return StepStatus::Blocked;
    begin_batch();
    Record record;
    uint32_t taken = 0;
    while (taken < batch_ && !halted() && fetch(record)) {
      take(block, record);
      ++taken;
    }
    // Before it is seen: what a crash may have been caused by is not given a second time.
    if (progress_ != nullptr) tell(*progress_);
    runtime::flush_input(block);
    if (taken < batch_) return rest(block, was_stopping);
  } while (monotonic_ns() < until);
  return StepStatus::More;
}

StepStatus InputStep::rest(Block& block, bool was_stopping) {
  // What a full shared inbox did not take.
  if (block.staged && !runtime::ensure_room(block, 1)) return StepStatus::Blocked;
  own_bytes_.store(rest_own());
  if (feeds_.rested()) turn_ = 0;
  busy_.store(false, std::memory_order_release);
  if ((was_stopping || halted()) && !drained_.exchange(true)) {
    ended();
    services_.events->notify();
  }
  if (!was_stopping && !halted() && goes_on()) return StepStatus::More;
  return StepStatus::Idle;
}

void InputStep::take(Block& block, const Record& record) {
  auto message = message_of(record, block.now_us);
  if (message) {
    runtime::emit(block, *message);
    count(accepted_);
    count(offers_, copies_[message->type]);
    settled(record, nullptr);
    return;
  }
  bad_.fetch_add(1, std::memory_order_relaxed);
  report(record, message.error(), envelope_);
  settled(record, &message.error());
  if (services_.stop_on_bad_input) {
    halted_.store(true);
    services_.events->failed(ExitCode::BadInput, name_ + ":" + std::to_string(record.number) +
                                                     ": " + std::string(message.error().reason) +
                                                     ": " + message.error().detail);
  }
}

void InputStep::refuse(const Record& record, const schema::LineError& error) {
  bad_.fetch_add(1, std::memory_order_relaxed);
  std::string envelope;
  report(record, error, envelope);
}

void InputStep::report(const Record& record, const schema::LineError& error, std::string& out) {
  out.assign(R"({"message":null,"type":null,"edge":null,"kernel":null,"reason":)");
  append_json_string(out, error.reason);
  out += R"(,"detail":)";
  append_json_string(out, error.detail);
  out += R"(,"line":)";
  out += std::to_string(record.number);
  out += R"(,"time":)";
  append_json_time(out, wall_us());
  out += R"(,"input":)";
  append_json_string(out, name_);
  out += R"(,"column":)";
  out += error.column == 0 ? "null" : std::to_string(error.column);
  out += R"(,"text":)";
  append_json_string(out, shortened(record.bytes));
  out += '}';
  services_.dead_letters->add(out);
  services_.engine->wake(*services_.dead_letter_node);
}

void InputStep::stop() {
  feeds_.close();
  stopping_.store(true, std::memory_order_release);
  wake();
}

InputCounts InputStep::counts() const {
  InputCounts counts;
  counts.accepted = accepted_.load(std::memory_order_relaxed);
  counts.bad = bad_.load(std::memory_order_relaxed);
  counts.lines = counts.accepted + counts.bad;
  counts.offers = offers_.load(std::memory_order_relaxed);
  return counts;
}

}  // namespace ringkernel::launcher
