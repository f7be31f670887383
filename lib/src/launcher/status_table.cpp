// The status document as a table, a line per kernel.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "launcher/status_document_impl.hpp"

namespace ringkernel {
namespace {

using launcher::amount;
using launcher::Json;
using launcher::list_of;
using launcher::text_of;

std::string formatted(const char* format, double value) {
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), format, value);
  return std::string(text.data(), static_cast<size_t>(std::max(size, 0)));
}

std::string rate_text(double per_second) {
  if (per_second >= 1e9) return formatted("%.1fG/s", per_second / 1e9);
  if (per_second >= 1e6) return formatted("%.1fM/s", per_second / 1e6);
  if (per_second >= 1e3) return formatted("%.1fk/s", per_second / 1e3);
  return formatted(per_second >= 10 || per_second == 0 ? "%.0f/s" : "%.1f/s", per_second);
}

std::string time_text(double microseconds) {
  if (microseconds >= 1e6) return formatted("%.1fs", microseconds / 1e6);
  if (microseconds >= 1e4) return formatted("%.0fms", microseconds / 1e3);
  if (microseconds >= 1e3) return formatted("%.1fms", microseconds / 1e3);
  return formatted("%.0fus", microseconds);
}

std::string uptime_text(double seconds) {
  if (seconds < 60) return formatted("%.0fs", std::floor(seconds));
  const double minutes = std::floor(seconds / 60);
  if (minutes < 60) return formatted("%.0fm", minutes) + formatted("%.0fs", std::fmod(seconds, 60));
  const double hours = std::floor(minutes / 60);
  if (hours < 48) return formatted("%.0fh", hours) + formatted("%.0fm", std::fmod(minutes, 60));
  return formatted("%.0fd", std::floor(hours / 24)) + formatted("%.0fh", std::fmod(hours, 24));
}

struct Queue {
  double depth = 0;
  double capacity = 0;
};

std::map<std::string, Queue, std::less<>> queues_of(const Json& document) {
  std::map<std::string, Queue, std::less<>> queues;
  for (const Json& edge : list_of(document, "edges")) {
    Queue& queue = queues[std::string(launcher::edge_to(text_of(edge, "id")))];
    queue.depth += amount(edge, "depth");
    queue.capacity += amount(edge, "capacity");
  }
  return queues;
}

// What the edges into a kernel dropped.
double dropped_before(const Json& document, std::string_view kernel) {
  double dropped = 0;
  for (const Json& edge : list_of(document, "edges")) {
    if (launcher::edge_to(text_of(edge, "id")) == kernel) dropped += amount(edge, "dropped");
  }
  return dropped;
}

std::string queue_text(const Queue& queue) {
  std::string text = formatted("%.0f", queue.depth) + formatted("/%.0f", queue.capacity);
  if (queue.capacity > 0) text += formatted(" %.0f%%", 100 * queue.depth / queue.capacity);
  return text;
}

std::string latency_text(const Json& kernel, const char* quantile) {
  const auto latency = kernel.find("latency_us");
  if (latency == kernel.end() || !latency->is_object()) return "-";
  const auto value = latency->find(quantile);
  return value != latency->end() && value->is_number() ? time_text(value->get<double>()) : "-";
}

std::string place_text(const Json& kernel) {
  std::string place = text_of(kernel, "backend");
  const auto device = kernel.find("device");
  if (device != kernel.end() && device->is_number_integer()) {
    place += std::to_string(device->get<int64_t>());
  }
  return place;
}

const Json* find_kernel(const Json& document, const std::string& name) {
  for (const Json& kernel : list_of(document, "kernels")) {
    if (text_of(kernel, "name") == name) return &kernel;
  }
  return nullptr;
}

struct Cell {
  std::string text;
  const char* colour = nullptr;  // the number of an escape sequence
};
using Row = std::vector<Cell>;

constexpr const char* kRed = "31";
constexpr const char* kYellow = "33";
constexpr const char* kBold = "1";

Cell count_cell(double count, const char* colour_if_any) {
  return {formatted("%.0f", count), count > 0 ? colour_if_any : nullptr};
}

// A turn takes about 50 us, or as long as the handler does with one message.
constexpr double kLongTurnS = 1;

Cell state_cell(const std::string& state, double busy_s) {
  if (busy_s >= kLongTurnS) return {state + " (busy " + uptime_text(busy_s) + ")", kYellow};
  const char* colour = nullptr;
  if (state == "failed") colour = kRed;
  if (state == "deactivated" || state == "terminating" || state == "terminated") colour = kYellow;
  return {state, colour};
}

std::string render(const std::vector<Row>& rows, bool colour) {
  std::vector<size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].text.size());
  }
  std::string out;
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const bool coloured = colour && row[i].colour;
      if (coloured) out += std::string("\x1b[") + row[i].colour + "m";
      out += row[i].text;
      if (coloured) out += "\x1b[0m";
      if (i + 1 < row.size()) out.append(widths[i] - row[i].text.size() + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

}  // namespace

std::string StatusDocument::table(const StatusDocument* previous, bool colour) const {
  const Json& document = impl_->json;
  const auto queues = queues_of(document);
  std::vector<Row> rows;
  rows.emplace_back();
  for (const char* title : {"KERNEL", "ON", "STATE", "HANDLED", "FAILED", "DROPPED", "RATE",
                            "QUEUE", "P50", "P99", "UPTIME"}) {
    rows.back().push_back({title, kBold});
  }
  for (const Json& kernel : list_of(document, "kernels")) {
    const std::string kernel_name = text_of(kernel, "name");
    const double handled = amount(kernel, "handled");
    double handled_before = 0, since = 0;
    if (previous) {
      if (const Json* before = find_kernel(previous->impl_->json, kernel_name)) {
        handled_before = amount(*before, "handled");
        since = previous->uptime_s();
      }
    }
    const double seconds = uptime_s() - since;
    const auto queue = queues.find(kernel_name);
    const auto own_uptime = kernel.find("uptime_s");
    rows.push_back(
        {{kernel_name},
         {place_text(kernel)},
         state_cell(text_of(kernel, "state"), amount(kernel, "busy_s")),
         count_cell(handled, nullptr),
         count_cell(amount(kernel, "failed"), kRed),
         count_cell(dropped_before(document, kernel_name), kYellow),
         {rate_text(seconds > 0 ? (handled - handled_before) / seconds : 0)},
         {queue == queues.end() ? "-" : queue_text(queue->second)},
         {latency_text(kernel, "p50")},
         {latency_text(kernel, "p99")},
         {uptime_text(own_uptime != kernel.end() ? amount(kernel, "uptime_s") : uptime_s())}});
  }
  return render(rows, colour);
}

}  // namespace ringkernel
