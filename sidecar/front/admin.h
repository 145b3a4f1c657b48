#pragma once

#include <expected>
#include <functional>
#include <memory>

#include "common/http/listener.h"
#include "sidecar/front/lifecycle.h"
#include "sidecar/front/metrics.h"

namespace pilotlight::front {

// The admin port: livez, readyz, status, metrics (docs/sidecar.md). There from the first millisecond; it
// shares the data port's loop, so that livez tells the truth about it.
class Admin final : public http::Service {
 public:
  // `refresh` brings the gauges up to date before they are shown.
  Admin(const Lifecycle& lifecycle, Metrics& metrics, std::function<void()> refresh);

  std::expected<std::uint64_t, http::Response> admit(http::Request& head) override;
  void serve(const std::shared_ptr<http::Exchange>& exchange) override;

 private:
  http::Response answer(std::string_view path) const;
  http::Response ready() const;

  const Lifecycle& lifecycle_;
  Metrics& metrics_;
  std::function<void()> refresh_;
};

}  // namespace pilotlight::front
