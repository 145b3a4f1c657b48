// Rolling updates, and the user's hand in them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/plan/names.h"
#include "operator/plan/plan.h"
#include "operator/plan/testing/rollouts.h"

namespace pilotlight::plan::testing {
namespace {

using api::Phase;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;

TEST_F(Rollouts, AreRetriedWithPodsOfTheirOwn) {
  Serve(2);
  const std::string second = Ask("v2", Waiting());
  Pass(6, seconds(1));
  ASSERT_EQ(cluster.Pods(second).size(), 1U);
  const std::string old = cluster.Pods(second).front()->meta.uid;
  Set({{"retry", "1"}});
  cluster.behaviours[second] = Good('b');  // the old one passes now, too
  cluster.after_write = [&] {
    for (const api::Pod* pod : cluster.Pods(second)) {
      if (pod->meta.uid == old) {
        EXPECT_TRUE(pod->digest.empty()) << "let in by the try before";
      }
    }
  };
  Until([&] { return cluster.status().rollout.reason == "Retrying"; });
  Until([&] { return phase() == Phase::kComplete && cluster.status().stable_revision == second; });
  for (const api::Pod* pod : cluster.Pods(second)) EXPECT_NE(pod->meta.uid, old);
}

TEST_F(Rollouts, ReplaceOnePodAfterTheOther) {
  Serve(4);
  const std::string second = Ask("v2");
  Guard(4, 5);
  std::set<std::pair<std::int64_t, std::int64_t>> sizes;
  Until([&] {
    sizes.emplace(Size(first), Size(second));
    return phase() == Phase::kComplete && cluster.status().stable_revision == second;
  });
  for (const auto& step :
       {std::pair(4, 1), std::pair(3, 2), std::pair(2, 3), std::pair(1, 4), std::pair(0, 4)}) {
    EXPECT_THAT(sizes, Contains(std::pair<std::int64_t, std::int64_t>(step)));
  }
  EXPECT_THAT(cluster.EventReasons(),
              ::testing::ElementsAre("RolloutStarted", "Proven", "Promoted", "Completed"));
}

TEST_F(Rollouts, WithoutASurgeMakeRoomFirst) {
  Serve(4);
  Set({{"rollingUpdate", {{"maxSurge", 0}, {"maxUnavailable", 1}}}});
  cluster.Run();
  const std::string second = Ask("v2");
  Guard(3, 4 + 1);
  std::int64_t most = 0;
  Until([&] {
    if (cluster.Find(second) != nullptr && Size(first) < 4) most = std::max(most, Size(first) + Size(second));
    return phase() == Phase::kComplete && cluster.status().stable_revision == second;
  });
  EXPECT_EQ(most, 4);
}

TEST_F(Rollouts, WithoutASurgeAFailedProofGivesThePodBack) {
  Serve(3);
  Set({{"rollingUpdate", {{"maxSurge", 0}, {"maxUnavailable", 1}}}});
  Ask("v2", Broken());
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kFailed);
  EXPECT_EQ(Serving(first), 3);
}

TEST_F(Rollouts, OfOnePodSurgeWhateverIsSaid) {
  Serve(1);
  Set({{"rollingUpdate", {{"maxSurge", 0}, {"maxUnavailable", 1}}}});
  cluster.Run();
  const std::string second = Ask("v2");
  Guard(1, 2);
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
}

TEST_F(Rollouts, MoveInLargeStepsWhereTheyMay) {
  Serve(8);
  Set({{"rollingUpdate", {{"maxSurge", "50%"}, {"maxUnavailable", "25%"}}}});
  cluster.Run();
  EXPECT_EQ(cluster.budget->max_unavailable, 2);
  const std::string second = Ask("v2");
  Guard(6, 12);
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
}

TEST_F(Rollouts, CountAPodOnlyWhenItHasBeenReadyForLongEnough) {
  Serve(2);
  Set({{"minReadySeconds", 30}});
  const std::string second = Ask("v2");
  Half(second, 1);
  cluster.Run(seconds(25));
  EXPECT_EQ(Size(first), 2);
  cluster.Run(seconds(10));
  EXPECT_EQ(Size(first), 1);
  EXPECT_EQ(Size(second), 2);
}

// --- paused ---

TEST_F(Rollouts, ThatArePausedBeginNothing) {
  Serve(2);
  Set({{"paused", true}});
  const std::string second = Ask("v2");
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kPaused);
  EXPECT_EQ(cluster.Find(second), nullptr);
  EXPECT_EQ(cluster.Condition("UpToDate"), "False/Paused");
  EXPECT_EQ(cluster.Condition("Reconciling"), "True/Paused");
  EXPECT_FALSE(cluster.status().rollout.deadline) << "a pause has no end of its own";
  EXPECT_THAT(cluster.EventReasons(), Contains("Paused"));
  Set({{"paused", false}});
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
  EXPECT_THAT(cluster.EventReasons(), Contains("Resumed"));
}

TEST_F(Rollouts, ThatArePausedInTheMiddleStayThereAndScale) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second);
  Set({{"paused", true}});
  const auto before = std::pair(Size(first), Size(second));
  cluster.Run(minutes(30));
  EXPECT_EQ(std::pair(Size(first), Size(second)), before);
  EXPECT_EQ(phase(), Phase::kPaused);
  cluster.Apply({{"replicas", 8}});
  cluster.Run();
  EXPECT_EQ(Size(second), before.second);
  EXPECT_EQ(Size(first) + Size(second), 8);
  EXPECT_EQ(cluster.Condition("Ready"), "True/Serving");
  Guard(2, 8);
  cluster.Apply({{"replicas", 2}});
  cluster.Run();
  EXPECT_LE(Size(first) + Size(second), 3);
  Set({{"paused", false}});
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
  EXPECT_EQ(cluster.status().rollout.attempt, 2) << "neither pausing nor scaling is a new attempt";
}

TEST_F(Rollouts, ThatArePausedOnTrialNoteTheProofAndLetNobodyIn) {
  Serve(2);
  const std::string second = Ask("v2", {.ready = false, .phase = "Loading"});
  cluster.Run(seconds(5));
  Set({{"paused", true}});
  cluster.behaviours[second] = Good('b');
  cluster.Run(seconds(30));
  EXPECT_EQ(cluster.status().FindRevision(second)->phase, api::RevisionPhase::kProven);
  EXPECT_EQ(Serving(second), 0);
  EXPECT_EQ(Serving(first), 2);
}

TEST_F(Rollouts, ThatArePausedOnTrialStillFail) {
  Serve(2);
  const std::string second = Ask("v2", {.ready = false, .phase = "Loading"});
  cluster.Run(seconds(5));
  Set({{"paused", true}});
  cluster.behaviours[second] = Broken("InvalidBundle");
  cluster.Run(seconds(30));
  EXPECT_EQ(phase(), Phase::kFailed);
}

// --- Edits in the middle ---

TEST_F(Rollouts, AnEditBackInTheMiddleRestoresWhatWas) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second, 3);
  Guard(4, 5);
  Ask("v1.tar", Good());
  cluster.Reconcile();
  EXPECT_EQ(phase(), Phase::kReverting);
  EXPECT_EQ(cluster.Condition("UpToDate"), "True/UpToDate");
  EXPECT_EQ(cluster.Condition("Reconciling").substr(0, 5), "True/");
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kComplete);
  EXPECT_EQ(Serving(first), 4);
  EXPECT_EQ(cluster.pods.size(), 4U);
  EXPECT_THAT(cluster.EventReasons(), Contains("Reverting"));
}

TEST_F(Rollouts, AThirdRevisionWaitsOutsideUntilTheSecondHasGivenItsPlaceBack) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second, 3);
  const std::string third = Ask("v3", Good('c'));
  cluster.after_write = [&] {
    EXPECT_GE(Serving(), 4);
    if (Serving(second) > 0) {
      EXPECT_EQ(Serving(third), 0);
      EXPECT_LE(Size(third), 1);
    }
    EXPECT_LE(Size(first) + Size(second), 5);
  };
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, third);
  EXPECT_EQ(cluster.pods.size(), 4U);
}

TEST_F(Rollouts, AThirdRevisionThatFailsLeavesTheFirst) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second, 3);
  Ask("v3", Broken());
  Guard(4, 7);
  cluster.Run();
  EXPECT_EQ(phase(), Phase::kFailed);
  EXPECT_EQ(Serving(first), 4);
  EXPECT_EQ(cluster.pods.size(), 4U);
}

TEST_F(Rollouts, ScalingInTheMiddleMovesTheBounds) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second);
  cluster.Apply({{"replicas", 8}});
  cluster.Reconcile();
  EXPECT_EQ(Size(first) + Size(second), 10) << "what grows is the new one";
  cluster.Run();
  EXPECT_EQ(Serving(second), 8);
  EXPECT_EQ(cluster.pods.size(), 8U);
}

TEST_F(Rollouts, ScalingToNothingInTheMiddleEndsAll) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second);
  cluster.Apply({{"replicas", 0}});
  cluster.Run();
  EXPECT_EQ(cluster.pods.size(), 0U);
  EXPECT_EQ(phase(), Phase::kStopped);
  cluster.Apply({{"replicas", 2}});
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
  EXPECT_EQ(Serving(second), 2);
}

TEST_F(Rollouts, ARevisionThatNeverGrewUpKeepsServingUntilTheNextIsThere) {
  cluster.Apply({{"replicas", 3}});
  first = cluster.Revision();
  Half(first, 1);
  for (const api::Pod* pod : cluster.Pods(first)) cluster.pod_behaviours[pod->meta.name] = Good();
  cluster.behaviours[first] = {.ready = false, .phase = "Loading"};  // the others never come up
  cluster.Run(seconds(10));
  const std::string second = Ask("v2");
  cluster.after_write = [&] { EXPECT_GE(Serving(), 1); };
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
  EXPECT_EQ(Serving(second), 3);
}

TEST_F(Rollouts, ABrokenStableRevisionDoesNotHoldThemUp) {
  Serve(3);
  cluster.behaviours[first] = Waiting("EngineCrashed");
  cluster.Kubernetes();
  const std::string second = Ask("v2");
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
  EXPECT_EQ(Serving(second), 3);
}

TEST_F(Rollouts, WithoutAProofAreNotInTheServiceForALabelThatSomebodySets) {
  for (const char* traffic : {kTrafficService, kTrafficSplit}) {
    SCOPED_TRACE(traffic);
    cluster = Cluster();
    Serve(2);
    Set({{"strategy", "Canary"}});
    const std::string second = Ask("v2", Waiting());
    Pass(3);
    for (api::ReplicaSet& rs : cluster.replica_sets) {
      if (rs.meta.name == second) rs.traffic = traffic;
    }
    Pass(10, seconds(1), [&] { EXPECT_EQ(phase(), Phase::kProving); });
    EXPECT_EQ(Size(second), 1);
    EXPECT_EQ(Serving(first), 2);
  }
}

TEST_F(Rollouts, APodOnTrialThatSomebodyPutsIntoTheServiceIsNoMemberAndLeavesIt) {
  Serve(2);
  Set({{"paused", true}});
  const std::string second = Ask("v2");
  Set({{"paused", false}});
  Until([&] { return !cluster.Pods(second).empty(); });
  Set({{"paused", true}});
  api::Pod& pod = *cluster.Pods(second).front();
  pod.running = pod.ready = true;
  pod.traffic = kTrafficService;
  EXPECT_EQ(Serving(second), 0);
  Pass(3);
  EXPECT_EQ(cluster.Pods(second).front()->traffic, kTrafficNone);
}

TEST_F(Rollouts, ARevisionThatHasPassedBeforeIsNotCondemnedByPodsThatFail) {
  Serve(2);
  const std::string second = Ask("v2");
  Until([&] { return phase() == Phase::kComplete && Size(first) == 0; });
  ASSERT_EQ(Ask("v1.tar", Broken()), first);
  Pass(60, seconds(2), [&] { EXPECT_NE(phase(), Phase::kFailed); });
  EXPECT_EQ(cluster.status().FindRevision(first)->phase, api::RevisionPhase::kProven);
  EXPECT_EQ(Serving(second), 2);
}

TEST_F(Rollouts, LeaveThePodsThatWereReplacedTheTimeForWhatIsOnItsWay) {
  Serve(2);
  const std::string second = Ask("v2");
  Until([&] { return phase() == Phase::kRetiring; });
  const api::Time since = *cluster.status().rollout.since;
  Until([&] { return Size(first) == 0; });
  EXPECT_GE(cluster.now, since + cluster.settings.scale_down_delay);
}

// Whether it takes pods of that revision, or takes it out of the Service.
bool Takes(const Decision& decision, const api::ReplicaSet& rs) {
  return std::ranges::any_of(decision.actions, [&](const Action& action) {
    const auto* change = std::get_if<ChangeReplicaSet>(&action);
    return change != nullptr && change->name == rs.meta.name &&
           (change->replicas < rs.replicas || change->traffic == kTrafficNone);
  });
}

TEST_F(Rollouts, CountOnNoPodThatItsReplicaSetIsJustTaking) {
  Serve(4);
  const std::string second = Ask("v2");
  Until([&] { return Serving(second) == 2 && Takes(Plan(cluster.Observe()), *cluster.Find(first)); });
  Observed seen = cluster.Observe();
  for (api::ReplicaSet& rs : seen.replica_sets) {
    if (rs.meta.name == second) rs.current_replicas = 1;  // of which two pods are still listed as ready
  }
  EXPECT_FALSE(Takes(Plan(seen), *cluster.Find(first)));
}

TEST_F(Rollouts, ThatAreTakenBackStayWhileTheStablePodsAreToldToBeFewer) {
  Serve(3);
  const std::string second = Ask("v2");
  Half(second, 1);
  Observed seen = cluster.Observe();
  ASSERT_EQ(Serving(first), 3);
  seen.model.spec.rollout.abort = second;
  for (api::ReplicaSet& rs : seen.replica_sets) {
    if (rs.meta.name == first) rs.replicas = 1;  // as it was told, and has yet to do
  }
  EXPECT_FALSE(Takes(Plan(seen), *cluster.Find(second)));
}

TEST_F(Rollouts, ReplaceNoPodThatDriftsWhileOthersComeAndGo) {
  Serve(3);
  const std::string second = Ask("v2");
  Half(second, 1);
  Observed seen = cluster.Observe();
  ASSERT_EQ(Serving(first), 3);
  seen.reports.at(cluster.Pods(first).front()->meta.uid).recheck_failure =
      api::Failure{"Pod", "GoldenMismatch", "Ready", "other answers", "Look at the node"};
  for (const Action& action : Plan(seen).actions) EXPECT_FALSE(std::holds_alternative<Delete>(action));
}

TEST_F(Rollouts, TakeNoPodOutWhoseReplicaSetIsAnotherThanWasSeen) {
  Serve(2);
  Ask("v2");
  Until([&] { return phase() == Phase::kRetiring; });
  Observed seen = cluster.Observe();
  for (api::ReplicaSet& rs : seen.replica_sets) {
    if (rs.meta.name != first) continue;
    rs.traffic = kTrafficNone;  // as it once was
    rs.digest.clear();
  }
  for (api::Pod& pod : seen.pods) pod.traffic = kTrafficService;
  bool checked = false;
  const Decision decision = Plan(seen);
  for (const Action& action : decision.actions) {
    const auto* change = std::get_if<ChangeReplicaSet>(&action);
    checked = checked || (change != nullptr && change->name == first);
    EXPECT_TRUE(checked || !std::holds_alternative<LabelPod>(action)) << "that may come first and be refused";
  }
  EXPECT_TRUE(checked);
}

TEST_F(Rollouts, KeepWhatServesThoughSomebodyTakesLabelAndPinFromItsReplicaSet) {
  Serve(2);
  Guard(2, 3);
  cluster.replica_sets.front().traffic = kTrafficNone;
  cluster.replica_sets.front().digest.clear();
  const std::string second = Ask("v2");
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, second);
  EXPECT_EQ(Size(first), 0);
}

// How many pods of a revision that shall enter the Service `decision` asks for; 0: it enters not.
std::int64_t Entering(const Decision& decision, const std::string& revision) {
  for (const Action& action : decision.actions) {
    const auto* change = std::get_if<ChangeReplicaSet>(&action);
    if (change != nullptr && change->name == revision && change->traffic == kTrafficService)
      return change->replicas;
  }
  return 0;
}

TEST_F(Rollouts, WithoutASurgeLetNobodyInBeforeThereIsRoom) {
  Serve(3);
  Set({{"rollingUpdate", {{"maxSurge", 0}, {"maxUnavailable", 1}}}});
  const std::string second = Ask("v2");
  Until([&] {
    const auto pods = cluster.Pods(second);
    return !pods.empty() && pods.front()->ready && cluster.Observe().reports.contains(pods.front()->meta.uid);
  });
  Observed seen = cluster.Observe();
  EXPECT_EQ(Entering(Plan(seen), second), 1);
  seen.replica_sets.front().replicas = 3;  // has not made room yet
  EXPECT_EQ(Entering(Plan(seen), second), 0);
}

TEST_F(Rollouts, LetNoMorePodsBackInThanThereIsRoomFor) {
  Serve(4);
  Ask("v2");
  cluster.Run();
  cluster.replica_sets.front().replicas = 4;  // as if it had just left
  cluster.Kubernetes();
  cluster.Apply({{"model", {{"uri", "https://models.example/v1.tar"}}}});
  ASSERT_EQ(cluster.Revision(), first);
  cluster.after_write = [&] {
    std::int64_t in_service = 0;
    for (const auto& rs : cluster.replica_sets) in_service += rs.traffic == kTrafficService ? rs.replicas : 0;
    EXPECT_LE(in_service, 5);
  };
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, first);
}

TEST_F(Rollouts, ThatArePausedScaleTheCandidateDownBehindWhatIsListed) {
  Serve(4);
  const std::string second = Ask("v2");
  Half(second, 3);
  Set({{"paused", true}});
  cluster.Apply({{"replicas", 2}});
  Observed seen = cluster.Observe();
  const auto changes = [&] {
    std::int64_t size = 3;
    const Decision decision = Plan(seen);
    for (const Action& action : decision.actions) {
      const auto* change = std::get_if<ChangeReplicaSet>(&action);
      if (change != nullptr && change->name == second) size = change->replicas;
    }
    return size;
  };
  seen.now += minutes(1);
  EXPECT_EQ(changes(), 2);
  std::erase(*seen.ready_endpoints, cluster.Pods(second).front()->meta.uid);
  EXPECT_EQ(changes(), 3) << "that one might be what is left";
}

TEST_F(Rollouts, ScaleDownBehindWhatIsListedAndNotOnlyReady) {
  Serve(3);
  cluster.Apply({{"replicas", 2}});
  Observed seen = cluster.Observe();
  seen.ready_endpoints->pop_back();
  const Decision decision = Plan(seen);
  for (const Action& action : decision.actions)
    EXPECT_FALSE(std::holds_alternative<ChangeReplicaSet>(action));
  ASSERT_TRUE(decision.status);
  EXPECT_EQ(decision.status->rollout.phase, Phase::kScaling);
  EXPECT_EQ(decision.status->rollout.reason, "WaitingForEndpoints");
  cluster.Run();
  EXPECT_EQ(Size(first), 2);
}

TEST_F(Rollouts, KeepAPinWhateverAPodOnTrialHasFound) {
  Serve(2);
  const std::string second = Ask("v2", Good('b'));
  Until([&] { return !cluster.Pods(second).empty(); });
  // Somebody has bound the revision to other bytes since that pod was made.
  for (api::ReplicaSet& rs : cluster.replica_sets) {
    if (rs.meta.name == second) rs.digest = Digest('c');
  }
  cluster.Run(minutes(2));
  EXPECT_EQ(cluster.Find(second)->digest, Digest('c'));
  EXPECT_EQ(Serving(second), 0);
  EXPECT_EQ(cluster.status().stable_revision, first);
}

TEST_F(Rollouts, KeepWhatWasReplacedWhileTheNewOneHasLostPods) {
  Serve(3);
  const std::string second = Ask("v2");
  Until([&] { return phase() == Phase::kSettling; });
  // The moment in which it becomes stable: that is written, and nothing else is done.
  while (phase() == Phase::kSettling) {
    cluster.Reconcile(0);
    cluster.Wait(seconds(1));
  }
  ASSERT_EQ(phase(), Phase::kRetiring);
  const std::int64_t left = Serving(first);
  ASSERT_GT(left, 0);
  const std::string lost = cluster.Pods(second).front()->meta.name;
  cluster.pod_behaviours[lost] = Waiting();
  cluster.Kubernetes();
  cluster.Run(seconds(30));
  EXPECT_EQ(Serving(first), left);
  cluster.pod_behaviours.erase(lost);
  cluster.Run();
  EXPECT_EQ(Serving(first), 0);
  EXPECT_EQ(Serving(second), 3);
}

}  // namespace
}  // namespace pilotlight::plan::testing
