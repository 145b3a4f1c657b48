#include "operator/analysis/tally.h"

#include <gtest/gtest.h>

namespace pilotlight::analysis {
namespace {

TEST(ATally, AddsUpPods) {
  Tally tally;
  tally.Read({"a", "1"}, {100, 1});
  tally.Read({"b", "1"}, {200, 2});
  EXPECT_EQ(tally.Total(), (Events{300, 3}));
}

TEST(ATally, GoesOnWhenAPodRestarts) {
  Tally tally;
  tally.Read({"a", "1"}, {100, 9});
  tally.Read({"a", "2"}, {10, 1});
  tally.Read({"a", "2"}, {20, 1});
  EXPECT_EQ(tally.Total(), (Events{120, 10}));
  EXPECT_EQ(tally.ByPod().at("a"), (Events{120, 10}));
}

TEST(ATally, KeepsWhatAPodCountedThatIsGone) {
  Tally tally;
  tally.Read({"a", "1"}, {100, 9});
  tally.Read({"b", "1"}, {50, 0});
  tally.Read({"b", "1"}, {60, 0});
  EXPECT_EQ(tally.Total(), (Events{160, 9}));
}

TEST(ATally, DoesNotMindReadingsThatComeTwiceOrLate) {
  Tally tally;
  tally.Read({"a", "1"}, {100, 9});
  tally.Read({"a", "2"}, {10, 1});
  tally.Read({"a", "1"}, {90, 8});
  tally.Read({"a", "2"}, {10, 1});
  EXPECT_EQ(tally.Total(), (Events{110, 10}));
}

TEST(ATally, NeverFallsWhereACounterWentBackInTheSameContainer) {
  Tally tally;
  tally.Read({"a", "1"}, {100, 9});
  tally.Read({"a", "1"}, {3, 0});
  EXPECT_EQ(tally.Total(), (Events{100, 9}));
}

TEST(ATally, BelievesNothingImpossible) {
  Tally tally;
  tally.Read({"a", "1"}, {100, 101});
  tally.Read({"a", "1"}, {5, -1});
  EXPECT_EQ(tally.Total(), Events());
}

TEST(ATally, GoesOnFromWhatWasKept) {
  Tally before;
  before.Read({"a", "1"}, {100, 9});
  Tally after;
  for (const auto& [counter, events] : before.Counters()) after.Read(counter, events);
  after.Read({"a", "1"}, {130, 10});
  EXPECT_EQ(after.Total(), (Events{130, 10}));
}

}  // namespace
}  // namespace pilotlight::analysis
