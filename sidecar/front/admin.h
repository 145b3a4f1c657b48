#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "common/http/listener.h"
#include "sidecar/front/lifecycle.h"
#include "sidecar/front/metrics.h"
#include "sidecar/front/split/orders.h"

namespace pilotlight::front {

// The admin port: livez, readyz, status, metrics, and the operator's signed calls (docs/sidecar.md). There
// from the first millisecond; it shares the data port's loop, so that livez tells the truth about it.
class Admin final : public http::Service {
 public:
  // `refresh` brings the gauges up to date before they are shown.
  // `extend` adds to the status document what Lifecycle knows nothing of.
  Admin(const Lifecycle& lifecycle, Metrics& metrics, Orders& orders, std::function<void()> refresh,
        std::function<void(nlohmann::json&)> extend);

  std::expected<std::uint64_t, http::Response> admit(http::Request& head) override;
  void serve(const std::shared_ptr<http::Exchange>& exchange) override;

 private:
  http::Response answer(std::string_view path) const;
  http::Response ready() const;
  http::Response status() const;

  const Lifecycle& lifecycle_;
  Metrics& metrics_;
  Orders& orders_;
  std::function<void()> refresh_;
  std::function<void(nlohmann::json&)> extend_;
};

}  // namespace pilotlight::front
