// The status document in the Prometheus text format. Counters start at zero with each run, as
// Prometheus expects of a process that was started again.
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <string>
#include <utility>
#include <vector>

#include "launcher/status_document_impl.hpp"

namespace ringkernel {
namespace {

using launcher::Json;
using launcher::list_of;
using launcher::text_of;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

// One member of the objects in a list of the document, as a family of metrics.
struct Column {
  const char* member;
  const char* metric;
  MetricType type;
  const char* help;
};

struct List {
  const char* list;   // in the document
  const char* id;     // the member that names its elements
  const char* label;  // and the label for it
  std::vector<Column> columns;
};

const std::vector<List>& lists() {
  constexpr auto kCounter = MetricType::Counter;
  constexpr auto kGauge = MetricType::Gauge;
  static const std::vector<List> kLists = {
      {"inputs",
       "name",
       "input",
       {{"lines", "ringk_input_lines_total", kCounter, "Lines read"},
        {"accepted", "ringk_input_accepted_total", kCounter, "Lines that became a message"},
        {"bad", "ringk_input_bad_total", kCounter, "Lines that became a dead letter"}}},
      {"kernels",
       "name",
       "kernel",
       {{"delivered", "ringk_kernel_delivered_total", kCounter, "Messages delivered"},
        {"handled", "ringk_kernel_handled_total", kCounter, "Messages handled"},
        {"failed", "ringk_kernel_failed_total", kCounter, "Messages that failed"},
        {"emitted", "ringk_kernel_emitted_total", kCounter, "Messages emitted, each copy"},
        {"restarts", "ringk_kernel_restarts_total", kCounter, "Restarts"},
        {"in_hand", "ringk_kernel_in_hand", kGauge, "Messages taken and not finished"},
        {"busy_s", "ringk_kernel_busy_seconds", kGauge, "Time that the longest turn takes so far"},
        {"blocks", "ringk_kernel_blocks", kGauge, "Blocks"}}},
      {"edges",
       "id",
       "edge",
       {{"offered", "ringk_edge_offered_total", kCounter, "Messages offered"},
        {"delivered", "ringk_edge_delivered_total", kCounter, "Messages delivered"},
        {"dropped", "ringk_edge_dropped_total", kCounter, "Messages dropped, as its policy asks"},
        {"failed", "ringk_edge_failed_total", kCounter, "Messages that failed on the way"},
        {"waited_s", "ringk_edge_waited_seconds_total", kCounter, "Time that senders waited"},
        {"depth", "ringk_edge_depth", kGauge, "Messages under way"},
        {"capacity", "ringk_edge_capacity", kGauge, "Messages that it can hold"}}},
      {"outputs",
       "name",
       "output",
       {{"delivered", "ringk_output_delivered_total", kCounter, "Messages delivered"},
        {"written", "ringk_output_written_total", kCounter, "Messages written"},
        {"failed", "ringk_output_failed_total", kCounter, "Messages that could not be written"},
        {"bytes", "ringk_output_bytes_total", kCounter, "Bytes written"},
        {"pending", "ringk_output_pending", kGauge, "Messages delivered and not yet written"}}},
  };
  return kLists;
}

ClientMetric metric_of(MetricType type, double value, Labels labels) {
  ClientMetric metric;
  metric.label = std::move(labels);
  if (type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return metric;
}

void add(std::vector<MetricFamily>& families, MetricFamily family) {
  if (!family.metric.empty()) families.push_back(std::move(family));
}

MetricFamily one(const char* name, MetricType type, const char* help, double value, Labels labels) {
  return {name, help, type, {metric_of(type, value, std::move(labels))}};
}

MetricFamily latencies(const Json& document, const ClientMetric::Label& topology) {
  MetricFamily family{"ringk_kernel_latency_seconds",
                      "Time from being sent to being handled",
                      MetricType::Gauge,
                      {}};
  for (const Json& kernel : list_of(document, "kernels")) {
    const auto latency = kernel.find("latency_us");
    if (latency == kernel.end() || !latency->is_object()) continue;
    for (const auto& [member, quantile] :
         {std::pair{"p50", "0.5"}, {"p99", "0.99"}, {"p999", "0.999"}, {"max", "1"}}) {
      const auto value = latency->find(member);
      if (value == latency->end() || !value->is_number()) continue;
      family.metric.push_back(
          metric_of(MetricType::Gauge, value->get<double>() / 1e6,
                    {topology, {"kernel", text_of(kernel, "name")}, {"quantile", quantile}}));
    }
  }
  return family;
}

}  // namespace

std::string StatusDocument::prometheus() const {
  const Json& document = impl_->json;
  const ClientMetric::Label topology{"topology", name()};
  std::vector<MetricFamily> families;
  add(families, one("ringk_up", MetricType::Gauge, "1 while the topology is ready",
                    state() == "ready" ? 1 : 0, {topology}));
  add(families, one("ringk_uptime_seconds", MetricType::Gauge, "Time since the launch", uptime_s(),
                    {topology}));
  if (const auto balanced = document.find("balanced");
      balanced != document.end() && balanced->is_boolean()) {
    add(families, one("ringk_balanced", MetricType::Gauge, "1 where every message is accounted for",
                      balanced->get<bool>() ? 1 : 0, {topology}));
  }
  for (const List& list : lists()) {
    for (const Column& column : list.columns) {
      MetricFamily family{column.metric, column.help, column.type, {}};
      for (const Json& element : list_of(document, list.list)) {
        if (!element.contains(column.member)) continue;
        family.metric.push_back(metric_of(column.type, launcher::amount(element, column.member),
                                          {topology, {list.label, text_of(element, list.id)}}));
      }
      add(families, std::move(family));
    }
  }
  MetricFamily active{"ringk_kernel_active", "1 while the kernel is active", MetricType::Gauge, {}};
  for (const Json& kernel : list_of(document, "kernels")) {
    active.metric.push_back(metric_of(MetricType::Gauge, text_of(kernel, "state") == "active",
                                      {topology, {"kernel", text_of(kernel, "name")}}));
  }
  add(families, std::move(active));
  add(families, latencies(document, topology));
  return ::prometheus::TextSerializer().Serialize(families);
}

}  // namespace ringkernel
