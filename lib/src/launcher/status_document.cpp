#include "ringkernel/status_document.hpp"

#include <utility>
#include <vector>

#include "launcher/status_document_impl.hpp"
#include "ringkernel/nearest_name.hpp"

namespace ringkernel {

using launcher::Json;

namespace launcher {

double amount(const Json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

std::string_view edge_from(std::string_view id) { return id.substr(0, id.find_first_of(".:")); }

std::string_view edge_to(std::string_view id) {
  const size_t colon = id.find(':');
  return colon == std::string_view::npos ? std::string_view() : id.substr(colon + 1);
}

}  // namespace launcher

StatusDocument::StatusDocument(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StatusDocument::~StatusDocument() = default;
StatusDocument::StatusDocument(StatusDocument&& other) noexcept = default;
StatusDocument& StatusDocument::operator=(StatusDocument&& other) noexcept = default;

Result<StatusDocument> StatusDocument::parse(std::string json) {
  auto impl = std::make_unique<Impl>();
  impl->json = Json::parse(json, nullptr, false);
  if (!impl->json.is_object()) {
    return fail(ErrorCode::ProtocolError, "a status that is no JSON object");
  }
  const std::string schema = launcher::text_of(impl->json, "schema");
  if (schema != "ringk.status/1") {
    return fail(ErrorCode::ProtocolError,
                "a status of schema '" + schema + "', and not of 'ringk.status/1'");
  }
  impl->text = std::move(json);
  return StatusDocument(std::move(impl));
}

std::string StatusDocument::name() const { return launcher::text_of(impl_->json, "name"); }
std::string StatusDocument::state() const { return launcher::text_of(impl_->json, "state"); }
double StatusDocument::uptime_s() const { return launcher::amount(impl_->json, "uptime_s"); }
const std::string& StatusDocument::json() const { return impl_->text; }

Result<StatusDocument> StatusDocument::kernel(std::string_view name) const {
  auto impl = std::make_unique<Impl>();
  std::vector<std::string> names;
  Json kernels = Json::array(), edges = Json::array();
  for (const Json& kernel : launcher::list_of(impl_->json, "kernels")) {
    names.push_back(launcher::text_of(kernel, "name"));
    if (names.back() == name) kernels.push_back(kernel);
  }
  if (kernels.empty()) {
    const std::string meant = nearest_name(name, names);
    std::string message = this->name();
    message += ": there is no kernel '" + std::string(name) + "'";
    if (!meant.empty()) message += ": did you mean '" + meant + "'?";
    return fail(ErrorCode::KernelNotFound, std::move(message));
  }
  for (const Json& edge : launcher::list_of(impl_->json, "edges")) {
    const std::string id = launcher::text_of(edge, "id");
    if (launcher::edge_from(id) == name || launcher::edge_to(id) == name) edges.push_back(edge);
  }
  for (const auto& [member, value] : impl_->json.items()) {
    if (!value.is_array() && member != "totals") impl->json[member] = value;
  }
  impl->json["kernels"] = std::move(kernels);
  impl->json["edges"] = std::move(edges);
  impl->text = impl->json.dump();
  return StatusDocument(std::move(impl));
}

}  // namespace ringkernel
