#include "operator/plan/steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace pilotlight::plan::testing
