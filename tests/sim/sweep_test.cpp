// Each named scenario, with one thing going wrong at each place where it can: before and after every write,
// and at every event. It ends as if nothing had.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <string_view>

#include "tests/sim/all_coverage.h"
#include "tests/sim/named.h"
#include "tests/sim/run.h"

namespace pilotlight::sim {
namespace {

const std::map<WriteFate, std::string>& Fates() {
  static const std::map<WriteFate, std::string> kFates = {
      {WriteFate::kCrashBefore, "the operator dies before write "},
      {WriteFate::kCrashAfter, "the operator dies after write "},
      {WriteFate::kConflict, "somebody was faster than write "},
      {WriteFate::kUnavailable, "the API server refuses write "},
      {WriteFate::kTimeoutApplied, "no answer, but done: write "},
      {WriteFate::kLate, "no answer, but done when nobody waits for it any more: write "},
      {WriteFate::kTimeoutLost, "no answer, and not done: write "},
      {WriteFate::kStaleAfter, "nothing more is seen for a while after write "},
  };
  return kFates;
}

const std::map<OrderFate, std::string>& OrderFates() {
  static const std::map<OrderFate, std::string> kFates = {
      {OrderFate::kLost, "not heard, and no answer: order "},
      {OrderFate::kLate, "heard late, and no answer: order "},
      {OrderFate::kNoAnswer, "heard, and no answer: order "},
      {OrderFate::kRefused, "refused: order "},
  };
  return kFates;
}

class Sweep : public ::testing::TestWithParam<Named> {};

// How far apart the writes, calls and events are that something happens to. A canary has thousands of them,
// of which every fourth is enough; with sanitizers a sample of all. PILOTLIGHT_SIM_STRIDE=1 in the
// environment: each of all.
std::size_t StrideOf(const Named& named) {
  if (const char* set = std::getenv("PILOTLIGHT_SIM_STRIDE"); set != nullptr)
    return static_cast<std::size_t>(std::max(std::atoll(set), 1LL));
  const bool canary = std::string_view(named.name).starts_with("Canary");
  return PILOTLIGHT_SIM_STRIDE * (canary ? 12 : 1);
}

TEST_P(Sweep, EndsTheSameWhateverGoesWrongAtOnePlace) {
  const auto scenario = ParseScenario(GetParam().scenario);
  ASSERT_TRUE(scenario);
  const std::size_t stride = StrideOf(GetParam());
  Coverage& coverage = AllCoverage();
  const Outcome usual = sim::Run(*scenario, coverage);
  ASSERT_EQ(usual.violation, "");
  std::size_t runs = 1;
  const auto check = [&](const Disturbance& disturbance, const std::string& what) {
    const Outcome outcome = sim::Run(*scenario, coverage, disturbance);
    ++runs;
    const std::string replay = what + "\nPILOTLIGHT_SIM_REPLAY='" + std::string(GetParam().scenario) + "'";
    EXPECT_EQ(outcome.violation, "") << replay;
    if (!outcome.violation.empty()) return;
    if (!GetParam().end_only) {
      EXPECT_EQ(outcome.rest, usual.rest) << replay;
    }
    EXPECT_EQ(outcome.end, usual.end) << replay;
  };
  for (std::size_t write = 1; write <= usual.writes; write += stride) {
    for (const auto& [fate, words] : Fates()) {
      check({.fate = fate, .write = write}, words + std::to_string(write) +
                                                " (PILOTLIGHT_SIM_DISTURB='write " + std::to_string(write) +
                                                ' ' + std::to_string(static_cast<int>(fate)) + "')");
      if (HasFailure()) return;
    }
  }
  for (std::size_t order = 1; order <= usual.orders; order += stride) {
    for (const auto& [fate, words] : OrderFates()) {
      check({.order_fate = fate, .order = order},
            words + std::to_string(order) + " (PILOTLIGHT_SIM_DISTURB='order " + std::to_string(order) + ' ' +
                std::to_string(static_cast<int>(fate)) + "')");
      if (HasFailure()) return;
    }
  }
  for (std::size_t event = 1; event <= usual.arrivals; event += stride) {
    check({.lost_event = event}, "the operator misses event " + std::to_string(event) +
                                     " (PILOTLIGHT_SIM_DISTURB='event " + std::to_string(event) + "')");
    if (HasFailure()) return;
  }
  std::cout << runs << " runs, " << usual.writes << " writes, " << usual.orders << " orders, "
            << usual.arrivals << " events\n";
}

INSTANTIATE_TEST_SUITE_P(Named, Sweep, ::testing::ValuesIn(AllNamed()),
                         [](const auto& named) { return std::string(named.param.name); });

}  // namespace
}  // namespace pilotlight::sim
