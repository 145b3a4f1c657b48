// Each named scenario, with one thing going wrong at each place where it can: before and after every write,
// and at every event. It ends as if nothing had.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

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

// One thing that goes wrong in a run, in words for the reader of a failure.
struct Mishap {
  Disturbance disturbance;
  std::string words;
};

// All that can go wrong at one place of a run that went like `usual`.
std::vector<Mishap> AllMishaps(const Outcome& usual) {
  std::vector<Mishap> out;
  for (std::size_t write = 1; write <= usual.writes; ++write) {
    const std::string number = std::to_string(write);
    for (const auto& [fate, words] : Fates())
      out.push_back({{.fate = fate, .write = write},
                     words + number + " (PILOTLIGHT_SIM_DISTURB='write " + number + ' ' +
                         std::to_string(static_cast<int>(fate)) + "')"});
  }
  for (std::size_t order = 1; order <= usual.orders; ++order) {
    const std::string number = std::to_string(order);
    for (const auto& [fate, words] : OrderFates())
      out.push_back({{.order_fate = fate, .order = order},
                     words + number + " (PILOTLIGHT_SIM_DISTURB='order " + number + ' ' +
                         std::to_string(static_cast<int>(fate)) + "')"});
  }
  for (std::size_t event = 1; event <= usual.arrivals; ++event) {
    const std::string number = std::to_string(event);
    out.push_back(
        {{.lost_event = event},
         "the operator misses event " + number + " (PILOTLIGHT_SIM_DISTURB='event " + number + "')"});
  }
  return out;
}

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
  Coverage& coverage = AllCoverage();
  const Outcome usual = sim::Run(*scenario, coverage);
  ASSERT_EQ(usual.violation, "");
  const std::vector<Mishap> mishaps = AllMishaps(usual);
  std::size_t runs = 0;
  for (std::size_t i = 0; i < mishaps.size(); i += stride, ++runs) {
    const Outcome outcome = sim::Run(*scenario, coverage, mishaps[i].disturbance);
    const std::string replay =
        mishaps[i].words + "\nPILOTLIGHT_SIM_REPLAY='" + std::string(GetParam().scenario) + "'";
    ASSERT_EQ(outcome.violation, "") << replay;
    if (!GetParam().end_only) {
      ASSERT_EQ(outcome.rest, usual.rest) << replay;
    }
    ASSERT_EQ(outcome.end, usual.end) << replay;
  }
  std::cout << runs << " runs, " << usual.writes << " writes, " << usual.orders << " orders, "
            << usual.arrivals << " events\n";
}

INSTANTIATE_TEST_SUITE_P(Named, Sweep, ::testing::ValuesIn(AllNamed()),
                         [](const auto& named) { return std::string(named.param.name); });

}  // namespace
}  // namespace pilotlight::sim
