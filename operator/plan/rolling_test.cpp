#include "operator/plan/rolling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

namespace pilotlight::plan {

static bool operator==(const Sizes& a, const Sizes& b) {
  return a.from == b.from && a.to == b.to;
}

namespace {

constexpr api::IntOrPercent Share(std::int64_t percent) {
  return {.value = percent, .percent = true};
}

Bounds Of(api::IntOrPercent surge, api::IntOrPercent unavailable, std::int64_t replicas) {
  api::Rollout rollout;
  rollout.max_surge = surge;
  rollout.max_unavailable = unavailable;
  return BoundsOf(rollout, replicas);
}

TEST(BoundsOf, RoundTheSurgeUpAndTheUnavailableDownAsADeploymentDoes) {
  EXPECT_EQ(Of(Share(25), {0}, 4).surge, 1);
  EXPECT_EQ(Of(Share(25), {0}, 5).surge, 2);
  EXPECT_EQ(Of(Share(25), Share(25), 5).unavailable, 1);
  EXPECT_EQ(Of({0}, Share(25), 4).unavailable, 1);
  EXPECT_EQ(Of({3}, {2}, 10).Most(), 13);
  EXPECT_EQ(Of({3}, {2}, 10).Least(), 8);
}
TEST(BoundsOf, LetOnePodBeMissingIfBothComeToNothing) {
  EXPECT_EQ(Of({0}, Share(25), 3).unavailable, 1);
  EXPECT_EQ(Of({0}, Share(25), 3).surge, 0);
}
TEST(BoundsOf, LetASinglePodNeverBeMissing) {
  EXPECT_EQ(Of({0}, {1}, 1).surge, 1);
  EXPECT_EQ(Of({0}, {1}, 1).Least(), 1);
  EXPECT_EQ(Of({0}, Share(100), 1).Least(), 1);
}
TEST(BoundsOf, NeverAskForLessThanNothing) {
  EXPECT_EQ(Of({0}, {9}, 4).Least(), 0);
  EXPECT_EQ(Of({1}, {0}, 0).Least(), 0);
}

TEST(Spare, IsOneOfSeveralAtLeastAndNeverAll) {
  api::Rollout rollout;
  EXPECT_EQ(Spare(rollout, 0), 0);
  EXPECT_EQ(Spare(rollout, 1), 0);
  EXPECT_EQ(Spare(rollout, 2), 1);
  EXPECT_EQ(Spare(rollout, 100), 1);
  rollout.max_unavailable = Share(50);
  EXPECT_EQ(Spare(rollout, 10), 5);
  rollout.max_unavailable = {10};
  EXPECT_EQ(Spare(rollout, 4), 3);
}

TEST(ScaledDown, LeavesAsManyMoreAsAreReadyAndNotListedYet) {
  EXPECT_EQ(ScaledDown({4, 4, 4}, 2), 2);
  EXPECT_EQ(ScaledDown({4, 3, 3}, 2), 2) << "what is not ready goes first";
  EXPECT_EQ(ScaledDown({4, 4, 3}, 2), 3);
  EXPECT_EQ(ScaledDown({4, 4, 0}, 2), 4);
  EXPECT_EQ(ScaledDown({4, 4, 0}, 0), 0) << "with none to be left it matters nothing";
  EXPECT_EQ(ScaledDown({2, 2, 1}, 4), 4);
}

TEST(Roll, GrowsIntoTheSurgeAndShrinksBehindWhatServes) {
  const Bounds bounds{.replicas = 4, .surge = 1, .unavailable = 0};
  EXPECT_EQ(Roll(bounds, {4, 4, 4}, {1, 1, 0}), (Sizes{4, 1})) << "it is not counted on yet";
  EXPECT_EQ(Roll(bounds, {4, 4, 4}, {1, 1, 1}), (Sizes{3, 1}));
  EXPECT_EQ(Roll(bounds, {3, 3, 3}, {1, 1, 1}), (Sizes{3, 2}));
  EXPECT_EQ(Roll(bounds, {1, 1, 1}, {4, 3, 3}), (Sizes{1, 4})) << "the last one stays until all are there";
}
TEST(Roll, WithoutASurgeOneGoesBeforeOneComes) {
  const Bounds bounds{.replicas = 3, .surge = 0, .unavailable = 1};
  EXPECT_EQ(Roll(bounds, {2, 2, 2}, {1, 0, 0}), (Sizes{2, 1}));
  EXPECT_EQ(Roll(bounds, {2, 2, 2}, {1, 1, 1}), (Sizes{1, 1}));
  EXPECT_EQ(Roll(bounds, {1, 1, 1}, {1, 1, 1}), (Sizes{1, 2}));
}
TEST(Roll, GoesOnWhenTheOldSideIsBroken) {
  const Bounds bounds{.replicas = 3, .surge = 1, .unavailable = 0};
  EXPECT_EQ(Roll(bounds, {3, 0, 0}, {1, 1, 1}), (Sizes{2, 1})) << "none that serves is lost";
}
TEST(Roll, DoesNotCountOnWhatIsReadyAndNotListedYet) {
  const Bounds bounds{.replicas = 3, .surge = 1, .unavailable = 0};
  EXPECT_EQ(Roll(bounds, {3, 3, 2}, {1, 1, 1}), (Sizes{3, 1})) << "that one might be what is left";
}
TEST(Roll, ShrinksTheNewSideWhenFewerAreAskedFor) {
  const Bounds bounds{.replicas = 2, .surge = 1, .unavailable = 0};
  EXPECT_EQ(Roll(bounds, {2, 2, 2}, {3, 3, 3}), (Sizes{0, 2}));
  EXPECT_EQ(Roll(bounds, {2, 2, 2}, {3, 3, 1}), (Sizes{1, 3})) << "what serves of it might be what goes";
}

// Both sides move at once, and whatever is slow or lost meanwhile, the bounds hold.
class RollEverywhere : public ::testing::TestWithParam<std::tuple<int, int, int>> {};

TEST_P(RollEverywhere, KeepsTheBoundsAndEnds) {
  const auto [replicas, surge, unavailable] = GetParam();
  const Bounds bounds = Of({surge}, {unavailable}, replicas);
  for (std::int64_t slow = 0; slow <= 1; ++slow) {  // a new pod that is not up yet
    Side from{replicas, replicas, replicas};
    Side to{1, 0, 0};
    if (bounds.surge == 0) from = {bounds.Least(), bounds.Least(), bounds.Least()};
    int steps = 0;
    while (to.serving < replicas) {
      ASSERT_LT(++steps, 100) << "it does not end";
      const Sizes next = Roll(bounds, from, to);
      ASSERT_LE(next.to + from.replicas, bounds.Most()) << "before anything has shrunk";
      ASSERT_GE(std::min(next.from, from.serving) + to.serving, bounds.Least());
      from = {next.from, next.from, next.from};
      to.replicas = next.to;
      to.ready = to.serving = std::min(next.to, std::max(to.serving, next.to - (steps % 2 == 1 ? slow : 0)));
    }
    EXPECT_LE(from.replicas, bounds.Least());
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, RollEverywhere,
                         ::testing::Combine(::testing::Range(1, 8), ::testing::Range(0, 4),
                                            ::testing::Range(0, 4)));

TEST(Hold, ChangesNothingByItself) {
  const Bounds bounds{.replicas = 4, .surge = 1, .unavailable = 0};
  for (std::int64_t candidate = 1; candidate < 4; ++candidate) {
    EXPECT_EQ(Hold(bounds, {5 - candidate, 5 - candidate, 5 - candidate}, {candidate, candidate, candidate}),
              5 - candidate);
    EXPECT_EQ(Hold(bounds, {4 - candidate, 4, 4}, {candidate, candidate, candidate}), 4 - candidate);
  }
}
TEST(Hold, GrowsWithReplicasAndShrinksOnlyBehindWhatServes) {
  const Bounds bounds{.replicas = 6, .surge = 1, .unavailable = 0};
  EXPECT_EQ(Hold(bounds, {2, 2, 2}, {2, 2, 2}), 4);
  const Bounds fewer{.replicas = 2, .surge = 1, .unavailable = 0};
  EXPECT_EQ(Hold(fewer, {3, 3, 3}, {2, 2, 2}), 1);
  EXPECT_EQ(Hold(fewer, {3, 3, 3}, {2, 0, 0}), 2);
}

// Three pods are still there, of which two are to go.
TEST(Roll, CountsOnNoPodThatIsToGo) {
  const Bounds bounds{.replicas = 4, .surge = 1, .unavailable = 0};
  const Sizes sizes =
      Roll(bounds, {.replicas = 3, .ready = 3, .serving = 3}, {.replicas = 1, .ready = 3, .serving = 3});
  EXPECT_EQ(sizes.to, 2);
  EXPECT_EQ(sizes.from, 3);
}

}  // namespace
}  // namespace pilotlight::plan
