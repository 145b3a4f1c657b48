// What the sidecars are told of a canary, when, and how it is known that they heard.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/plan/testing/canaries.h"

namespace pilotlight::plan::testing {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

TEST_F(Canaries, AreTakenBackOnlyWhenNoStablePodHandsThemAnything) {
  Serve(4);
  const std::string second = Ask("v2");
  UntilStep(1);
  cluster.orders_arrive = false;
  Set({{"abort", second}});
  Pass(30, seconds(1), [&] { EXPECT_EQ(Size(second), 1); });
  cluster.orders_arrive = true;
  Until([&] { return Size(second) == 0; });
  EXPECT_EQ(Weight(), 0);
}

TEST_F(Canaries, AreTakenBackWhenTheSplitHasExpiredWhereASidecarIsSilent) {
  Serve(2);
  const std::string second = Ask("v2");
  UntilStep(1);
  cluster.orders_arrive = false;
  const auto begun = cluster.now;
  Set({{"abort", second}});
  Until([&] { return Size(second) == 0; });
  EXPECT_GE(cluster.now, begun + minutes(2));
  EXPECT_LE(cluster.now, begun + minutes(6));
  EXPECT_EQ(Weight(), 0);
}

TEST_F(Canaries, TellEachPodOfItsNewCallersBeforeTheseCall) {
  Serve(2);
  Steps({{{"weight", 50}, {"pause", "1h"}}});
  const std::string second = Ask("v2");
  UntilStep(1);
  cluster.Apply({{"replicas", 4}});  // Check() sees to it
  Until([&] { return Serving(first) == 4 && Weight() == 50; });
}

TEST_F(Canaries, TellARestartedFrontAgain) {
  Serve(2);
  Steps({{{"weight", 50}, {"pause", "1h"}}});
  const std::string second = Ask("v2");
  UntilStep(1);
  for (const std::string& revision : {first, second}) {
    api::Pod& pod = *cluster.Pods(revision).front();
    pod.running = pod.ready = false;
    Until([&] { return Weight() == 50; });
    const auto certificate = cluster.sidecars.at(cluster.Pods(second).front()->meta.uid).certificate();
    EXPECT_EQ(cluster.sidecars.at(cluster.Pods(first).front()->meta.uid).body()["peers"][0]["certificate"],
              certificate);
  }
}

TEST_F(Canaries, TellAPodAgainThatDidNotAnswer) {
  Serve(2);
  Steps({{{"weight", 50}, {"pause", "1h"}}});
  const std::string second = Ask("v2");
  Until([&] { return !cluster.Pods(second).empty(); });
  const std::string deaf = cluster.Pods(second).front()->meta.name;
  cluster.pod_behaviours[deaf] = Good('b');
  cluster.pod_behaviours[deaf].order_error = "no answer in time";
  Until([&] { return cluster.status().rollout.reason == "SidecarRefuses"; });
  EXPECT_EQ(Weight(), 0);
  cluster.pod_behaviours.clear();
  Until([&] { return Weight() == 50; });
}

TEST_F(Canaries, LookSoonAfterACallOfWhichNobodyMayEverHear) {
  Serve(2);
  const std::string second = Ask("v2");
  UntilStep(1);
  Set({{"abort", second}});
  cluster.orders_arrive = false;
  for (int i = 0; i < 5; ++i) {
    const Decision decision = cluster.Reconcile();
    if (decision.orders.empty()) continue;
    ASSERT_TRUE(decision.again_after);
    EXPECT_LE(*decision.again_after, seconds(5));
  }
}

TEST_F(Canaries, LeaveTheirStablePodsAloneUntilTheSplitIsOff) {
  Serve(4);
  const std::string second = Ask("v2");
  UntilStep(1);
  cluster.orders_arrive = false;
  Set({{"abort", second}});
  cluster.Apply({{"replicas", 1}});
  Pass(20);
  EXPECT_EQ(Size(first), 4);
  cluster.orders_arrive = true;
  Until([&] { return Size(first) == 1 && Size(second) == 0; });
}

TEST_F(Canaries, ThatWereReplacedComeBackWithoutHandingOnWhatTheyGet) {
  Serve(2);
  const std::string second = Ask("v2");
  Until([&] { return cluster.status().stable_revision == second; });
  ASSERT_EQ(Size(first), 2);
  Set({{"strategy", "RollingUpdate"}});
  ASSERT_EQ(Ask("v1.tar", Good()), first);
  Until([&] { return cluster.Find(first)->traffic == kTrafficService; });
  for (const api::Pod* pod : cluster.Pods(first))
    EXPECT_EQ(cluster.sidecars.at(pod->meta.uid).WeightInForce(cluster.now), 0);
}

}  // namespace
}  // namespace pilotlight::plan::testing
