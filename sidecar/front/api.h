#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "common/http/listener.h"
#include "sidecar/front/inferences.h"
#include "sidecar/front/lifecycle.h"
#include "sidecar/front/metrics.h"
#include "sidecar/front/routes.h"

namespace pilotlight::front {

// The data port: the Open Inference Protocol v2, /predict, and what says how to use them (docs/api.md). Runs
// on the loop's thread.
class Api final : public http::Service {
 public:
  Api(Lifecycle& lifecycle, Inferences& inferences, Metrics& metrics, bool access_log);

  std::expected<std::uint64_t, http::Response> admit(http::Request& head) override;
  void serve(const std::shared_ptr<http::Exchange>& exchange) override;
  void finish(http::Request& request, http::Response& response,
              http::Exchange::Clock::time_point started) override;

 private:
  struct Context;

  std::expected<std::uint64_t, http::Response> admit_inference(const http::Request& head, Context& context);
  http::Response document(Route route) const;
  void infer(const std::shared_ptr<http::Exchange>& exchange, Context& context);
  void predict(const std::shared_ptr<http::Exchange>& exchange, Context& context);
  // Queues the inference; `render` makes the answer of a good outcome.
  void submit(const std::shared_ptr<http::Exchange>& exchange, Context& context, Inputs inputs,
              std::function<http::Response(const Answer&)> render);
  http::Response not_ready() const;

  Lifecycle& lifecycle_;
  Inferences& inferences_;
  Metrics& metrics_;
  bool access_log_;
};

}  // namespace pilotlight::front
