// The door to cpprestsdk: the only source file that includes it is cpprest_transport.cpp.
//
// Thread-safety: as Transport.
#pragma once

#include <memory>
#include <string>

#include "operator/kube/config.h"
#include "operator/kube/transport.h"

namespace pilotlight::kube {

struct HttpSettings {
  std::string server;           // "https://host:port"
  std::string tls_server_name;  // empty: the server's host
  bool insecure_skip_tls_verify = false;
  PemSource ca;  // empty: the system's roots; else only these
  PemSource client_certificate;
  PemSource client_key;
  int threads = 4;  // of the process; what the first transport asks for holds
};

// The error is about the certificates or the URL; no connection is made yet. Destroying the transport cancels
// what is under way and waits for it.
std::expected<std::unique_ptr<Transport>, std::string> MakeCppRestTransport(const HttpSettings& settings);

}  // namespace pilotlight::kube
