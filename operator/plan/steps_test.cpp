#include "operator/plan/steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace pilotlight::plan::testing {
namespace {

using ::testing::ElementsAre;

TEST(Steps, FollowTheNumberOfPods) {
  const auto weights = [](std::int64_t replicas) {
    std::vector<std::int64_t> out;
    for (const auto& step : StepsOf({}, replicas)) out.push_back(step.weight);
    return out;
  };
  EXPECT_THAT(weights(1), ElementsAre(10, 50, 100));
  EXPECT_THAT(weights(2), ElementsAre(50, 100));
  EXPECT_THAT(weights(3), ElementsAre(33, 100));
  EXPECT_THAT(weights(9), ElementsAre(11, 100));
  EXPECT_THAT(weights(10), ElementsAre(5, 25, 50, 100));
}

TEST(Steps, TakeAsManyPodsAsTheirShareRoundedUp) {
  EXPECT_EQ(PodsFor(1, 10), 1);
  EXPECT_EQ(PodsFor(10, 5), 1);
  EXPECT_EQ(PodsFor(10, 25), 3);
  EXPECT_EQ(PodsFor(10, 100), 10);
  EXPECT_EQ(WeightFor(0, 0), 0);
  for (std::int64_t replicas = 1; replicas <= 40; ++replicas) {
    for (std::int64_t pods = 1; pods <= replicas; ++pods) {
      const std::int64_t weight = WeightFor(replicas, pods);
      EXPECT_LE(PodsFor(replicas, weight), pods);
      if (weight < 100) {
        EXPECT_GT(PodsFor(replicas, weight + 1), pods);
      }
    }
    EXPECT_EQ(WeightFor(replicas, 0), 0);
  }
}

// Both sides of a canary, as they go from step to step while every stable pod does as it is told.
TEST(Share, GoesThroughAllStepsWithinTheBounds) {
  for (std::int64_t replicas = 1; replicas <= 12; ++replicas) {
    for (std::int64_t surge = 1; surge <= replicas; ++surge) {
      const Bounds bounds{.replicas = replicas, .surge = surge, .unavailable = 0};
      CanarySizes now{.stable = replicas, .candidate = 1};
      std::int64_t relieved = 0;
      for (const api::CanaryStep& step : StepsOf({}, replicas)) {
        const std::int64_t size = PodsFor(replicas, step.weight);
        for (int i = 0; i < 40 && relieved < step.weight; ++i) {
          const CanarySizes next = Share(bounds, now, size, relieved);
          EXPECT_LE(std::max(now.stable, next.stable) + next.candidate, bounds.Most()) << "none is gone yet";
          EXPECT_GE(next.candidate, now.candidate);
          EXPECT_GE(next.stable, 1);
          EXPECT_LE(WeightFor(replicas, replicas - next.stable), relieved);
          now = next;
          relieved =
              now.candidate >= size ? step.weight : std::min(step.weight, WeightFor(replicas, now.candidate));
        }
        EXPECT_EQ(relieved, step.weight) << replicas << " replicas with a surge of " << surge;
        EXPECT_GE(now.candidate, size);
      }
      EXPECT_EQ(now.candidate, replicas);
    }
  }
}

TEST(Share, TakesNoPodForRoomThatIsNotWanted) {
  const CanarySizes sizes =
      Share({.replicas = 10, .surge = 3, .unavailable = 0}, {.stable = 10, .candidate = 3}, 3, 25);
  EXPECT_EQ(sizes.stable, 10);
  EXPECT_EQ(sizes.candidate, 3);
}

TEST(Share, TakesNoneThatIsNotRelievedYet) {
  const Bounds bounds{.replicas = 200, .surge = 2, .unavailable = 0};
  EXPECT_EQ(Share(bounds, {.stable = 200, .candidate = 2}, 10, 0).stable, 200);
  EXPECT_EQ(Share(bounds, {.stable = 200, .candidate = 2}, 10, 1).stable, 197);
}

TEST(Share, TakesNothingFromACandidate) {
  const Bounds bounds{.replicas = 10, .surge = 3, .unavailable = 0};
  EXPECT_EQ(Share(bounds, {.stable = 8, .candidate = 5}, 1, 10).candidate, 5);
}

TEST(Share, GivesPodsBackAsFarAsThereIsRoom) {
  const Bounds bounds{.replicas = 10, .surge = 3, .unavailable = 0};
  EXPECT_EQ(Share(bounds, {.stable = 5, .candidate = 5}, 5, 0).stable, 8);
  EXPECT_EQ(Share(bounds, {.stable = 3, .candidate = 10}, 10, 50).stable, 3);
  const CanarySizes both = Share(bounds, {.stable = 5, .candidate = 5}, 10, 0);
  EXPECT_EQ(both.stable + both.candidate, 13) << "there is one room for both";
}

}  // namespace
}  // namespace pilotlight::plan::testing
