// Random scenarios, ten thousand and more: the invariants hold after everything that happens, and each ends
// like a world in which nothing was ever in the way.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <numeric>
#include <sstream>

#include "tests/sim/all_coverage.h"
#include "tests/sim/run.h"

namespace pilotlight::sim {
namespace {

std::int64_t FromEnvironment(const char* name, std::int64_t usual) {
  const char* set = std::getenv(name);
  return set == nullptr ? usual : std::atoll(set);
}

// RapidCheck scales ranges by size, which here is the number of steps and nothing else.
rc::Gen<int> Upto(int most) {
  return rc::gen::resize(100, rc::gen::inRange(0, most + 1));
}

rc::Gen<Do> AnyDo() {
  const auto& all = AllDos();
  const int sum =
      std::accumulate(all.begin(), all.end(), 0, [](int n, const DoInfo& info) { return n + info.weight; });
  return rc::gen::noShrink(rc::gen::map(Upto(sum - 1), [&all](int number) {
    auto found = all.begin();
    for (; number >= found->weight; ++found) number -= found->weight;
    return found->what;
  }));
}

rc::Gen<Step> AnyStep() {
  return rc::gen::map(rc::gen::tuple(AnyDo(), Upto(100), Upto(kPauses * 4 - 1)), [](const auto& parts) {
    const auto [what, argument, pause] = parts;
    // The longest pauses, which only deadlines need, are rare.
    return Step{what, argument % (InfoOf(what).most + 1), pause < kPauses ? pause : (pause % (kPauses - 2))};
  });
}

rc::Gen<Scenario> AnyScenario() {
  return rc::gen::map(rc::gen::tuple(rc::gen::noShrink(Upto(1'000'000)), Upto(4),
                                     rc::gen::container<std::vector<Step>>(AnyStep()), Upto(15)),
                      [](auto parts) {
                        auto& [seed, replicas, steps, strategy] = parts;
                        // Half of them are canaries from the start.
                        const Step canary{Do::kCanary, strategy, 6};
                        if (strategy <= InfoOf(Do::kCanary).most) steps.insert(steps.begin(), canary);
                        return Scenario{static_cast<std::uint64_t>(seed), replicas, std::move(steps)};
                      });
}

class RandomScenarios : public ::testing::TestWithParam<int> {};

TEST_P(RandomScenarios, HoldEveryInvariantAndEndLikeTheUndisturbed) {
  const auto runs = FromEnvironment("PILOTLIGHT_SIM_RUNS", PILOTLIGHT_SIM_RUNS);
  const rc::detail::TestParams params{
      .seed = static_cast<std::uint64_t>(FromEnvironment("PILOTLIGHT_SIM_SEED", 1) * 1000 + GetParam()),
      .maxSuccess = static_cast<int>(runs),
      .maxSize = 16,
      .disableShrinking = FromEnvironment("PILOTLIGHT_SIM_SHRINK", 1) == 0};
  Coverage& coverage = AllCoverage();
  std::size_t plans = 0;
  std::size_t ran = 0;
  const auto start = std::chrono::steady_clock::now();
  const auto result = rc::detail::checkTestable(
      [&] {
        const Scenario scenario = *AnyScenario();
        const Outcome outcome = RunAndCompare(scenario, coverage);
        plans += outcome.plans;
        ++ran;
        if (!outcome.violation.empty())
          RC_FAIL(outcome.violation + "\nPILOTLIGHT_SIM_REPLAY='" + Print(scenario) + "'");
      },
      rc::detail::TestMetadata{"random", "random"}, params);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << ran << " scenarios in " << took.count() << " s, " << plans << " plans\n";
  if (result.template is<rc::detail::SuccessResult>()) return;
  std::ostringstream why;
  rc::detail::printResultMessage(result, why);
  ADD_FAILURE() << why.str();
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomScenarios, ::testing::Range(0, 4));

// PILOTLIGHT_SIM_REPLAY='7 replicas=2 Edit(1)+700ms': what a failure has printed.
TEST(Replay, RunsTheScenarioThatIsAskedFor) {
  const char* asked = std::getenv("PILOTLIGHT_SIM_REPLAY");
  const auto scenario =
      ParseScenario(asked == nullptr ? "7 replicas=2 Edit(1)+700ms CrashOperator(0)+2000ms" : asked);
  ASSERT_TRUE(scenario);
  Coverage coverage;
  // PILOTLIGHT_SIM_DISTURB='write 5 6' or 'event 21': with that at that place, as the sweep prints it.
  if (const char* set = std::getenv("PILOTLIGHT_SIM_DISTURB")) {
    const Outcome outcome = sim::Run(*scenario, coverage, ParseMischief(set));
    std::cout << "at rest\n" << outcome.rest << "in the end\n" << outcome.end;
    EXPECT_EQ(outcome.violation, "") << outcome.violation;
    return;
  }
  const Outcome outcome = RunAndCompare(*scenario, coverage);
  EXPECT_EQ(outcome.violation, "") << outcome.violation;
}

TEST(Replay, TakesWhatWasPrinted) {
  for (const DoInfo& info : AllDos()) {
    const Scenario scenario{
        .seed = 9, .replicas = 3, .steps = {{info.what, info.most, 4}, {Do::kWait, 0, 0}}};
    const auto parsed = ParseScenario(Print(scenario));
    ASSERT_TRUE(parsed) << Print(scenario);
    EXPECT_EQ(Print(*parsed), Print(scenario));
  }
}

}  // namespace
}  // namespace pilotlight::sim
