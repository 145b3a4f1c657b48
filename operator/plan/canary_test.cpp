// Canaries: by steps, judged by what the stable pods count, and the user's hand in them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <utility>
#include <vector>

#include "operator/plan/testing/canaries.h"

namespace pilotlight::plan::testing {
namespace {

using api::Phase;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(Canaries, GoThroughAllStepsAndArePromotedWithoutARestart) {
  Serve(10);
  least = 10;
  const std::string second = Ask("v2");
  std::vector<std::pair<std::int64_t, std::int64_t>> steps;
  std::set<std::string> at_full;
  Until([&] {
    if (canary().step_since && !canary().promoting) {
      const std::pair<std::int64_t, std::int64_t> now(canary().applied, Size(second));
      if (steps.empty() || steps.back() != now) steps.push_back(now);
      EXPECT_EQ(Weight(), canary().applied);
    }
    if (canary().promoting && at_full.empty()) {
      for (const api::Pod* pod : cluster.Pods(second)) at_full.insert(pod->meta.uid);
    }
    return phase() == Phase::kComplete && cluster.status().stable_revision == second;
  });
  EXPECT_THAT(steps, ElementsAre(std::pair(5, 1), std::pair(25, 3), std::pair(50, 5), std::pair(100, 10)));
  EXPECT_EQ(Size(first), 0);
  std::set<std::string> now;
  for (const api::Pod* pod : cluster.Pods(second)) now.insert(pod->meta.uid);
  EXPECT_EQ(now, at_full);
  EXPECT_EQ(now.size(), 10U);
  EXPECT_THAT(cluster.EventReasons(), ElementsAre("RolloutStarted", "Proven", "StepStarted", "StepStarted",
                                                  "StepStarted", "StepStarted", "Promoted", "Completed"));
}

TEST_F(Canaries, OfOnePodHaveThreeSteps) {
  Serve(1);
  least = 1;
  UntilPromoted(Ask("v2"));
  EXPECT_EQ(canary().steps, 3);
}

TEST_F(Canaries, ThatFailMoreRequestsAreTakenBack) {
  Serve(4);
  least = 4;
  Behaviour bad = Good('b');
  bad.errors = 0.2;
  const std::string second = Ask("v2", bad);
  Until([&] { return phase() == Phase::kAborted && Size(second) == 0; });
  EXPECT_EQ(cluster.status().FindRevision(second)->aborted->reason, "MoreErrors");
  EXPECT_THAT(cluster.status().FindRevision(second)->aborted->message, HasSubstr("errors: candidate "));
  EXPECT_EQ(Weight(), 0);
  EXPECT_EQ(cluster.Condition("UpToDate"), "False/RevisionAborted");
  EXPECT_THAT(cluster.EventReasons(), Contains("MoreErrors"));
}

TEST_F(Canaries, ThatAreSlowerAreTakenBack) {
  Serve(4);
  Behaviour bad = Good('b');
  bad.slow = 0.5;
  const std::string second = Ask("v2", bad);
  Until([&] { return phase() == Phase::kAborted && Size(second) == 0; });
  EXPECT_EQ(cluster.status().FindRevision(second)->aborted->reason, "Slower");
}

TEST_F(Canaries, ThatTheUserPromotesSkipTheirSteps) {
  const std::string second = AtStep(1, 4);
  Set({{"promote", second}});
  Until([&] {
    EXPECT_EQ(cluster.status().rollout.ignored, "");
    return phase() == Phase::kComplete && cluster.status().stable_revision == second;
  });
  EXPECT_EQ(canary().step, 1);
  EXPECT_EQ(cluster.status().rollout.ignored, "");
}

TEST_F(Canaries, ThatTheUserAbortsAreTakenBackFromAnyStep) {
  for (const std::int64_t step : {1, 2}) {
    SCOPED_TRACE(step);
    cluster = Cluster();
    const std::string second = AtStep(step, 4);
    Set({{"abort", second}, {"promote", second}});
    Until([&] { return phase() == Phase::kAborted && Size(second) == 0; });
    EXPECT_EQ(Weight(), 0);
    EXPECT_EQ(Serving(first), 4);
  }
}

TEST_F(Canaries, OfWhichTheUserWantsToSeeMoreWaitForPromote) {
  Serve(2);
  Steps({{{"weight", 20}, {"pause", "UntilPromoted"}}});
  const std::string second = Ask("v2");
  Until([&] { return phase() == Phase::kPaused && cluster.status().rollout.reason == "UntilPromoted"; });
  EXPECT_THAT(cluster.status().rollout.message, HasSubstr("set spec.rollout.promote to " + second));
  for (int i = 0; i < 600; ++i) {
    cluster.Reconcile();
    cluster.Wait(seconds(5));
  }
  EXPECT_EQ(phase(), Phase::kPaused);
  EXPECT_EQ(Weight(), 20);
  Set({{"promote", second}});
  UntilPromoted(second);
}

TEST_F(Canaries, ThatAreHeldStayAsTheyAre) {
  const std::string second = AtStep(1, 4);
  Set({{"paused", true}});
  Pass(600, seconds(2));
  EXPECT_EQ(phase(), Phase::kPaused);
  EXPECT_EQ(canary().step, 1);
  EXPECT_EQ(Weight(), 25);
  Set({{"paused", false}});
  UntilPromoted(second);
}

TEST_F(Canaries, ThatGoBadWhileHeldAreTakenBackAllTheSame) {
  const std::string second = AtStep(1, 4);
  Set({{"paused", true}});
  cluster.behaviours[second].errors = 0.3;
  Until([&] { return cluster.status().FindRevision(second)->aborted.has_value(); });
}

TEST_F(Canaries, GetNoWeightForWhichThereAreNoPods) {
  Serve(4);
  Steps({{{"weight", 25}}, {{"weight", 100}}});
  const std::string second = Ask("v2");
  UntilStep(1);
  cluster.schedules = false;
  Until([&] { return phase() == Phase::kPaused; });
  EXPECT_EQ(cluster.status().rollout.reason, "InsufficientCapacity");
  EXPECT_EQ(canary().step, 2);
  EXPECT_EQ(Weight(), 25);
  cluster.schedules = true;
  UntilPromoted(second);
}

TEST_F(Canaries, LoseWeightWithTheirPods) {
  const std::string second = StayAt(50, 4);
  EXPECT_EQ(Weight(), 50);
  const std::string lost = cluster.Pods(second).front()->meta.uid;
  cluster.schedules = false;
  std::erase_if(cluster.pods, [&](const api::Pod& pod) { return pod.meta.uid == lost; });
  Until([&] { return Weight() == 25; });
  cluster.schedules = true;
  Until([&] { return Weight() == 50; });
}

TEST_F(Canaries, KeepTheirWeightWhileARestartedOperatorAsksForThem) {
  const std::string second = StayAt(50, 4);
  const std::string label = cluster.sidecars.at(cluster.Pods(first).front()->meta.uid).body()["segment"];
  cluster.RestartOperator();
  Pass(5, seconds(0), [&] {
    EXPECT_EQ(canary().desired, 50);
    EXPECT_EQ(Weight(), 50);
  });
  EXPECT_EQ(cluster.sidecars.at(cluster.Pods(first).front()->meta.uid).body()["segment"], label)
      << "what was counted counts on";

  Steps({{{"weight", 50}}});
  Until([&] { return phase() == Phase::kSettling; });
  cluster.RestartOperator();
  cluster.Reconcile();
  EXPECT_EQ(canary().desired, 100);
  UntilPromoted(second);
}

TEST_F(Canaries, GoOnLettingInAStablePodThatTheOperatorCannotReach) {
  const std::string second = StayAt(50, 2, "20s");
  const api::Pod& front = *cluster.Pods(first).front();
  const std::string certificate = cluster.sidecars.at(front.meta.uid).certificate();
  cluster.pod_behaviours[front.meta.name] = Good();
  cluster.pod_behaviours[front.meta.name].unreachable = true;
  Pass(20, seconds(2), [&] {
    for (const api::Pod* pod : cluster.Pods(second))
      EXPECT_TRUE(cluster.sidecars.at(pod->meta.uid).Accepts(certificate));
  });
  EXPECT_TRUE(cluster.sidecars.at(front.meta.uid).Hands(cluster.Pods(second).front()->meta.uid, cluster.now));
  cluster.pod_behaviours.clear();
  UntilPromoted(second);
}

TEST_F(Canaries, AreLeftAtOnceForTheirSuccessor) {
  Serve(4);
  least = 4;
  const std::string second = Ask("v2");
  UntilStep(2);
  const std::string third = Ask("v3", Good('c'));
  UntilPromoted(third);
  EXPECT_EQ(Size(second), 0);
  EXPECT_FALSE(cluster.status().FindRevision(second)->split_until);
}

TEST_F(Canaries, AreOffBeforeTheirSuccessorGetsAnything) {
  const std::string second = AtStep(1, 4);
  cluster.orders_arrive = false;  // so that nobody hears that it is off
  const std::string third = Ask("v3", Good('c'));
  Until([&] { return cluster.status().rollout.reason == "Superseding"; });
  Pass(20, seconds(2), [&] { EXPECT_EQ(phase(), Phase::kProving); });
  EXPECT_EQ(cluster.Find(third)->traffic, kTrafficNone);
  cluster.orders_arrive = true;
  UntilPromoted(third);
}

TEST_F(Canaries, EndWhenTheUserGoesBack) {
  Serve(4);
  least = 4;
  const std::string second = Ask("v2");
  UntilStep(1);
  Ask("v1");
  cluster.Apply({{"model", {{"uri", "https://models.example/v1.tar"}}}});
  Until([&] { return phase() == Phase::kComplete && Size(second) == 0; });
  EXPECT_EQ(cluster.status().stable_revision, first);
  EXPECT_EQ(Weight(), 0);
}

TEST_F(Canaries, WhosePodsAndReplicaSetAreGoneAreSaidToGetNothingUntilTheyComeBack) {
  const std::string second = StayAt(50, 2);
  Set({{"paused", true}});
  std::erase_if(cluster.pods, [&](const api::Pod& pod) { return pod.meta.revision == second; });
  std::erase_if(cluster.replica_sets, [&](const api::ReplicaSet& rs) { return rs.meta.name == second; });
  Pass(3, seconds(1), [&] {
    EXPECT_EQ(phase(), Phase::kPaused);
    EXPECT_EQ(canary().applied, 0);
  });
  Set({{"paused", false}});
  Pass(1);
  EXPECT_EQ(phase(), Phase::kProving);
  EXPECT_EQ(canary().desired, 0);
  EXPECT_EQ(canary().applied, 0);
  Until([&] { return phase() == Phase::kCanary && canary().applied == 50; });
  EXPECT_EQ(Weight(), 50);
}

TEST_F(Canaries, WhoseReplicaSetIsNotSeenAreRememberedForAsLongAsTheyMayGetRequests) {
  const std::string second = AtStep(1, 4);
  const api::ReplicaSet hidden = *cluster.Find(second);
  std::erase_if(cluster.replica_sets, [&](const api::ReplicaSet& rs) { return rs.meta.name == second; });
  cluster.Apply({{"model", {{"uri", "https://models.example/v1.tar"}}}});
  cluster.Reconcile();
  ASSERT_NE(cluster.status().FindRevision(second), nullptr);
  cluster.replica_sets.push_back(hidden);
  Until([&] {
    if (cluster.Find(second)->traffic == kTrafficNone) {
      EXPECT_EQ(Weight(), 0);
    }
    return phase() == Phase::kComplete && Size(second) == 0;
  });
}

TEST_F(Canaries, WhoseReplicaSetIsGoneAreForgottenWhenTheyCanGetNoRequestsAnyMore) {
  const std::string second = AtStep(1, 4);
  std::erase_if(cluster.replica_sets, [&](const api::ReplicaSet& rs) { return rs.meta.name == second; });
  cluster.Apply({{"model", {{"uri", "https://models.example/v1.tar"}}}});
  Until([&] { return cluster.status().FindRevision(second) == nullptr; });
  EXPECT_EQ(phase(), Phase::kComplete);
}

TEST_F(Canaries, KeepAsManyPodsAsTheyBeganWith) {
  Serve(4);
  least = 4;
  const std::string second = Ask("v2");
  UntilStep(1);
  cluster.Apply({{"replicas", 1}});
  UntilStep(2);
  EXPECT_EQ(Size(first), 4);
  least = 0;
  UntilPromoted(second);
  cluster.Run();
  EXPECT_EQ(Size(second), 1);
}

TEST_F(Canaries, OfAFirstRevisionDoNotExist) {
  cluster.Apply({{"replicas", 2}, {"rollout", {{"strategy", "Canary"}}}});
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kComplete);
  EXPECT_FALSE(cluster.status().rollout.canary);
}

TEST_F(Canaries, SayWhatHoldsThemUpWhereASidecarCannotBeReached) {
  Serve(2);
  const std::string second = Ask("v2");
  const std::string deaf = cluster.Pods(first).front()->meta.name;
  cluster.pod_behaviours[deaf] = Good();
  cluster.pod_behaviours[deaf].unreachable = true;
  Until([&] { return cluster.status().rollout.reason == "SidecarUnreachable"; });
  EXPECT_THAT(cluster.status().rollout.message, HasSubstr("pod " + deaf));
  EXPECT_THAT(cluster.status().rollout.message, HasSubstr("NetworkPolicy"));
  Until([&] { return phase() == Phase::kPaused; });
  EXPECT_EQ(cluster.status().rollout.reason, "SidecarUnreachable");
  cluster.pod_behaviours.clear();
  UntilPromoted(second);
}

TEST_F(Canaries, SayWhyNobodyIsThereToHandOver) {
  const std::string second = AtStep(1, 1);
  cluster.behaviours[first] = Changed();
  cluster.pod_behaviours.clear();
  const std::string lost = cluster.Pods(first).front()->meta.uid;
  std::erase_if(cluster.pods, [&](const api::Pod& pod) { return pod.meta.uid == lost; });
  Until([&] { return cluster.status().rollout.message.contains("no pod of " + first + " serves"); });
  Until([&] { return cluster.status().rollout.message.contains("other bytes. Restore the file"); });
  EXPECT_EQ(cluster.status().rollout.reason, "WaitingForWeight");
  Until([&] { return phase() == Phase::kPaused; });
  cluster.behaviours[first] = Good();
  UntilPromoted(second);
}

TEST_F(Canaries, WhosePodsKeepRestartingAreTakenBack) {
  const std::string second = AtStep(1, 4);
  api::Pod& pod = *cluster.Pods(second).front();
  pod.restarts = 3;
  pod.started = cluster.now + seconds(1);
  cluster.Wait(seconds(1));
  Until([&] { return phase() == Phase::kAborted; });
  EXPECT_EQ(cluster.status().FindRevision(second)->aborted->reason, "ContainersRestarted");
}

TEST_F(Canaries, ThatRunOutOfMemoryAreTakenBackAtOnce) {
  const std::string second = AtStep(1, 4);
  api::Pod& pod = *cluster.Pods(second).front();
  pod.restarts = 1;
  pod.last_exit_reason = "OOMKilled";
  pod.started = cluster.now + seconds(1);
  cluster.Wait(seconds(1));
  Until([&] { return phase() == Phase::kAborted; });
  EXPECT_EQ(cluster.status().FindRevision(second)->aborted->reason, "OutOfMemory");
}

TEST_F(Canaries, PromoteIsIgnoredAloudWhereThereIsNothingToPromote) {
  Serve(2);
  Set({{"promote", "digits-nobody"}});
  cluster.Run();
  EXPECT_THAT(cluster.status().rollout.ignored,
              HasSubstr("promote names digits-nobody, which is not the candidate"));
  EXPECT_THAT(cluster.EventReasons(), Contains("Ignored"));
}

TEST_F(Canaries, GoOnAfterACrashBetweenAnyTwoWrites) {
  for (std::size_t crash = 0; crash < 28; ++crash) {
    SCOPED_TRACE(crash);
    cluster = Cluster();
    Serve(2);
    least = 2;
    Steps({{{"weight", 50}, {"pause", "5s"}}});
    const std::string second = Ask("v2");
    // Every so many decisions one is not carried out in full.
    for (int i = 0; i < 4000 && cluster.status().stable_revision != second; ++i) {
      cluster.Reconcile(i % 7 == static_cast<int>(crash % 7) ? crash / 7 : SIZE_MAX);
      cluster.Kubernetes();
      if (i % 3 == 2) cluster.Wait(seconds(4));
    }
    UntilPromoted(second);
  }
}

TEST_F(Canaries, ThatWaitForPromoteAreNotNotedAtEachLook) {
  Serve(2);
  Steps({{{"weight", 50}, {"pause", "UntilPromoted"}}});
  Ask("v2");
  Until([&] { return phase() == Phase::kPaused && canary().verdict == "Pass"; });
  const auto before = cluster.writes;
  for (int i = 0; i < 60; ++i) {
    cluster.Reconcile();
    cluster.Wait(seconds(1));
  }
  EXPECT_LE(cluster.writes - before, 8U);
}

TEST_F(Canaries, DoNotShrinkWhileTheyGetRequests) {
  const std::string second = StayAt(99, 4);
  Steps({{{"weight", 25}, {"pause", "1h"}}});
  Until([&] { return Weight() == 25; });
  Pass(20);
  EXPECT_EQ(Size(second), 4);
}

TEST_F(Canaries, ThatAreTakenBackAreGivenNothingInTheSameBreath) {
  const std::string second = AtStep(1, 4);
  cluster.behaviours[second].errors = 0.5;
  cluster.orders_arrive = false;
  api::Pod& front = *cluster.Pods(first).front();
  front.running = front.ready = false;  // it must be told again
  Until([&] {
    const Decision decision = cluster.Reconcile();
    const bool aborted = decision.status && decision.status->FindRevision(second)->aborted;
    for (const Order& order : decision.orders) {
      if (aborted) {
        EXPECT_EQ(order.body["weight"], 0);
      }
    }
    return aborted;
  });
}

TEST_F(Canaries, ArePromotedOnlyWhileEveryStablePodHandsOverAll) {
  const std::string second = AtStep(2, 2);
  Set({{"promote", second}});
  cluster.orders_arrive = false;
  api::Pod& front = *cluster.Pods(first).front();
  front.running = front.ready = false;  // it comes back with no split
  for (int i = 0; i < 20; ++i) {
    cluster.Kubernetes();
    cluster.Reconcile();
  }
  EXPECT_EQ(cluster.Find(second)->traffic, kTrafficSplit);
  EXPECT_EQ(canary().applied, 0);
  cluster.orders_arrive = true;
  UntilPromoted(second);
}

TEST_F(Canaries, MakeNoRoomAtTheCostOfAStablePodWhileTheSplitIsOn) {
  Serve(3);
  Set({{"rollingUpdate", {{"maxSurge", 0}, {"maxUnavailable", 1}}}});
  Ask("v2");
  UntilStep(1);
  cluster.orders_arrive = false;
  Ask("v3", Good('c'));
  Pass(20, seconds(0), [&] { EXPECT_EQ(Size(first), 3); });
}

TEST_F(Canaries, InTheServiceLoseNoPodWhileTheyAreHandedRequests) {
  const std::string second = AtStep(2, 2);
  Until([&] { return cluster.Find(second)->traffic == kTrafficService; });
  cluster.orders_arrive = false;
  ASSERT_EQ(Ask("v1.tar", Good()), first);
  Pass(20, seconds(0), [&] { EXPECT_EQ(Size(second), 2); });
  cluster.orders_arrive = true;
  Until([&] { return Size(second) == 0; });
}

TEST_F(Canaries, AreHeldInTheServiceWithAllTheirStablePods) {
  const std::string second = AtStep(2, 2);
  Until([&] { return cluster.Find(second)->traffic == kTrafficService; });
  Set({{"paused", true}});
  Pass(600, seconds(1), [&] { EXPECT_EQ(Size(first), 2); });
  EXPECT_EQ(Weight(), 100);
  Set({{"paused", false}});
  UntilPromoted(second);
}

TEST_F(Canaries, WhoseLabelWasChangedByHandKeepTheirPods) {
  Serve(4);
  Steps({{{"weight", 25}, {"pause", "5s"}}, {{"weight", 100}, {"pause", "1h"}}});
  const std::string second = Ask("v2");
  UntilStep(2);
  for (api::ReplicaSet& rs : cluster.replica_sets) {
    if (rs.meta.name == second) rs.traffic = kTrafficNone;
  }
  Pass(10, seconds(0), [&] { EXPECT_EQ(Size(second), 4); });
}

TEST_F(Canaries, BeginAnewAfterTheyWereScaledToZero) {
  const std::string second = StayAt(50, 2);
  cluster.Apply({{"replicas", 0}});
  Until([&] { return Size(first) == 0 && Size(second) == 0; });
  EXPECT_FALSE(cluster.status().rollout.canary);
  cluster.Apply({{"replicas", 2}});
  Until([&] { return Size(first) == 2 && Weight() == 50; });
}

TEST_F(Canaries, WhoseStatusIsLostInTheServiceKeepTheirPodsUntilTheSplitIsOver) {
  const std::string second = AtStep(2, 4);
  Until([&] { return phase() == Phase::kSettling; });
  cluster.status_ = {};
  cluster.Apply({{"replicas", 2}});
  Pass(10, seconds(0), [&] { EXPECT_EQ(Size(second), 4); });
  cluster.Run(minutes(10));
  EXPECT_EQ(Size(second), 2);
}

TEST_F(Canaries, KeysOfTheOperatorAreMadeAndRepaired) {
  cluster.settings.operator_keys = {{"operator.pem", "a key"}};
  Serve(1);
  const auto keys = [&]() -> api::ConfigMap* {
    for (api::ConfigMap& config : cluster.config_maps) {
      if (config.meta.name == "digits-operator-keys") return &config;
    }
    return nullptr;
  };
  ASSERT_NE(keys(), nullptr);
  EXPECT_THAT(keys()->keys, ElementsAre(std::pair("operator.pem", "a key")));
  cluster.settings.operator_keys = {{"operator.pem", "another key"}, {"before.pem", "a key"}};
  cluster.Run();
  EXPECT_EQ(keys()->keys, cluster.settings.operator_keys);
}

TEST_F(Canaries, WhoseStepIsTakenOutOfTheSpecWhileHeldStayAsTheyAre) {
  Serve(2);
  Steps({{{"weight", 20}, {"pause", "5s"}}, {{"weight", 50}, {"pause", "1h"}}});
  const std::string second = Ask("v2");
  UntilStep(2);
  Set({{"paused", true}, {"canary", {{"steps", {{{"weight", 20}}}}}}});
  Pass(20, seconds(1));
  EXPECT_EQ(phase(), Phase::kPaused);
  EXPECT_EQ(Weight(), 50);
  Set({{"paused", false}});
  UntilPromoted(second);
}

TEST_F(Canaries, WhoseOnlyPodIsOutOfReachAreNotTakenBackForIt) {
  const std::string second = StayAt(20, 2, "20s");
  // Nobody who is handed to it is answered, nor is the operator.
  cluster.behaviours[second].errors = 1;
  cluster.behaviours[second].unanswered = true;
  Pass(7, seconds(1), [&] { EXPECT_NE(phase(), Phase::kAborted); });
  EXPECT_TRUE(canary().failing_since);
  cluster.behaviours[second].unreachable = true;
  Until([&] { return canary().desired == 0 && canary().applied == 0; });
  Pass(12, seconds(1), [&] { EXPECT_NE(phase(), Phase::kAborted); });
  cluster.behaviours[second] = Good('b');
  UntilPromoted(second);
}

TEST_F(Canaries, ThatAnswerNobodyButTheOperatorAreTakenBack) {
  const std::string second = StayAt(50, 2, "20s");
  cluster.behaviours[second].errors = 1;
  cluster.behaviours[second].unanswered = true;
  Until([&] { return canary().failing_since.has_value(); });
  const api::Time failing = *canary().failing_since;
  Until([&] { return phase() == Phase::kAborted; });
  EXPECT_GE(cluster.now, failing + seconds(8)) << "it may be a pod that is out of reach";
}

TEST_F(Canaries, WhoseAnswersAreErrorsAreTakenBackAtOnce) {
  const std::string second = StayAt(50, 2, "20s");
  cluster.behaviours[second].errors = 1;
  Until([&] {
    EXPECT_FALSE(canary().failing_since);
    return phase() == Phase::kAborted;
  });
}

TEST_F(Canaries, ThatWerePromotedKeepAllPodsUntilThoseBeforeThemAreGone) {
  Serve(4);
  const std::string second = Ask("v2");
  Until([&] { return cluster.status().stable_revision == second; });
  cluster.Apply({{"replicas", 1}});
  Until([&] {
    if (!cluster.Pods(first).empty()) {
      EXPECT_EQ(Size(second), 4) << "they hand it all they get";
    }
    return Size(first) == 0 && Size(second) == 1;
  });
}

}  // namespace
}  // namespace pilotlight::plan::testing
