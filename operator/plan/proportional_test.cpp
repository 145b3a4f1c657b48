// Canaries for which stable pods make room.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "operator/plan/plan.h"
#include "operator/plan/rolling.h"
#include "operator/plan/steps.h"
#include "operator/plan/testing/canaries.h"
#include "operator/plan/testing/serving.h"

namespace pilotlight::plan::testing {
namespace {

using api::Phase;
using std::chrono::seconds;

class Proportional : public Canaries {
 protected:
  void Serve(int replicas, const char* surge = "25%") {
    cluster.Apply({{"rollout",
                    {{"canary", {{"stableCapacity", "Proportional"}}},
                     {"rollingUpdate", {{"maxSurge", surge}, {"maxUnavailable", "50%"}}}}}});
    Canaries::Serve(replicas);
    most =
        replicas + std::max<std::int64_t>(BoundsOf(cluster.Observe().model.spec.rollout, replicas).surge, 1);
    cluster.after_write = [this, replicas] {
      Check();
      EXPECT_LE(Size(first) + Size(second), most);
      const bool handed = phase() == Phase::kCanary || phase() == Phase::kPaused;
      if (!handed || second.empty()) return;
      EXPECT_GE(Size(first), 1);
      EXPECT_LE(WeightFor(replicas, replicas - Size(first)), canary().applied)
          << "they have more to do than they can";
    };
  }
  void AtThreeQuarters() {
    Serve(4);
    Steps({{{"weight", 50}}, {{"weight", 75}, {"pause", "1h"}}});
    second = Ask("v2");
    UntilStep(2);
  }

  std::int64_t most = 0;
  std::string second;
};

TEST_F(Proportional, GoThroughAllStepsWithinTheSurge) {
  for (const int replicas : {1, 2, 4, 10}) {
    for (const char* surge : {"25%", "100%"}) {
      SCOPED_TRACE(std::to_string(replicas) + " replicas, a surge of " + surge);
      cluster = Cluster();
      second.clear();
      Serve(replicas, surge);
      second = Ask("v2");
      UntilPromoted(second);
      Until([&] { return Size(first) == 0; });
      EXPECT_EQ(Size(second), replicas);
    }
  }
}

// The proof's pod takes the place of a stable one, as in a rolling update.
TEST_F(Proportional, WithoutASurgeTakeOneAllTheSame) {
  Serve(4, "0%");
  cluster.after_write = [this] { Check(); };
  second = Ask("v2");
  UntilPromoted(second);
}

TEST_F(Proportional, AreReadyThoughStablePodsHaveMadeRoom) {
  Serve(4);
  Set({{"rollingUpdate", {{"maxUnavailable", 1}}}});
  Steps({{{"weight", 50}}, {{"weight", 75}, {"pause", "1h"}}});
  second = Ask("v2");
  Until([&] {
    EXPECT_EQ(cluster.Condition("Ready").substr(0, 4), "True");
    return canary().step == 2 && canary().step_since;
  });
  EXPECT_EQ(Size(first), 2);
  EXPECT_EQ(Size(second), 3);
  Pass(5, seconds(1), [&] { EXPECT_EQ(cluster.Condition("Ready").substr(0, 4), "True"); });
  for (const api::Pod* pod : cluster.Pods(first)) {
    const auto& body = cluster.sidecars.at(pod->meta.uid).body();
    EXPECT_EQ(body["stableIsFull"], false) << "without the operator the weight holds";
  }
}

TEST_F(Proportional, MakeNoRoomForWhatAStablePodMayNotHandOver) {
  Serve(4);
  Steps({{{"weight", 50}}, {{"weight", 75}, {"pause", "1h"}}});
  second = Ask("v2");
  Until([&] { return canary().step == 2; });
  ASSERT_EQ(Size(first), 3);
  Observed seen = cluster.Observe();
  seen.reports.erase(cluster.Pods(first).front()->meta.uid);
  EXPECT_TRUE(Of<ChangeReplicaSet>(Plan(seen)).empty()) << "who has not been asked may hand over less";
  UntilStep(2);
  EXPECT_EQ(Size(first), 2);
}

TEST_F(Proportional, SayThatStablePodsAreAllThereOnlyWhenTheyAre) {
  AtThreeQuarters();
  most = 8;
  Set({{"rollingUpdate", {{"maxSurge", "100%"}}}});
  Until([&] {
    const std::int64_t before = Size(first);
    for (const Order& order : cluster.Reconcile().orders) {
      if (order.revision == first && order.body["stableIsFull"] == true) {
        EXPECT_EQ(before, 4);
      }
    }
    return Serving(first) == 4;
  });
}

TEST_F(Proportional, ThatAreTakenBackGetNothingAndTheStablePodsComeBack) {
  AtThreeQuarters();
  Set({{"abort", second}});
  Until([&] { return phase() == Phase::kAborted && Weight() == 0; });
  Until([&] { return Serving(first) == 4 && Size(second) == 0; });
}

TEST_F(Proportional, WhosePodsAreLostTakeNoFurtherStablePods) {
  AtThreeQuarters();
  cluster.schedules = false;
  const std::string lost = cluster.Pods(second).front()->meta.uid;
  std::erase_if(cluster.pods, [&](const api::Pod& pod) { return pod.meta.uid == lost; });
  Until([&] { return Weight() == 50; });
  EXPECT_EQ(Size(first), 2);
  cluster.schedules = true;
  Until([&] { return Weight() == 75; });
}

TEST_F(Proportional, WhoseStatusIsLostHandOverWhatTheStablePodsCannotTake) {
  AtThreeQuarters();
  Steps({{{"weight", 25}}, {{"weight", 75}, {"pause", "1h"}}});
  cluster.after_write = [this] { Check(); };
  cluster.status_ = api::Status();
  Pass(100, seconds(1), [&] { EXPECT_GE(Weight(), 50); });
  Set({{"promote", second}});
  UntilPromoted(second);
}

TEST_F(Proportional, ThatShallBeFullAfterAllGetTheirStablePodsBack) {
  AtThreeQuarters();
  most = 8;
  Set({{"canary", {{"stableCapacity", "Full"}}}});
  Until([&] { return Serving(first) == 4 && Weight() == 75; });
}

// All pods of the first revision are still there when it is asked for again.
TEST_F(Proportional, OfWhatIsJustLeavingTakeNoMorePodsThanThereIsRoomFor) {
  for (const bool scaled : {false, true}) {
    SCOPED_TRACE(scaled ? "scaled down at once" : "");
    cluster = Cluster();
    Canaries::Serve(4);
    Steps({{{"weight", 50}, {"pause", "1s"}}, {{"weight", 100}, {"pause", "1s"}}});
    second = Ask("v2");
    Until([&] { return cluster.status().stable_revision == second; });
    ASSERT_EQ(Size(first), 4);
    Set({{"canary", {{"stableCapacity", "Proportional"}}}});
    if (scaled) cluster.Apply({{"replicas", 2}});
    Steps({{{"weight", 75}, {"pause", "1h"}}});
    ASSERT_EQ(Ask("v1.tar", Good()), first);
    cluster.after_write = [this] {
      Check();
      if (cluster.Find(first)->traffic != kTrafficSplit) return;
      EXPECT_GE(Size(first), 1);
      EXPECT_LE(Size(first), std::max<std::int64_t>(5 - Size(second), 1));
    };
    UntilStep(1);
  }
}

TEST_F(Proportional, AreLeftForTheirSuccessor) {
  AtThreeQuarters();
  Steps({{{"weight", 50}}});
  cluster.after_write = [this] { Check(); };
  const std::string third = Ask("v3", Good('c'));
  UntilPromoted(third);
  EXPECT_EQ(Size(second), 0);
}

}  // namespace
}  // namespace pilotlight::plan::testing
