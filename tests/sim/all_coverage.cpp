#include "tests/sim/all_coverage.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iostream>

namespace pilotlight::sim {
namespace {

class Printed : public ::testing::Environment {
 public:
  void TearDown() override {
    const Coverage& all = AllCoverage();
    std::cout << all.states() << " distinct states, " << all.transitions() << " distinct transitions\n";
    if (const char* file = std::getenv("PILOTLIGHT_SIM_COVERAGE")) {
      std::ofstream out(file);
      all.Write(out);
    }
  }
};
[[maybe_unused]] const auto* const kPrinted = ::testing::AddGlobalTestEnvironment(new Printed);

}  // namespace

Coverage& AllCoverage() {
  static Coverage all;
  return all;
}

}  // namespace pilotlight::sim
