// /healthz, /readyz and /metrics.
//
// Live: our own threads make progress. That the API server is unreachable is not our illness: a restart of
// every operator would not mend it. Ready: stores are synced. Thread-safety: add checks before serving;
// answers may be asked for from any thread.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace pilotlight::http {
struct Request;
struct Response;
}  // namespace pilotlight::http

namespace pilotlight::kube {

class Metrics;

class Health {
 public:
  using Check = std::function<bool()>;
  explicit Health(Metrics& metrics) : metrics_(metrics) {}

  void AddLive(std::string name, Check check) { live_.emplace_back(std::move(name), std::move(check)); }
  void AddReady(std::string name, Check check) { ready_.emplace_back(std::move(name), std::move(check)); }

  // For http::Server. Unknown paths are 404, methods other than GET and HEAD 405. With ?verbose, or when a
  // check fails, the body lists every check.
  http::Response Handle(const http::Request& request) const;

 private:
  using Checks = std::vector<std::pair<std::string, Check>>;
  Metrics& metrics_;
  Checks live_;
  Checks ready_;
};

}  // namespace pilotlight::kube
