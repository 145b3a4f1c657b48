// From a Config to a Transport that talks to that API server.
//
// Thread-safety: as Transport. One per process is enough; its threads (4) are the process's.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "operator/kube/config.h"
#include "operator/kube/transport.h"

namespace pilotlight {
class Clock;
}

namespace pilotlight::kube {

class Metrics;

// The transport with credentials, their renewal and metrics around it. Makes no connection yet: the error is
// about the configuration. Destroying it cancels what is under way and waits for it.
std::expected<std::unique_ptr<Transport>, std::string> Connect(const Config& config, Clock& clock,
                                                               Metrics& metrics);

}  // namespace pilotlight::kube
