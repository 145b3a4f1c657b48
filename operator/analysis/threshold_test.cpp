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

TEST(SlowRequests, AreThoseOverTheNextBound) {
  const Histogram histogram{{0.1, 0.2, 0.4}, {500, 450, 49, 1}};
  EXPECT_EQ(SlowerThan(histogram, 0.2), (Events{1000, 50}));
  EXPECT_EQ(SlowerThan(histogram, 0.21), (Events{1000, 1}));
  EXPECT_EQ(SlowerThan(histogram, 0.05), (Events{1000, 500}));
}

TEST(SlowRequests, AreNotKnownAboveTheLastBound) {
  EXPECT_EQ(SlowerThan({{0.1, 0.2}, {900, 0, 100}}, 0.3), (Events{1000, 0}));
}

TEST(SlowRequests, AreNotTakenFromBucketsThatDoNotFit) {
  EXPECT_EQ(SlowerThan({{0.1, 0.2}, {900, 0}}, 0.1), Events());
}

}  // namespace
}  // namespace pilotlight::analysis
