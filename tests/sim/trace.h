#pragma once

#include <string>

#include "tests/sim/api_server.h"
#include "tests/sim/operator.h"

// A run in words, for whoever wants to know how it came to what it came to: PILOTLIGHT_SIM_TRACE=1 prints it.
//
// Thread-safety: no state.
namespace pilotlight::sim {

std::string Words(const Write& write);
std::string Words(const plan::Order& order);
std::string Words(const WriteResult& result);
// The newest change of that kind.
std::string LastChange(const ApiServer& api, ObjectKind kind);

}  // namespace pilotlight::sim
