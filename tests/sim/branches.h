#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tests/sim/coverage.h"
#include "tests/sim/run.h"
#include "tests/sim/scenario.h"

namespace pilotlight::sim {

// A world in which one thing went wrong.
struct Branch {
  std::string mishap;  // Describe()
  Outcome outcome;     // in which a process that has crashed is a violation
};

struct Branches {
  Outcome usual;  // where nothing did
  std::vector<Branch> others;
};

// Runs `scenario`, and from each place on its way where something can go wrong every `stride`-th of all the
// worlds in which it does. Such a world begins there, in a process of its own (fork(2)), and so does not run
// again what is the same in all of them.
//
// Errors: std::system_error if there is no process or no pipe. Thread-safety: the program may have no other
// thread.
Branches RunBranches(const Scenario& scenario, Coverage& coverage, std::size_t stride);

}  // namespace pilotlight::sim
