#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "sidecar/front/inferences.h"
#include "sidecar/front/routes.h"
#include "sidecar/front/split/split.h"
#include "sidecar/front/status.h"

namespace pilotlight::front {

// The front's metrics. Those named nv_* are Triton's, so that its dashboards work; each counts what it counts
// there. Runs on the loop's thread.
class Metrics {
 public:
  explicit Metrics(const Identity& identity);
  ~Metrics();

  void answered(Route route, unsigned code, std::chrono::duration<double> took);
  // A request that another front has mirrored to this one: nobody's.
  void mirrored(unsigned code);
  // One inference with `batch` instances; `took` from the request's head to its outcome.
  void inferred(const Answer& answer, std::int64_t batch, std::chrono::duration<double> took);
  // An inference whose inputs or outputs hold NaN or infinity.
  void non_finite_inputs();
  void non_finite_outputs();
  // A request for an inference that was refused because too many wait.
  void rejected();
  void rechecked(const RecheckReport& report);
  // A golden case failed and passed the next time.
  void recheck_unconfirmed();
  void set_state(const Status& status);
  void set_split(const Split& split);
  void set_load(std::size_t open_requests, std::size_t waiting, std::size_t in_flight);

  // The Prometheus text format.
  std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pilotlight::front
