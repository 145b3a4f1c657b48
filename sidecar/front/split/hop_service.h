#pragma once

#include <expected>
#include <memory>

#include "common/http/listener.h"
#include "sidecar/front/api.h"
#include "sidecar/front/split/split.h"

namespace pilotlight::front {

// The hop's port: inferences that other fronts hand over, and nothing else. Who they are, TLS has shown;
// whether they still may is asked at each request, as a connection outlives a split. Nothing goes on from
// here to a third pod. Runs on the loop's thread.
class HopService final : public http::Service {
 public:
  HopService(Api& api, const Split& split) : api_(api), split_(split) {}

  std::expected<std::uint64_t, http::Response> admit(http::Request& head) override;
  void serve(const std::shared_ptr<http::Exchange>& exchange) override { api_.serve(exchange); }
  void finish(http::Request& request, http::Response& response,
              http::Exchange::Clock::time_point started) override {
    api_.finish(request, response, started);
  }

 private:
  Api& api_;
  const Split& split_;
};

}  // namespace pilotlight::front
