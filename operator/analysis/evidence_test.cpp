#include "operator/analysis/evidence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace pilotlight::analysis {
namespace {

struct Known {
  std::int64_t k;
  std::int64_t m;
  Null null;
  double log_e;
};

// By Python's mpmath with 60 digits: the binomial tail P(X ≤ k) of m + 1 summed term by term from the side on
// which it is less than 1/2, with loggamma; up to m = 60 the integral, by quad, gave the same.
constexpr Known kKnown[] = {
    {0, 0, {1, 9}, 0},
    {0, 5, {1, 9}, -1.7917594692280550008},
    {1, 1, {1, 9}, 1.7047480922384252346},
    {3, 3, {1, 9}, 5.6267214285197393761},
    {12, 15, {360, 2160}, 15.074638363009387612},
    {5, 40, {1, 9}, -2.0566254436713773355},
    {10, 100, {1, 9}, -3.0459593692430609772},
    {11, 100, {1, 9}, -2.7580256846781926199},
    {100, 1000, {1, 9}, -4.2830349793064352777},
    {160, 1000, {1, 9}, 13.813059817927800064},
    {1000, 1000, {1, 1}, 686.93157296119003414},
    {20, 20, {15, 90}, 36.027831223210101408},
    {0, 1'000'000'000, {1, 9}, -20.723265837946411156},
    {99'900'000, 1'000'000'000, {1, 9}, -13.824308718340802099},
    {100'000'000, 1'000'000'000, {1, 9}, -11.234408999970762173},
    {100'100'000, 1'000'000'000, {1, 9}, 44.998240507403837679},
    {1'000'000'000, 1'000'000'000, {1, 9}, 2302585072.3761403617},
    {500'000'001, 1'000'000'000, {1, 1}, -10.135791103201297531},
    {900'000'000, 1'000'000'000, {1, 1}, 368064197.21497706072},
    {1, 1'000'000'000, {1, 1}, -20.723265835946411158},
    {500'000'000, 1'000'000'000, {1, 999'999'999}, 9668485728.2774187033},
    {5, 1'000'000'000, {1, 999'999'999}, -14.936368450076636014},
    {1, 1'000'000'000, {1, 999'999'999}, -20.030118657386465846},
    {1, 1, {1, 999'999'999'999}, 26.937873935369602899},
    {3, 7, {1, 999'999'999'999}, 77.258273744621395017},
    {999'999'999, 1'000'000'000, {999'999'999, 1}, -0.33089326831184334244},
    {1'000'000'000, 1'000'000'000, {999'999'999'999, 1}, 0.00050004166666665281945},
    {1000, 1001, {999'999'999'999, 1}, -0.69314718022661197606},
};

TEST(Evidence, IsWhatHighPrecisionSays) {
  for (const auto& [k, m, null, log_e] : kKnown) {
    EXPECT_NEAR(LogE(k, m, null), log_e, 1e-7 + 1e-15 * std::abs(log_e))
        << k << " of " << m << ", p0 " << static_cast<double>(null.P0());
  }
}

TEST(Evidence, OfOneEventIsOnePlusP0OverTwoP0) {
  EXPECT_NEAR(LogE(1, 1, {1, 3}), std::log(1.25 / 0.5), 1e-14);
}

TEST(Evidence, IsNoneWhereTheCandidateHasAllRequests) {
  EXPECT_EQ(LogE(7, 7, {1, 0}), 0);
  EXPECT_NEAR(LogE(3, 7, {1, 0}), std::log(1.0 / 5), 1e-14);
}

TEST(Evidence, IsProofWhereTheCandidateCanHaveNone) {
  EXPECT_EQ(LogE(1, 2, {0, 1}), std::numeric_limits<double>::infinity());
  EXPECT_NEAR(LogE(0, 2, {0, 1}), std::log(1.0 / 3), 1e-14);
}

TEST(Evidence, GrowsWithTheCandidatesPartWithoutAJump) {
  double before = LogE(0, 2000, {1, 9});
  for (std::int64_t k = 1; k <= 2000; ++k) {
    const double now = LogE(k, 2000, {1, 9});
    EXPECT_GT(now, before) << k;
    EXPECT_LT(now - before, k < 400 ? 1.0 : std::log(9.0 * 2000)) << k;
    before = now;
  }
}

TEST(Evidence, FallsAsTheCandidatesShareGrows) {
  double before = LogE(30, 100, {1, 1000});
  for (int share = 2; share < 1000; ++share) {
    const double now = LogE(30, 100, {static_cast<long double>(share), 1000});
    EXPECT_LT(now, before) << share;
    before = now;
  }
}

}  // namespace
}  // namespace pilotlight::analysis
