#include "ringkernel/status_document.hpp"

#include <doctest/doctest.h>

#include "ringkernel/status_expression.hpp"

using namespace ringkernel;

namespace {

const char* const kDocument =
    R"({"schema":"ringk.status/1","name":"fraud","state":"ready","uptime_s":10.0,"balanced":true,)"
    R"("inputs":[{"name":"orders","lines":120,"accepted":118,"bad":2}],)"
    R"("kernels":[{"name":"score","backend":"cuda","device":0,"state":"active","mode":"persistent",)"
    R"("blocks":4,"delivered":118,"handled":115,"failed":3,"in_hand":0,"emitted":115,)"
    R"("latency_us":{"p50":21,"p99":1900,"max":40000},"restarts":0},)"
    R"({"name":"my-audit","backend":"cpu","device":null,"state":"deactivated","blocks":1,)"
    R"("delivered":0,"handled":0,"failed":0,"in_hand":0,"emitted":0,"latency_us":null,"restarts":0}],)"
    R"("edges":[{"id":"orders:score","offered":118,"delivered":118,"dropped":7,"failed":0,)"
    R"("depth":61,"capacity":1024,"waited_s":1.25},)"
    R"({"id":"score.alert:my-audit","offered":1,"delivered":0,"dropped":0,"failed":0,"depth":1,)"
    R"("capacity":16,"waited_s":0}],)"
    R"("outputs":[{"name":"alerts","delivered":5,"written":5,"failed":0,"pending":0,"bytes":180}],)"
    R"("totals":{"lines":120,"bad":2,"handled":115,"failed":3,"dropped":7,"in_flight":62}})";

StatusDocument document() { return StatusDocument::parse(kDocument).value(); }

bool holds(const char* text) {
  return StatusExpression::parse(text).value().holds(document()).value();
}

std::string mistake(const char* text) {
  const auto expression = StatusExpression::parse(text);
  if (!expression) return expression.error().message;
  const auto answer = expression->holds(document());
  return answer ? "none" : answer.error().message;
}

}  // namespace

TEST_CASE("a table has a line per kernel with aligned columns") {
  CHECK(document().table(nullptr, false) ==
        "KERNEL    ON     STATE        HANDLED  FAILED  DROPPED  RATE  QUEUE       P50   P99    "
        "UPTIME\n"
        "score     cuda0  active       115      3       7        12/s  61/1024 6%  21us  1.9ms  "
        "10s\n"
        "my-audit  cpu    deactivated  0        0       0        0/s   1/16 6%     -     -      "
        "10s\n");
}

TEST_CASE("a kernel whose handler has been at one message for long is named") {
  std::string busy = kDocument;
  const std::string state = R"("state":"active",)";
  busy.replace(busy.find(state), state.size(), state + R"("busy_s":12.3,)");
  const std::string table = StatusDocument::parse(busy).value().table(nullptr, false);
  CHECK(table.find("score     cuda0  active (busy 12s)  115 ") != std::string::npos);
}

TEST_CASE("the rate is that since the picture before") {
  std::string earlier = kDocument;
  earlier.replace(earlier.find("\"uptime_s\":10.0"), 15, "\"uptime_s\":9.5");
  earlier.replace(earlier.find("\"handled\":115"), 13, "\"handled\":15");
  const auto before = StatusDocument::parse(earlier).value();
  CHECK(document().table(&before, false).find(" 200/s ") != std::string::npos);
}

TEST_CASE("colour marks what needs a look and nothing else changes") {
  const std::string plain = document().table(nullptr, false);
  std::string coloured = document().table(nullptr, true);
  CHECK(coloured.find("\x1b[31m3\x1b[0m") != std::string::npos);
  for (size_t at; (at = coloured.find('\x1b')) != std::string::npos;) {
    coloured.erase(at, coloured.find('m', at) - at + 1);
  }
  CHECK(coloured == plain);
}

TEST_CASE("one kernel's status has that kernel and its edges alone") {
  const auto one = document().kernel("my-audit").value();
  CHECK(one.json().find("score.alert:my-audit") != std::string::npos);
  CHECK(one.json().find("orders:score") == std::string::npos);
  CHECK(one.json().find("\"name\":\"score\"") == std::string::npos);
  CHECK(one.name() == "fraud");
  const auto none = document().kernel("scoer");
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::KernelNotFound);
  CHECK(none.error().message.find("did you mean 'score'?") != std::string::npos);
}

TEST_CASE("a document of another schema is refused") {
  CHECK_FALSE(StatusDocument::parse("{}"));
  CHECK_FALSE(StatusDocument::parse("[1]"));
  CHECK_FALSE(StatusDocument::parse(R"({"schema":"ringk.status/2"})"));
}

TEST_CASE("Prometheus gets counters, gauges and labels") {
  const std::string text = document().prometheus();
  for (const char* line :
       {"# TYPE ringk_kernel_handled_total counter",
        "ringk_kernel_handled_total{topology=\"fraud\",kernel=\"score\"} 115",
        "ringk_input_bad_total{topology=\"fraud\",input=\"orders\"} 2",
        "# TYPE ringk_edge_depth gauge",
        "ringk_edge_depth{topology=\"fraud\",edge=\"orders:score\"} 61",
        "ringk_edge_waited_seconds_total{topology=\"fraud\",edge=\"orders:score\"} 1.25",
        "ringk_output_bytes_total{topology=\"fraud\",output=\"alerts\"} 180",
        "ringk_kernel_active{topology=\"fraud\",kernel=\"my-audit\"} 0",
        "ringk_up{topology=\"fraud\"} 1"}) {
    CAPTURE(line);
    CHECK(text.find(std::string(line) + "\n") != std::string::npos);
  }
  CHECK(text.find("kernel=\"my-audit\",quantile") == std::string::npos);
}

TEST_CASE("expressions compare numbers, texts and flags of the document") {
  CHECK(holds("failed > 0"));
  CHECK(holds("totals.failed >= 3 && totals.failed <= 3"));
  CHECK_FALSE(holds("score.failed > 3"));
  CHECK(holds("edges[\"orders:score\"].depth > 60"));
  CHECK(holds("edges['orders:score'].waited_s == 1.25"));
  CHECK(holds("kernels[\"my-audit\"].state != \"active\""));
  CHECK(holds("score.state == 'active'"));
  CHECK(holds("balanced"));
  CHECK_FALSE(holds("!balanced"));
  CHECK(holds("balanced == true"));
  CHECK(holds("score.latency_us.p99 > 1e3"));
  CHECK(holds("bad / lines > 0.01"));
  CHECK(holds("1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && -1 < 0"));
  CHECK(holds("failed > 100 || dropped > 0 && bad > 0"));
  CHECK_FALSE(holds("(failed > 100 || dropped > 0) && bad > 100"));
  CHECK_FALSE(holds("kernels[\"my-audit\"].latency_us.p99 > 0"));
}

TEST_CASE("a mistake in an expression is named") {
  CHECK(mistake("faild > 0") == "the status has no 'faild': did you mean 'failed'?");
  CHECK(mistake("score.handeld > 0") == "'score' has no 'handeld': did you mean 'handled'?");
  CHECK(mistake("failed > 0 || balancd") ==
        "the status has no 'balancd': did you mean 'balanced'?");
  CHECK(mistake("failed = 0").starts_with("column 8: unexpected '='; the operators are"));
  CHECK(mistake("failed >") == "column 9: it ends too early");
  CHECK(mistake("(failed > 0") == "column 12: it ends too early");
  CHECK(mistake("1 < 2 < 3") == "column 7: unexpected '<'");
  CHECK(mistake("failed") == "expected a condition, found a number");
  CHECK(mistake("score > 1") == "'score' is no single value");
  CHECK(mistake("name > 1") == "'>' does not work on text and a number");
  CHECK(mistake("edges[1].depth > 1") == "column 7: unexpected '1'");
  CHECK(mistake(std::string(5000, '(').c_str()).starts_with("column 101: "));
  CHECK(mistake("") == "column 1: it ends too early");
}
