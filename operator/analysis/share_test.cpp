#include "operator/analysis/share.h"

#include <gtest/gtest.h>

namespace pilotlight::analysis {
namespace {

TEST(AWeight, IsNotVerifiedWithoutRequests) {
  EXPECT_FALSE(ObservedShare(0.1, {0, 0}).verified);
  EXPECT_FALSE(ObservedShare(0, {0, 0}).verified);
}

TEST(AWeight, MayBeThreeStandardDeviationsOff) {
  const Share share = ObservedShare(0.1, {17, 83});
  EXPECT_DOUBLE_EQ(share.observed, 0.17);
  EXPECT_DOUBLE_EQ(share.tolerance, 0.09);
  EXPECT_TRUE(share.verified);
  EXPECT_TRUE(ObservedShare(0.1, {18, 82}).verified);
  EXPECT_FALSE(ObservedShare(0.1, {20, 80}).verified);
  EXPECT_FALSE(ObservedShare(0.1, {0, 100}).verified);
}

TEST(AWeight, MayAlwaysBeTwoPercentagePointsOff) {
  EXPECT_TRUE(ObservedShare(0.1, {119'000, 881'000}).verified);
  EXPECT_FALSE(ObservedShare(0.1, {121'000, 879'000}).verified);
  EXPECT_TRUE(ObservedShare(1, {99, 1}).verified);
  EXPECT_FALSE(ObservedShare(1, {97, 3}).verified);
}

}  // namespace
}  // namespace pilotlight::analysis
