#pragma once

#include "tests/sim/coverage.h"

namespace pilotlight::sim {

// What all tests of this program have seen. Printed at its end, and written to the file that
// PILOTLIGHT_SIM_COVERAGE names.
//
// Thread-safety: one thread.
Coverage& AllCoverage();

}  // namespace pilotlight::sim
