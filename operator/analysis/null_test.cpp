#include "operator/analysis/null.h"

#include <gtest/gtest.h>

namespace pilotlight::analysis {
namespace {

double P0(const Null& null) {
  return static_cast<double>(null.P0());
}

TEST(NullHypothesis, GivesTheCandidateRhoTimesItsShareOfTheBadEvents) {
  EXPECT_DOUBLE_EQ(P0(NullOf({240, 12}, {2160, 3}, 1, 1)), 0.1);
  EXPECT_DOUBLE_EQ(P0(NullOf({240, 12}, {2160, 3}, 1, 1.5)), 1.0 / 7);
}

TEST(NullHypothesis, IsNoTestWithoutRequestsOnBothSides) {
  EXPECT_DOUBLE_EQ(P0(NullOf({0, 0}, {10, 3}, 1, 1.5)), 1);
  EXPECT_DOUBLE_EQ(P0(NullOf({10, 3}, {0, 0}, 1, 1.5)), 1);
}

TEST(NullHypothesis, OfALimitIsTheLimit) {
  EXPECT_DOUBLE_EQ(P0(NullOf(0.02)), 0.02);
}

TEST(AShare, BelowTheWeightCountsAsTheWeight) {
  EXPECT_DOUBLE_EQ(static_cast<double>(Correction(0.1, {.candidate = 5, .stable = 95})), 1.0 / 9 * 95 / 5);
  const long double correction = Correction(0.1, {.candidate = 5, .stable = 95});
  EXPECT_NEAR(P0(NullOf({5, 1}, {95, 0}, correction, 1)), 0.1, 1e-15);
}

TEST(AShare, AboveTheWeightCountsAsItIs) {
  EXPECT_EQ(Correction(0.1, {.candidate = 20, .stable = 80}), 1);
}

TEST(AShare, CountsAsItIsWhereThereIsNoWeightOrNoRequest) {
  EXPECT_EQ(Correction(0, {.candidate = 5, .stable = 95}), 1);
  EXPECT_EQ(Correction(1, {.candidate = 5, .stable = 95}), 1);
  EXPECT_EQ(Correction(0.1, {.candidate = 0, .stable = 95}), 1);
}

}  // namespace
}  // namespace pilotlight::analysis
