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
#include "sidecar/front/request.h"
#include "sidecar/front/routes.h"
#include "sidecar/front/split/split.h"

namespace pilotlight::front {

// The data port: the Open Inference Protocol v2, /predict, and what says how to use them (docs/api.md). Runs
// on the loop's thread.
class Api final : public http::Service {
 public:
  Api(Lifecycle& lifecycle, Inferences& inferences, Metrics& metrics, Split& split, bool access_log);

  std::expected<std::uint64_t, http::Response> admit(http::Request& head) override;
  // In place of admit(), for a request that another front has handed over: an inference, answered here.
  std::expected<std::uint64_t, http::Response> admit_hop(http::Request& head);
  void serve(const std::shared_ptr<http::Exchange>& exchange) override;
  void finish(http::Request& request, http::Response& response,
              http::Exchange::Clock::time_point started) override;

 private:
  struct Context;

  std::expected<std::uint64_t, http::Response> admit_inference(const http::Request& head, Context& context);
  http::Response document(Route route) const;
  void hand_over(const std::shared_ptr<http::Exchange>& exchange, Context& context);
  void handed_over(const std::shared_ptr<http::Exchange>& exchange, Context& context, HopResult result);
  void serve_here(const std::shared_ptr<http::Exchange>& exchange, Context& context);
  void let_body_go(const std::shared_ptr<http::Exchange>& exchange, Context& context);
  http::Response refusal(const BadRequest& bad, const Context& context) const;
  // For the split, once for each request.
  void count(Context& context, Verdict verdict, std::chrono::duration<double> took);
  void infer(const std::shared_ptr<http::Exchange>& exchange, Context& context);
  void predict(const std::shared_ptr<http::Exchange>& exchange, Context& context);
  // Queues the inference; `render` makes the answer of a good outcome.
  void submit(const std::shared_ptr<http::Exchange>& exchange, Context& context, Inputs inputs,
              std::function<http::Response(const Answer&)> render);
  http::Response not_ready() const;

  Lifecycle& lifecycle_;
  Inferences& inferences_;
  Metrics& metrics_;
  Split& split_;
  bool access_log_;
};

}  // namespace pilotlight::front
