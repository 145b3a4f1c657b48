// Counts and times requests, under client-go's names (rest_client_*).
//
// Thread-safety: as Transport.
#pragma once

#include <memory>
#include <string>

#include "operator/kube/transport.h"

namespace pilotlight {
class Clock;
}

namespace pilotlight::kube {

class Metrics;

// `host` labels the metrics. Streams are counted, not timed.
std::unique_ptr<Transport> WithMetrics(std::unique_ptr<Transport> transport, std::string host, Clock& clock,
                                       Metrics& metrics);

}  // namespace pilotlight::kube
