#pragma once

#include <chrono>
#include <string>

#include "operator/plan/decision.h"

namespace pilotlight::control {

class OperatorKey;

// How long a signed order holds: as long as sidecars allow, for clocks that are behind.
inline constexpr std::chrono::minutes kOrderLasts{5};

// The body of the call: a DSSE envelope as in docs/sidecar.md, "Signed calls", which holds from `now` on.
// Thread-safe: no state.
std::string SignOrder(const OperatorKey& key, const plan::Order& order,
                      std::chrono::system_clock::time_point now);

}  // namespace pilotlight::control
