// Canaries that hardly anybody asks: golden requests stand in, or it waits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/plan/testing/canaries.h"

namespace pilotlight::plan::testing {
namespace {

using api::Phase;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

TEST_F(Canaries, WithoutRequestsWaitAndThenPause) {
  NoProbes();
  Serve(2, 0);
  const std::string second = Ask("v2");
  UntilStep(1);
  EXPECT_EQ(cluster.status().rollout.reason, "NoData");
  Until([&] { return phase() == Phase::kPaused; });
  EXPECT_EQ(cluster.status().rollout.reason, "NoData");
  EXPECT_EQ(canary().step, 1);
  cluster.requests_per_second = 50;
  UntilPromoted(second);
}

TEST_F(Canaries, WithoutRequestsPassTheirFirstStepByGoldenRequestsAndNoOther) {
  Serve(2, 0);
  Steps({{{"weight", 10}}, {{"weight", 20}}, {{"weight", 100}}});
  const std::string second = Ask("v2");
  UntilStep(1);
  Until([&] { return canary().verdict == "Pass"; });
  EXPECT_THAT(canary().message, HasSubstr("golden requests: candidate 0 of "));
  UntilStep(2);
  Until([&] { return phase() == Phase::kPaused; });
  EXPECT_EQ(canary().step, 2);
  cluster.requests_per_second = 50;
  UntilPromoted(second);
}

// At 100 % no stable pod is asked anything: what was not learnt by then is never learnt.
TEST_F(Canaries, WithoutRequestsStayWhereSomebodyIsLeftToLearnFromWhatIsSlow) {
  Serve(2, 0);
  const std::string second = Ask("v2");
  UntilStep(1);
  Until([&] { return phase() == Phase::kPaused && cluster.status().rollout.reason == "NoLatencyThreshold"; });
  EXPECT_THAT(cluster.status().rollout.message, HasSubstr("the next step leaves them none"));
  EXPECT_EQ(canary().step, 1);
  cluster.requests_per_second = 50;
  UntilPromoted(second);
}

TEST_F(Canaries, WithoutRequestsGoOnIfTheyAreToldWhatIsSlow) {
  Serve(2, 0);
  Set({{"canary", {{"analysis", {{"latencyThresholdMilliseconds", 100}}}}}});
  const std::string second = Ask("v2");
  UntilStep(2);
  cluster.requests_per_second = 50;
  UntilPromoted(second);
}

TEST_F(Canaries, ThatFailGoldenRequestsAreTakenBackInWhateverStep) {
  for (const std::int64_t step : {1, 2}) {
    SCOPED_TRACE(step);
    cluster = Cluster();
    const std::string second = AtStep(step, 4);
    cluster.requests_per_second = 0;
    cluster.behaviours[second].golden_errors = 0.5;
    Until([&] { return phase() == Phase::kAborted && Size(second) == 0; });
    EXPECT_EQ(cluster.status().FindRevision(second)->aborted->reason, "GoldenRequestsFailed");
  }
}

TEST_F(Canaries, AtRestInAPauseWriteNothing) {
  for (const bool probes : {false, true}) {
    SCOPED_TRACE(probes ? "golden requests go on" : "nothing goes on");
    cluster = Cluster();
    if (!probes) NoProbes();
    Serve(2, 0);
    Ask("v2");
    Until([&] { return phase() == Phase::kPaused; });
    for (int i = 0; i < 60; ++i) {
      cluster.Reconcile();
      EXPECT_EQ(phase(), Phase::kPaused);
      cluster.Wait(seconds(1));
    }
    const auto before = cluster.writes;
    const auto lasts = minutes(2);
    for (seconds waited(0); waited < lasts; waited += seconds(5)) {
      cluster.Reconcile();
      cluster.Wait(seconds(5));
    }
    EXPECT_LE(cluster.writes - before, 1U) << "but for the time until which it is split";
    EXPECT_EQ(phase(), Phase::kPaused);
  }
}

}  // namespace
}  // namespace pilotlight::plan::testing
