#include "tests/sim/branches.h"

#include <gtest/gtest.h>

#include "tests/sim/mishap.h"

namespace pilotlight::sim {
namespace {

// 'write 5 6', as Describe() says it.
std::string Disturbance(const std::string& mishap) {
  const auto begin = mishap.find('\'') + 1;
  return mishap.substr(begin, mishap.rfind('\'') - begin);
}

TEST(Branches, EndLikeAWorldFromTheStartInWhichTheSameGoesWrong) {
  const auto scenario = ParseScenario("41 replicas=2 Canary(0)+40000ms Edit(1)+40000ms Wait(0)+40000ms");
  ASSERT_TRUE(scenario);
  Coverage coverage;
  const auto [usual, others] = RunBranches(*scenario, coverage, 97);
  EXPECT_EQ(usual.violation, "");
  EXPECT_GE(others.size(), 3U);
  for (const auto& [mishap, outcome] : others) {
    Coverage unused;
    const Outcome again = sim::Run(*scenario, unused, ParseMischief(Disturbance(mishap)));
    EXPECT_EQ(outcome.violation, again.violation) << mishap;
    EXPECT_EQ(outcome.rest, again.rest) << mishap;
    EXPECT_EQ(outcome.end, again.end) << mishap;
  }
}

}  // namespace
}  // namespace pilotlight::sim
