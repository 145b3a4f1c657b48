// Each named scenario, with one thing going wrong at each place where it can: before and after every write,
// and at every event. It ends as if nothing had.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "tests/sim/all_coverage.h"
#include "tests/sim/branches.h"
#include "tests/sim/named.h"

namespace pilotlight::sim {
namespace {

class Sweep : public ::testing::TestWithParam<Named> {};

// One of how many mishaps happens. A canary's run takes long, and has a thousand of them, of which every
// eleventh is enough: it has no divisor in common with the numbers of fates, so that each fate has its turn.
// With sanitizers it is a sample. PILOTLIGHT_SIM_STRIDE=1 in the environment: each of all.
std::size_t StrideOf(const Named& named) {
  if (const char* set = std::getenv("PILOTLIGHT_SIM_STRIDE"); set != nullptr)
    return static_cast<std::size_t>(std::max(std::atoll(set), 1LL));
  const bool canary = std::string_view(named.name).starts_with("Canary");
  return PILOTLIGHT_SIM_STRIDE * (canary ? 11 : 1);
}

TEST_P(Sweep, EndsTheSameWhateverGoesWrongAtOnePlace) {
  const auto scenario = ParseScenario(GetParam().scenario);
  ASSERT_TRUE(scenario);
  const std::size_t stride = StrideOf(GetParam());
  const auto [usual, others] = RunBranches(*scenario, AllCoverage(), stride);
  ASSERT_EQ(usual.violation, "");
  for (const auto& [mishap, outcome] : others) {
    const std::string replay = mishap + "\nPILOTLIGHT_SIM_REPLAY='" + std::string(GetParam().scenario) + "'";
    ASSERT_EQ(outcome.violation, "") << replay;
    if (!GetParam().end_only) {
      ASSERT_EQ(outcome.rest, usual.rest) << replay;
    }
    ASSERT_EQ(outcome.end, usual.end) << replay;
  }
  std::cout << others.size() << " runs, " << usual.writes << " writes, " << usual.orders << " orders, "
            << usual.arrivals << " events\n";
}

INSTANTIATE_TEST_SUITE_P(Named, Sweep, ::testing::ValuesIn(AllNamed()),
                         [](const auto& named) { return std::string(named.param.name); });

}  // namespace
}  // namespace pilotlight::sim
