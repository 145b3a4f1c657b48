#include "operator/kube/connect.h"

#include "operator/kube/auth_transport.h"
#include "operator/kube/cpprest_transport.h"
#include "operator/kube/credentials.h"
#include "operator/kube/metered_transport.h"

namespace pilotlight::kube {

std::expected<std::unique_ptr<Transport>, std::string> Connect(const Config& config, Clock& clock,
                                                               Metrics& metrics) {
  auto transport = MakeCppRestTransport({.server = config.server,
                                         .tls_server_name = config.tls_server_name,
                                         .insecure_skip_tls_verify = config.insecure_skip_tls_verify,
                                         .ca = config.ca,
                                         .client_certificate = config.client_certificate,
                                         .client_key = config.client_key});
  if (!transport) return std::unexpected(transport.error());
  std::string host = config.server.substr(config.server.find("//") + 2);
  host.resize(std::min(host.find('/'), host.size()));
  return WithCredentials(WithMetrics(std::move(*transport), host, clock, metrics),
                         MakeCredentials(config, clock));
}

}  // namespace pilotlight::kube
