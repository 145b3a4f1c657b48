#include "operator/analysis/threshold.h"

#include <gtest/gtest.h>

namespace pilotlight::analysis {
namespace {

TEST(TheThreshold, IsTheLeastBoundThatFivePercentExceedAtMost) {
  EXPECT_EQ(SlowThreshold({{0.1, 0.2, 0.4}, {500, 450, 49, 1}}), 0.2);
  EXPECT_EQ(SlowThreshold({{0.1, 0.2, 0.4}, {500, 449, 50, 1}}), 0.4);
  EXPECT_EQ(SlowThreshold({{0.1, 0.2, 0.4}, {1000, 0, 0, 0}}), 0.1);
}

TEST(TheThreshold, IsNotToldByAFewRequests) {
  EXPECT_EQ(SlowThreshold({{0.1, 0.2}, {99, 0, 0}}), std::nullopt);
  EXPECT_EQ(SlowThreshold({{0.1, 0.2}, {100, 0, 0}}), 0.1);
}

TEST(TheThreshold, IsUnknownAboveTheLastBound) {
  EXPECT_EQ(SlowThreshold({{0.1, 0.2}, {900, 0, 100}}), std::nullopt);
}

TEST(TheThreshold, IsNotTakenFromBucketsThatDoNotFit) {
  EXPECT_EQ(SlowThreshold({{0.1, 0.2}, {900, 0}}), std::nullopt);
  EXPECT_EQ(SlowThreshold({}), std::nullopt);
}

}  // namespace
}  // namespace pilotlight::analysis
