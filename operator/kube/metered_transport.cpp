#include "operator/kube/metered_transport.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>

#include "common/time/clock.h"
#include "operator/kube/metrics.h"

namespace pilotlight::kube {
namespace {

// client-go's word for requests without an answer.
std::string CodeOf(int http_status) {
  return http_status == 0 ? "<error>" : std::to_string(http_status);
}

class MeteredTransport final : public Transport {
 public:
  MeteredTransport(std::unique_ptr<Transport> transport, std::string host, Clock& clock, Metrics& metrics)
      : transport_(std::move(transport)), host_(std::move(host)), clock_(clock), metrics_(metrics) {}

  Result<HttpResponse> Call(const HttpRequest& request, const CallOptions& options,
                            const std::stop_token& stop) override {
    const auto start = clock_.Monotonic();
    auto response = transport_->Call(request, options, stop);
    static const std::vector<double> kBuckets{0.005, 0.025, 0.1, 0.25, 0.5,  1.0,
                                              2.0,   4.0,   8.0, 15.0, 30.0, 60.0};
    metrics_
        .Histogram("rest_client_request_duration_seconds", "How long calls took, in seconds",
                   {{"verb", request.method}, {"host", host_}}, kBuckets)
        .Observe(std::chrono::duration<double>(clock_.Monotonic() - start).count());
    Count(request, response ? response->status : response.error().http_status);
    return response;
  }

  Result<void> Stream(const HttpRequest& request, const StreamOptions& options, const LineSink& sink,
                      const std::stop_token& stop) override {
    auto result = transport_->Stream(request, options, sink, stop);
    Count(request, result ? 200 : result.error().http_status);
    return result;
  }

 private:
  void Count(const HttpRequest& request, int http_status) {
    metrics_
        .Counter("rest_client_requests_total", "Requests, by the answer's code",
                 {{"code", CodeOf(http_status)}, {"method", request.method}, {"host", host_}})
        .Increment();
  }

  const std::unique_ptr<Transport> transport_;
  const std::string host_;
  Clock& clock_;
  Metrics& metrics_;
};

}  // namespace

std::unique_ptr<Transport> WithMetrics(std::unique_ptr<Transport> transport, std::string host, Clock& clock,
                                       Metrics& metrics) {
  return std::make_unique<MeteredTransport>(std::move(transport), std::move(host), clock, metrics);
}

}  // namespace pilotlight::kube
