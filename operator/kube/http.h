// One exchange with the API server, without any I/O. Thread-safety: plain values.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace pilotlight::kube {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;  // "GET"
  std::string target;  // path and query, percent-encoded: "/api/v1/pods?limit=500"
  Headers headers = {};
  std::string body = {};
};

struct HttpResponse {
  int status = 0;
  std::string body = {};
};

}  // namespace pilotlight::kube
