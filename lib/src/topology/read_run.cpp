#include <charconv>

#include "topology/reader.hpp"

namespace ringkernel::topology {
namespace {

void read_until(Reader& reader, const Value& run, Until& until) {
  const Value* value = run.find("until");
  if (value == nullptr) return;
  if (value->is_map()) {
    if (!reader.check_keys(*value, Section::Until, "'until'")) return;
    until.kind = Until::Kind::Output;
    until.output = reader.text(*value, "output").value_or("");
    if (auto count = reader.integer(*value, "count", 1, uint64_t{1} << 62)) until.count = *count;
    const Value* output = value->find("output");
    if (output == nullptr || reader.is_broken(until.output)) return;
    std::vector<std::string> names;
    for (const Output& o : reader.topology.outputs) names.push_back(o.name);
    if (reader.topology.output(until.output) == nullptr)
      reader.error(output->position, "there is no output '" + until.output + "'", "unknown-output",
                   did_you_mean(until.output, names));
    return;
  }
  if (value->text == "inputs_end") {
    until.kind = Until::Kind::InputsEnd;
  } else if (value->text == "forever") {
    until.kind = Until::Kind::Forever;
  } else {
    reader.error(value->position, "'until' is inputs_end, forever, or {output, count}", "bad-value",
                 did_you_mean(value->text, {"inputs_end", "forever"}));
  }
}

void read_max_failed(Reader& reader, const Value& value, Run& run) {
  const Value* limit = value.find("max_failed");
  if (limit == nullptr) return;
  if (limit->is_scalar() && !limit->text.empty() && limit->text.back() == '%') {
    if (reader.misspelt_number(*limit,
                               std::string_view(limit->text).substr(0, limit->text.size() - 1)))
      return;
    double percent = 0;
    const char* end = limit->text.data() + limit->text.size() - 1;
    auto [at, code] = std::from_chars(limit->text.data(), end, percent);
    if (code != std::errc() || at != end || !(percent >= 0 && percent <= 100))
      reader.error(limit->position, "'max_failed' is a number of messages or 0% to 100%",
                   "bad-value");
    else
      run.max_failed_percent = percent;
    return;
  }
  if (auto n = reader.as_integer(*limit, 0, uint64_t{1} << 62)) run.max_failed = *n;
}

void read_restart(Reader& reader, const Value& value, Run& run) {
  constexpr uint64_t kMostRestarts = 1'000'000;
  if (auto most = reader.integer(value, "max_restarts", 1, kMostRestarts))
    run.max_restarts = static_cast<uint32_t>(*most);
  if (auto window = reader.duration(value, "restart_window")) {
    run.restart_window = *window;
    // Longer than the pauses, or they would be forgotten before they are counted.
    if (*window < std::chrono::seconds(10))
      reader.error(value.find("restart_window")->position, "'restart_window' is at least 10s",
                   "out-of-range");
  }
  if (auto delay = reader.duration(value, "restart_delay")) {
    run.restart_delay = *delay;
    if (*delay > Run::kLongestRestartDelay)
      reader.error(value.find("restart_delay")->position, "'restart_delay' is at most 2s",
                   "out-of-range");
  }
  if (run.on_kernel_failure == OnKernelFailure::Restart) return;
  for (const char* key : {"max_restarts", "restart_window", "restart_delay"})
    if (const Value* set = value.find(key))
      reader.warning(set->position,
                     std::string("'") + key + "' has no effect without on_kernel_failure: restart",
                     "no-effect");
}

}  // namespace

void read_run(Reader& reader) {
  Run& run = reader.topology.run;
  if (const Value* value = reader.document.find("run");
      value != nullptr && !value->is_null() && reader.check_keys(*value, Section::Run, "'run'")) {
    read_until(reader, *value, run.until);
    if (auto drain = reader.duration(*value, "on_signal_drain")) run.on_signal_drain = *drain;
    if (auto bad = reader.choice(*value, Section::Run, "on_bad_input"))
      run.stop_on_bad_input = *bad == 1;
    if (auto failure = reader.choice(*value, Section::Run, "on_kernel_failure"))
      run.on_kernel_failure = static_cast<OnKernelFailure>(*failure);
    read_restart(reader, *value, run);
    read_max_failed(reader, *value, run);
  }
  const Value* dead_letters = reader.document.find("dead_letters");
  if (dead_letters == nullptr || dead_letters->is_null() ||
      !reader.check_keys(*dead_letters, Section::DeadLetters, "'dead_letters'"))
    return;
  if (auto file = reader.text(*dead_letters, "file"))
    reader.topology.dead_letters_file = reader.resolve(*file, dead_letters->find("file")->position);
}

}  // namespace ringkernel::topology
