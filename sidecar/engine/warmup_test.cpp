#include "sidecar/engine/warmup.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "sidecar/engine/testing/models.h"

namespace pilotlight::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

int runs_of(const std::vector<double>& latencies) {
  Convergence convergence;
  int runs = 0;
  for (const double each : latencies) {
    ++runs;
    if (convergence.add(each)) return runs;
  }
  return -1;
}

TEST(Warm, IsThreeLatenciesWithinTwentyPercent) {
  EXPECT_EQ(runs_of({1, 1, 1}), 3);
  EXPECT_EQ(runs_of({100, 10, 1.2, 1, 1.1}), 5);
  EXPECT_EQ(runs_of({1, 1.3, 1, 1.3, 1}), -1);
}

TEST(Warm, IsGivenUpAfterFiftyRuns) {
  Convergence convergence;
  for (int i = 1; i < 50; ++i) ASSERT_FALSE(convergence.add(i % 2 == 0 ? 1 : 2)) << i;
  EXPECT_TRUE(convergence.add(9));
}

TEST(WarmUp, ReportsTheFirstAndTheLastLatency) {
  auto model = testing::model_of("def forward(self, x):\n    return x\n");
  const std::vector<int> latencies = {40, 8, 2, 2, 2};
  std::size_t call = 0;
  steady_clock::time_point now{};
  const Clock clock = [&] {
    if (call % 2 == 1) now += milliseconds(latencies[call / 2]);
    ++call;
    return now;
  };
  const auto warmth = warm_up(model, {torch::ones({1})}, clock, steady_clock::time_point::max());
  ASSERT_TRUE(warmth);
  EXPECT_EQ(warmth->runs, 5);
  EXPECT_EQ(warmth->first_ms, 40);
  EXPECT_EQ(warmth->warm_ms, 2);
}

TEST(WarmUp, StopsAtTheDeadlineAfterOneRunAtLeast) {
  auto model = testing::model_of("def forward(self, x):\n    return x\n");
  const Clock clock = [] { return steady_clock::time_point(milliseconds(10)); };
  const auto warmth = warm_up(model, {torch::ones({1})}, clock, steady_clock::time_point(milliseconds(5)));
  ASSERT_TRUE(warmth);
  EXPECT_EQ(warmth->runs, 1);
}

TEST(WarmUp, ThatThrowsSaysWhy) {
  auto model = testing::model_of("def forward(self, x):\n    return x.view([7])\n");
  const auto warmth =
      warm_up(model, {torch::ones({1})}, [] { return steady_clock::now(); }, steady_clock::time_point::max());
  ASSERT_FALSE(warmth);
  EXPECT_NE(warmth.error().reason.find("shape '[7]' is invalid"), std::string::npos) << warmth.error().reason;
}

}  // namespace
}  // namespace pilotlight::engine
