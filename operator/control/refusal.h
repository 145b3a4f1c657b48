#pragma once

#include <string>

#include "operator/control/ask.h"

namespace pilotlight::control {

// Why a sidecar has not done what it was told, for a status and a log: empty if it has. What it says itself
// is cut, printable, and without addresses, which change from pod to pod and are nobody's business.
// Thread-safe: no state.
std::string WhyNotObeyed(const Answer& answer);

}  // namespace pilotlight::control
