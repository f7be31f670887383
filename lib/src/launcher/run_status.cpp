#include "launcher/run_status.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

namespace ringkernel::launcher {
namespace {

using Json = nlohmann::ordered_json;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(tolower(c)); });
  return out;
}

// Everything once, so that what is added up is what is shown.
struct Counted {
  std::vector<std::pair<const runtime::Edge*, runtime::EdgeCounts>> edges;
  std::vector<runtime::KernelCounts> kernels;
  std::vector<InputCounts> inputs;
  std::vector<OutputCounts> outputs;
  runtime::RequestCounts requests;
};

Counted count(const RunGraph& graph) {
  Counted all;
  for (const runtime::Edge* edge : graph.engine->edges())
    all.edges.emplace_back(edge, edge->counts());
  for (const auto& kernel : graph.kernels) all.kernels.push_back(kernel.node->counts());
  for (const auto& input : graph.inputs) all.inputs.push_back(input.step->counts());
  for (const auto& output : graph.outputs) all.outputs.push_back(output.step->counts());
  all.requests = graph.engine->requests();
  return all;
}

struct Sum {
  uint64_t offered = 0, delivered = 0;
};

RunTotals add_up(const RunGraph& graph, const Counted& all) {
  RunTotals totals;
  std::map<const runtime::Node*, Sum> out;
  std::map<const runtime::Node*, Sum> in;
  bool balanced = true;
  for (const auto& [edge, counts] : all.edges) {
    balanced = balanced &&
               counts.offered == counts.delivered + counts.dropped + counts.failed + counts.depth;
    totals.dropped += counts.dropped;
    totals.failed += counts.failed;
    totals.in_flight += counts.depth;
    out[&edge->from()].offered += counts.offered;
    in[&edge->to()].delivered += counts.delivered;
  }
  for (size_t i = 0; i < all.inputs.size(); ++i) {
    const InputCounts& counts = all.inputs[i];
    totals.lines += counts.lines;
    totals.accepted += counts.accepted;
    totals.bad += counts.bad;
    balanced = balanced && out[graph.inputs[i].node].offered == counts.offers;
  }
  for (size_t i = 0; i < all.kernels.size(); ++i) {
    const runtime::KernelCounts& counts = all.kernels[i];
    totals.handled += counts.handled;
    totals.failed += counts.failed;
    totals.in_flight += counts.in_hand;
    totals.emitted += counts.emitted;
    balanced = balanced && in[graph.kernels[i].node].delivered == counts.delivered &&
               counts.delivered == counts.handled + counts.failed + counts.in_hand &&
               counts.emitted == out[graph.kernels[i].node].offered;
  }
  for (size_t i = 0; i < all.outputs.size(); ++i) {
    const OutputCounts& counts = all.outputs[i];
    totals.written += counts.written;
    totals.failed += counts.failed;
    totals.in_flight += counts.pending;
    balanced = balanced && counts.delivered == in[graph.outputs[i].node].delivered;
  }
  const runtime::RequestCounts& r = all.requests;
  totals.balanced =
      balanced && r.sent == r.replied + r.failed + r.no_reply + r.timed_out + r.pending;
  return totals;
}

Json kernel_json(const RunGraph::Kernel& kernel, const runtime::KernelCounts& counts) {
  const runtime::Node& node = *kernel.node;
  Json json = {{"name", node.name()},
               {"backend", node.device() ? "cuda" : "cpu"},
               {"device", node.device() ? Json(*node.device()) : Json(nullptr)},
               {"state", lower(to_string(node.state()))},
               {"mode", std::string(to_string(node.options().mode))},
               {"blocks", node.blocks()},
               {"delivered", counts.delivered},
               {"handled", counts.handled},
               {"failed", counts.failed},
               {"in_hand", counts.in_hand},
               {"emitted", counts.emitted},
               {"unasked", counts.unasked},
               {"failed_hooks", counts.failed_hooks},
               {"stolen", counts.stolen},
               {"invocations", counts.invocations},
               {"busy_s", std::round(static_cast<double>(counts.busy_ns) / 1e6) / 1e3}};
  if (kernel.module->keys != nullptr) json["keys"] = counts.keys;
  json["latency_us"] = counts.latency.count == 0 ? Json(nullptr)
                                                 : Json{{"p50", counts.latency.p50_us},
                                                        {"p99", counts.latency.p99_us},
                                                        {"p999", counts.latency.p999_us},
                                                        {"max", counts.latency.max_us}};
  json["restarts"] = kernel.progress != nullptr ? kernel.progress->restarts.load() : 0;
  if (const std::string error = node.last_error(); !error.empty()) json["last_error"] = error;
  return json;
}

}  // namespace

RunTotals totals_of(const RunGraph& graph) { return add_up(graph, count(graph)); }

std::string status_json(const RunGraph& graph, const RunFacts& facts) {
  const Counted all = count(graph);
  const RunTotals totals = add_up(graph, all);
  Json inputs = Json::array();
  for (size_t i = 0; i < all.inputs.size(); ++i)
    inputs.push_back({{"name", graph.inputs[i].input->name},
                      {"lines", all.inputs[i].lines},
                      {"accepted", all.inputs[i].accepted},
                      {"bad", all.inputs[i].bad}});
  Json kernels = Json::array();
  for (size_t i = 0; i < all.kernels.size(); ++i)
    kernels.push_back(kernel_json(graph.kernels[i], all.kernels[i]));
  Json edges = Json::array();
  for (const auto& [edge, counts] : all.edges)
    edges.push_back({{"id", edge->id()},
                     {"offered", counts.offered},
                     {"delivered", counts.delivered},
                     {"dropped", counts.dropped},
                     {"failed", counts.failed},
                     {"depth", counts.depth},
                     {"capacity", counts.capacity},
                     {"waited_s", counts.waited_s}});
  Json outputs = Json::array();
  for (size_t i = 0; i < all.outputs.size(); ++i) {
    const OutputCounts& counts = all.outputs[i];
    outputs.push_back({{"name", graph.outputs[i].output->name},
                       {"delivered", counts.delivered},
                       {"written", counts.written},
                       {"failed", counts.failed},
                       {"pending", counts.pending},
                       {"bytes", counts.bytes},
                       {"non_finite", counts.non_finite}});
  }
  const runtime::RequestCounts& r = all.requests;
  const Json json = {{"schema", "ringk.status/1"},
                     {"name", facts.name},
                     {"state", facts.state},
                     {"uptime_s", facts.uptime_s},
                     {"workers", graph.engine->workers()},
                     {"memory_bytes", graph.engine->memory_bytes()},
                     {"balanced", totals.balanced},
                     {"inputs", std::move(inputs)},
                     {"kernels", std::move(kernels)},
                     {"edges", std::move(edges)},
                     {"outputs", std::move(outputs)},
                     {"requests",
                      {{"sent", r.sent},
                       {"replied", r.replied},
                       {"failed", r.failed},
                       {"no_reply", r.no_reply},
                       {"timed_out", r.timed_out},
                       {"pending", r.pending},
                       {"late", r.late}}},
                     {"totals",
                      {{"lines", totals.lines},
                       {"bad", totals.bad},
                       {"handled", totals.handled},
                       {"emitted", totals.emitted},
                       {"written", totals.written},
                       {"failed", totals.failed},
                       {"dropped", totals.dropped},
                       {"in_flight", totals.in_flight}}}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string kernels_line(const RunGraph& graph) {
  constexpr size_t kMost = 4;
  std::string text;
  for (size_t i = 0; i < std::min(kMost, graph.kernels.size()); ++i) {
    const runtime::Node& node = *graph.kernels[i].node;
    const uint32_t blocks = node.blocks();
    text += fmt::format("{}{}: {}, {} block{}", i == 0 ? "" : "; ", graph.kernels[i].kernel->name,
                        node.device() ? fmt::format("cuda {}", *node.device()) : "cpu", blocks,
                        blocks == 1 ? "" : "s");
    if (node.device()) text += fmt::format(" x {} threads", node.options().block_size);
  }
  if (graph.kernels.size() > kMost)
    text += fmt::format("; and {} more", graph.kernels.size() - kMost);
  return text;
}

std::string summary_line(const RunGraph& graph) {
  const RunTotals totals = totals_of(graph);
  const bool letters = graph.dead_letters->letters() > 0;
  const std::string arrow = letters ? " -> " + graph.dead_letters->path() : "";
  std::string text = fmt::format("{} lines, {} bad{}; {} handled", totals.lines, totals.bad,
                                 totals.bad > 0 ? arrow : "", totals.handled);
  for (const auto& output : graph.outputs)
    text += fmt::format(", {} {}", output.step->counts().written, output.output->name);
  text += fmt::format(", {} failed{}, {} dropped", totals.failed, totals.bad == 0 ? arrow : "",
                      totals.dropped);
  return text;
}

std::string duration_text(double seconds) {
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
  return fmt::format("{:.1f} s", seconds);
}

}  // namespace ringkernel::launcher
