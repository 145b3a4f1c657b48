#pragma once

#include <string>

#include "tests/sim/coverage.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace pilotlight::sim {

struct Outcome {
  std::string violation;  // empty: none
  std::string rest;       // World::rest
  std::string end;        // World::Describe
  std::size_t writes = 0;
  std::size_t orders = 0;
  std::size_t arrivals = 0;
  std::size_t plans = 0;
};

// Runs it in a world that is new.
Outcome RunIn(World& world, const Scenario& scenario);

// The same, in a world of its own.
Outcome Run(const Scenario& scenario, Coverage& coverage, Mischief mischief = {});

// Runs it, and compares the end with that of a world where the user wanted the last thing from the start and
// nothing was in the way. The violation is then that they differ.
Outcome RunAndCompare(const Scenario& scenario, Coverage& coverage);

}  // namespace pilotlight::sim
