#include "operator/kube/health.h"

#include "common/http/message.h"
#include "operator/kube/metrics.h"

namespace pilotlight::kube {
namespace {

http::Response Plain(unsigned status, std::string body) {
  return {.status = status, .body = std::move(body), .content_type = "text/plain; charset=utf-8"};
}

http::Response Answer(const std::vector<std::pair<std::string, Health::Check>>& checks, bool verbose) {
  bool all = true;
  std::string list;
  for (const auto& [name, check] : checks) {
    const bool good = check();
    all = all && good;
    list += (good ? "[+]" : "[-]") + name + (good ? " ok\n" : " failed\n");
  }
  if (all && !verbose) return Plain(200, "ok");
  return Plain(all ? 200 : 500, list + (all ? "check passed\n" : "check failed\n"));
}

}  // namespace

http::Response Health::Handle(const http::Request& request) const {
  if (request.method != "GET" && request.method != "HEAD") {
    auto response = Plain(405, "only GET and HEAD are answered here\n");
    response.fields.emplace_back("Allow", "GET, HEAD");
    return response;
  }
  const bool verbose = request.query.contains("verbose");
  if (request.path == "/healthz") return Answer(live_, verbose);
  if (request.path == "/readyz") return Answer(ready_, verbose);
  if (request.path == "/metrics") {
    return {
        .status = 200, .body = metrics_.Text(), .content_type = "text/plain; version=0.0.4; charset=utf-8"};
  }
  return Plain(404, "there is /healthz, /readyz and /metrics\n");
}

}  // namespace pilotlight::kube
