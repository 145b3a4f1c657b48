#include "sidecar/front/admin.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace pilotlight::front {
namespace {

using nlohmann::json;

std::string dump(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

Admin::Admin(const Lifecycle& lifecycle, Metrics& metrics, std::function<void()> refresh)
    : lifecycle_(lifecycle), metrics_(metrics), refresh_(std::move(refresh)) {}

std::expected<std::uint64_t, http::Response> Admin::admit(http::Request& head) {
  if (head.method == "GET" || head.method == "HEAD") return 0;
  auto refusal = http::error(405, "the method must be GET, HEAD");
  refusal.fields.emplace_back("allow", "GET, HEAD");
  return std::unexpected(std::move(refusal));
}

void Admin::serve(const std::shared_ptr<http::Exchange>& exchange) {
  exchange->respond(answer(exchange->request.path));
}

http::Response Admin::answer(std::string_view path) const {
  if (path == "/livez") return {.body = "ok\n", .content_type = "text/plain"};
  if (path == "/readyz") return ready();
  if (path == "/status")
    return {.body = dump(status_document(lifecycle_.status(), lifecycle_.config().identity))};
  if (path == "/metrics") {
    refresh_();
    return {.body = metrics_.text(), .content_type = "text/plain; version=0.0.4; charset=utf-8"};
  }
  return http::error(404, "there is nothing here; known are /livez, /readyz, /status and /metrics");
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
