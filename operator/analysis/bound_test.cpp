#include "operator/analysis/bound.h"

#include <gtest/gtest.h>

namespace pilotlight::analysis {
namespace {

// By Python: scipy.stats.beta.ppf(confidence, bad + 1, requests - bad).
TEST(TheUpperBound, IsThatOfClopperAndPearson) {
  EXPECT_NEAR(UpperBound({300, 0}, 0.95), 0.009936081944457708, 1e-12);
  EXPECT_NEAR(UpperBound({240, 12}, 0.95), 0.07975311285342551, 1e-12);
}

TEST(TheUpperBound, IsTheRuleOfThreeWithoutBadEvents) {
  for (const std::int64_t requests : {100, 1000, 1'000'000})
    EXPECT_NEAR(UpperBound({requests, 0}, 0.95) * static_cast<double>(requests), 3, 0.06);
}

TEST(TheUpperBound, IsOneWithoutRequestsAndIfAllAreBad) {
  EXPECT_EQ(UpperBound({0, 0}, 0.95), 1);
  EXPECT_EQ(UpperBound({7, 7}, 0.95), 1);
}

TEST(TheUpperBound, HoldsForNumbersOfAnySize) {
  EXPECT_NEAR(UpperBound({1'000'000'000, 10'000'000}, 0.95), 0.01, 1e-5);
  EXPECT_GT(UpperBound({1'000'000'000, 10'000'000}, 0.95), 0.01);
  EXPECT_LE(UpperBound({1'000'000'000, 999'999'999}, 0.95), 1);
}

}  // namespace
}  // namespace pilotlight::analysis
