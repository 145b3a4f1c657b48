#include "sidecar/front/admin.h"

#include <format>
#include <nlohmann/json.hpp>
#include <utility>

namespace pilotlight::front {
namespace {

using nlohmann::json;

std::string dump(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

// A signed call with as many peers and callers as it may have.
constexpr std::uint64_t kMostCallBytes = 128 * 1024;

}  // namespace

Admin::Admin(const Lifecycle& lifecycle, Metrics& metrics, Orders& orders, std::function<void()> refresh,
             std::function<void(json&)> extend)
    : lifecycle_(lifecycle),
      metrics_(metrics),
      orders_(orders),
      refresh_(std::move(refresh)),
      extend_(std::move(extend)) {}

std::expected<std::uint64_t, http::Response> Admin::admit(http::Request& head) {
  const std::string_view allowed = Orders::known(head.path) ? "PUT" : "GET, HEAD";
  if (allowed == "PUT" && head.method == "PUT") return kMostCallBytes;
  if (allowed != "PUT" && (head.method == "GET" || head.method == "HEAD")) return 0;
  auto refusal = http::error(405, std::format("the method must be {}", allowed));
  refusal.fields.emplace_back("allow", allowed);
  return std::unexpected(std::move(refusal));
}

void Admin::serve(const std::shared_ptr<http::Exchange>& exchange) {
  const auto& request = exchange->request;
  exchange->respond(Orders::known(request.path) ? orders_.obey(request.path, request.body)
                                                : answer(request.path));
}

http::Response Admin::answer(std::string_view path) const {
  if (path == "/livez") return {.body = "ok\n", .content_type = "text/plain"};
  if (path == "/readyz") return ready();
  if (path == "/status") return status();
  if (path == "/metrics") {
    refresh_();
    return {.body = metrics_.text(), .content_type = "text/plain; version=0.0.4; charset=utf-8"};
  }
  return http::error(404,
                     "there is nothing here; known are /livez, /readyz, /status, /metrics and, for the "
                     "operator, /split and /drain");
}

http::Response Admin::status() const {
  auto document = status_document(lifecycle_.status(), lifecycle_.config().identity);
  extend_(document);
  return {.body = dump(document)};
}

http::Response Admin::ready() const {
  const auto status = lifecycle_.status();
  json document = {{"phase", phase_name(status.phase)}, {"reason", ""}, {"message", ""}};
  if (status.failure) {
    document["reason"] = status.failure->reason;
    document["message"] = status.failure->message;
  }
  return {.status = status.ready() ? 200U : 503U, .body = dump(document)};
}

}  // namespace pilotlight::front
