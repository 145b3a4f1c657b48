#include "operator/plan/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <variant>

#include "operator/plan/names.h"
#include "operator/plan/testing/serving.h"

namespace pilotlight::plan::testing {
namespace {

using api::Phase;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(UnseenStable, IsTheRevisionThatStatusNamesWhereNoReplicaSetOfItWasSeen) {
  Cluster cluster;
  EXPECT_EQ(UnseenStable(cluster.Observe()), "");
  cluster.Run();
  Observed seen = cluster.Observe();
  EXPECT_EQ(UnseenStable(seen), "");
  seen.replica_sets.clear();
  EXPECT_EQ(UnseenStable(seen), cluster.Revision());
}

// --- The first start ---

TEST(FirstStart, WritesStatusBeforeAnyChildAndSaysReconcilingInTheSameWrite) {
  Cluster cluster;
  const Decision decision = Plan(cluster.Observe());
  ASSERT_TRUE(decision.status);
  EXPECT_EQ(decision.status->observed_generation, 1);
  EXPECT_EQ(decision.status->Find("Reconciling")->status, api::ConditionStatus::kTrue);
  EXPECT_EQ(decision.status->rollout.attempt, 1);
  EXPECT_EQ(decision.status->rollout.deadline, cluster.now + minutes(10));
  EXPECT_EQ(decision.status->url, "http://digits.ml.svc");
}

TEST(FirstStart, MakesTheConfigBeforeThePodsThatMountItAndOnePodOutsideTheService) {
  Cluster cluster;
  cluster.Apply({{"replicas", 5}});
  const auto creates = Of<Create>(Plan(cluster.Observe()));
  ASSERT_EQ(creates.size(), 4U);
  EXPECT_EQ(creates[0].kind, Kind::kConfigMap);
  EXPECT_EQ(creates[1].kind, Kind::kReplicaSet);
  EXPECT_EQ(creates[1].body["spec"]["replicas"], 1);
  EXPECT_EQ(creates[1].body["spec"]["template"]["metadata"]["labels"][kTrafficLabel], kTrafficNone);
  EXPECT_EQ(creates[2].kind, Kind::kService);
  EXPECT_EQ(creates[3].kind, Kind::kDisruptionBudget);
}

TEST(FirstStart, ProvesPinsLetsInGrowsAndIsComplete) {
  Cluster cluster;
  cluster.Apply({{"replicas", 3}});
  cluster.Run();
  const api::Status& status = cluster.status();
  EXPECT_EQ(status.rollout.phase, Phase::kComplete);
  EXPECT_EQ(status.stable_revision, cluster.Revision());
  EXPECT_EQ(status.candidate_revision, "");
  EXPECT_EQ(status.replicas, 3);
  EXPECT_EQ(status.ready_replicas, 3);
  EXPECT_EQ(status.level, "Answers");
  ASSERT_EQ(status.revisions.size(), 1U);
  EXPECT_EQ(status.revisions[0].digest, Digest('a'));
  EXPECT_EQ(status.revisions[0].proof["level"], "Answers");
  EXPECT_EQ(cluster.Find(cluster.Revision())->digest, Digest('a'));
  EXPECT_THAT(cluster.EventReasons(), ElementsAre("RolloutStarted", "Proven", "Promoted", "Completed"));
}

TEST(FirstStart, PinsAndLabelsInOneWriteBeforeTheFirstPodIsLetIn) {
  Cluster cluster;
  cluster.Apply({{"replicas", 3}});
  cluster.Reconcile();
  cluster.Kubernetes();
  cluster.Reconcile();
  const Decision decision = Plan(cluster.Observe());
  ASSERT_EQ(decision.actions.size(), 3U);
  ASSERT_TRUE(std::holds_alternative<EmitEvent>(decision.actions[0]));
  const auto& change = std::get<ChangeReplicaSet>(decision.actions[1]);
  EXPECT_EQ(change.digest, Digest('a'));
  EXPECT_EQ(change.traffic, kTrafficService);
  EXPECT_EQ(change.replicas, 1) << "the rest is made when the first pod is in";
  const auto& label = std::get<LabelPod>(decision.actions[2]);
  EXPECT_EQ(label.digest, Digest('a'));
  EXPECT_EQ(label.traffic, kTrafficService);
  EXPECT_EQ(label.resource_version, cluster.pods[0].meta.resource_version);
  EXPECT_EQ(decision.status->FindRevision(cluster.Revision())->digest, Digest('a'))
      << "the proof is in the status first";
}

TEST(FirstStart, WritesNoStatusAgainAndMovesNoDeadlineWhilePinningIsRefused) {
  Cluster cluster;
  cluster.Apply({{"replicas", 1}});
  cluster.Reconcile();
  cluster.Kubernetes();
  cluster.Reconcile();
  cluster.Kubernetes();
  cluster.Reconcile(0);  // the status is written, the ReplicaSet is not
  ASSERT_EQ(cluster.status().rollout.phase, api::Phase::kPromoting);
  cluster.Wait(std::chrono::seconds(1));
  EXPECT_FALSE(Plan(cluster.Observe()).status.has_value());
}

TEST(FirstStart, DoesNothingAtRest) {
  Cluster cluster = Serving(2);
  cluster.Wait(std::chrono::hours(24));
  const Decision decision = Plan(cluster.Observe());
  EXPECT_FALSE(decision.status);
  EXPECT_THAT(decision.actions, IsEmpty());
  EXPECT_THAT(decision.probe, IsEmpty());
  EXPECT_FALSE(decision.again_after);
}

// --- What the world broke ---

TEST(World, IsShownAtOnceCalledStalledAtTheDeadlineAndRecoversByItself) {
  Cluster cluster;
  cluster.usual = Waiting();
  cluster.Run(minutes(5));
  EXPECT_EQ(cluster.Condition("Reconciling"), "True/NotFound");
  EXPECT_EQ(cluster.Condition("Stalled"), "False/NotStalled");
  EXPECT_THAT(cluster.status().rollout.message, HasSubstr("HTTP 404. Upload the file"));
  EXPECT_THAT(cluster.EventReasons(), Contains("NotFound"));
  cluster.Run(minutes(6));
  EXPECT_EQ(cluster.Condition("Stalled"), "True/NotFound");
  EXPECT_EQ(cluster.Condition("Reconciling"), "False/Stalled");
  EXPECT_THAT(cluster.EventReasons(), Contains("Stalled"));
  EXPECT_EQ(cluster.pods.size(), 1U) << "it goes on trying";
  EXPECT_THAT(Plan(cluster.Observe()).probe, ElementsAre(cluster.pods[0].meta.uid));
  cluster.usual = Good();
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kComplete);
  EXPECT_EQ(cluster.Condition("Stalled"), "False/NotStalled");
}

TEST(World, FetchingMovesTheDeadlineAndIsNotedSeldom) {
  Cluster cluster;
  cluster.usual = Waiting();
  cluster.usual.failure.reset();
  cluster.usual.phase = "Fetching";
  cluster.Run(seconds(5));
  const std::size_t writes = cluster.writes;
  for (int minute = 0; minute < 30; ++minute) {
    cluster.usual.bytes_fetched += 1'000'000;
    cluster.Wait(minutes(1));
    cluster.Reconcile();
  }
  EXPECT_EQ(cluster.Condition("Stalled"), "False/NotStalled") << "30 minutes of progress";
  EXPECT_LE(cluster.writes - writes, 12U);
  cluster.Run(minutes(15));
  EXPECT_EQ(cluster.Condition("Stalled"), "True/Fetching") << "no more bytes came";
}

TEST(World, IsNotForgottenWhileItIsTriedAgain) {
  Cluster cluster;
  cluster.usual = Waiting();
  cluster.Run(seconds(20));
  const std::size_t writes = cluster.writes;
  const std::size_t events = cluster.events.size();
  for (int attempt = 2; attempt < 6; ++attempt) {
    cluster.usual = {.ready = false, .phase = "Fetching", .attempt = attempt};
    cluster.Run(seconds(5));
    EXPECT_EQ(cluster.Condition("Reconciling"), "True/NotFound");
    cluster.usual = Waiting();
    cluster.Run(seconds(5));
  }
  EXPECT_EQ(cluster.writes, writes) << "nothing is new";
  EXPECT_EQ(cluster.events.size(), events);
  cluster.usual = {.ready = false, .phase = "Checking", .attempt = 6};
  cluster.Run(seconds(5));
  EXPECT_EQ(cluster.Condition("Reconciling"), "True/Checking");
}

TEST(World, NoRoomIsSaid) {
  Cluster cluster;
  cluster.schedules = false;
  cluster.Run(seconds(10));
  EXPECT_EQ(cluster.Condition("Reconciling"), "True/Unschedulable");
  EXPECT_THAT(cluster.status().rollout.message, HasSubstr("Insufficient cpu"));
  cluster.schedules = true;
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kComplete);
}

TEST(World, ASilentSidecarIsCalledUnreachableAfterItsGrace) {
  Cluster cluster;
  cluster.usual.silent = true;
  cluster.Run(seconds(10));
  EXPECT_EQ(cluster.Condition("Reconciling"), "True/Starting");
  cluster.Run(seconds(30));
  EXPECT_EQ(cluster.Condition("Reconciling"), "True/SidecarUnreachable");
  EXPECT_THAT(cluster.status().rollout.message, HasSubstr("NetworkPolicy"));
}

TEST(World, RefusedPodsAreSaid) {
  Cluster cluster;
  cluster.Reconcile();
  cluster.replica_sets[0].failure_reason = "FailedCreate";
  cluster.replica_sets[0].failure_message = "exceeded quota";
  cluster.Reconcile();
  EXPECT_EQ(cluster.Condition("Reconciling"), "True/PodsRefused");
}

TEST(World, AProblemWithTheApiIsSaidAndOverWhenItIsOver) {
  Cluster cluster = Serving(1);
  cluster.problem = Problem{"NameConflict", "Service digits belongs to somebody else", true};
  cluster.Run();
  EXPECT_EQ(cluster.Condition("Stalled"), "True/NameConflict");
  EXPECT_EQ(cluster.Condition("Ready"), "True/Serving");
  cluster.problem.reset();
  cluster.Run();
  EXPECT_EQ(cluster.Condition("Stalled"), "False/NotStalled");
}

// --- Replacing ---

TEST(Replacing, NeverServesFewerThanAskedForAndEndsWithTheNewOne) {
  Cluster cluster = Serving(3);
  const std::string old = cluster.Revision();
  cluster.Apply(Uri("v2"));
  cluster.behaviours[cluster.Revision()] = Good('b');
  cluster.after_write = [&] { EXPECT_GE(Serving(cluster), 3); };
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, cluster.Revision());
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kComplete);
  EXPECT_EQ(cluster.Find(old)->replicas, 0);
  EXPECT_EQ(cluster.Find(old)->digest, Digest('a')) << "kept for going back";
  EXPECT_EQ(cluster.status().replicas, 3);
}

TEST(Replacing, WaitsUntilEveryNodeKnowsBeforeTheStableRevisionMoves) {
  Cluster cluster = Serving(1);
  const std::string old = cluster.Revision();
  cluster.Apply(Uri("v2"));
  cluster.Until([&] { return cluster.status().rollout.phase == Phase::kSettling; });
  for (int i = 0; i < 5; ++i) cluster.Reconcile();
  EXPECT_EQ(cluster.status().stable_revision, old);
  EXPECT_EQ(Plan(cluster.Observe()).again_after, cluster.settings.settle);
  cluster.Wait(cluster.settings.settle);
  cluster.Reconcile();
  EXPECT_EQ(cluster.status().stable_revision, cluster.Revision());
}

TEST(Replacing, WaitsForMinReadySeconds) {
  Cluster cluster = Serving(1);
  const std::string old = cluster.Revision();
  cluster.Apply({{"model", {{"uri", "https://models.example/v2"}}}, {"rollout", {{"minReadySeconds", 60}}}});
  cluster.Run(seconds(50));
  EXPECT_EQ(cluster.status().stable_revision, old);
  cluster.Run(seconds(120));
  EXPECT_EQ(cluster.status().stable_revision, cluster.Revision());
}

TEST(Replacing, WaitsForEndpoints) {
  Cluster cluster = Serving(1);
  const std::string old = cluster.Revision();
  cluster.Apply(Uri("v2"));
  cluster.Run(seconds(1));
  Observed seen = cluster.Observe();
  cluster.Until([&] { return cluster.status().rollout.phase == Phase::kSettling; });
  cluster.Wait(minutes(1));
  seen = cluster.Observe();
  seen.ready_endpoints->clear();
  const Decision decision = Plan(seen);
  EXPECT_EQ(decision.status->stable_revision, old);
  EXPECT_EQ(decision.status->rollout.reason, "WaitingForEndpoints");
}

TEST(Replacing, KeepsReplacedPodsForAWhileOutsideTheService) {
  Cluster cluster = Serving(2);
  const std::string old = cluster.Revision();
  cluster.Apply(Uri("v2"));
  cluster.Until([&] { return cluster.status().stable_revision != old; }, seconds(1));
  cluster.Reconcile();
  for (const api::Pod* pod : cluster.Pods(old)) EXPECT_EQ(pod->traffic, kTrafficNone);
  EXPECT_EQ(cluster.Pods(old).size(), 1U) << "the others have gone behind the new ones";
  EXPECT_EQ(cluster.Condition("UpToDate"), "True/UpToDate");
  EXPECT_EQ(cluster.Condition("Reconciling"), "True/Retiring");
  cluster.Wait(cluster.settings.scale_down_delay);
  cluster.Reconcile();
  EXPECT_EQ(cluster.Find(old)->replicas, 0);
}

TEST(Replacing, GoingBackTakesTheOldPinAndNoNewReplicaSet) {
  Cluster cluster = Serving(2);
  const std::string first = cluster.Revision();
  cluster.behaviours[first] = Good('a');
  cluster.Apply(Uri("v2"));
  cluster.behaviours[cluster.Revision()] = Good('b');
  cluster.Run();
  cluster.Apply(Uri("v1.tar"));
  ASSERT_EQ(cluster.Revision(), first);
  cluster.after_write = [&] { EXPECT_GE(Serving(cluster), 2); };
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, first);
  EXPECT_EQ(cluster.replica_sets.size(), 2U);
  EXPECT_EQ(cluster.Find(first)->digest, Digest('a'));
}

TEST(Replacing, GoingBackToBytesThatHaveChangedNeverServesThem) {
  Cluster cluster = Serving(1);
  const std::string first = cluster.Revision();
  cluster.Apply(Uri("v2"));
  const std::string second = cluster.Revision();
  cluster.behaviours[second] = Good('b');
  cluster.Run();
  cluster.behaviours[first] = Changed();
  cluster.Apply(Uri("v1.tar"));
  cluster.Run(minutes(12));
  EXPECT_EQ(cluster.status().stable_revision, second);
  EXPECT_EQ(cluster.Condition("Stalled"), "True/SourceChanged");
  EXPECT_EQ(cluster.status().FindRevision(first)->phase, api::RevisionPhase::kProven)
      << "the revision stands";
}

TEST(Replacing, AThirdRevisionTakesThePlaceOfTheSecond) {
  Cluster cluster = Serving(2);
  const std::string first = cluster.Revision();
  cluster.Apply(Uri("v2"));
  const std::string second = cluster.Revision();
  cluster.Until(
      [&] { return cluster.Find(second) != nullptr && cluster.Find(second)->traffic == kTrafficService; });
  cluster.Apply(Uri("v3"));
  cluster.after_write = [&] {
    EXPECT_GE(Serving(cluster), 2);
    const auto seen = cluster.Observe();
    const Fleet fleet(seen);
    int in_service = 0;
    for (const auto& rs : cluster.replica_sets) in_service += fleet.GetsTraffic(rs.meta.name) ? 1 : 0;
    EXPECT_LE(in_service, 2) << "a third revision is in the Service";
  };
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, cluster.Revision());
  EXPECT_EQ(cluster.Find(second)->replicas, 0);
  EXPECT_EQ(cluster.Find(first)->replicas, 0);
}

TEST(Replacing, KeepsAFewOldRevisionsAndForgetsOlderOnesWithTheirConfig) {
  Cluster cluster = Serving(1);
  for (int i = 2; i < 16; ++i) {
    cluster.Apply(Uri("v" + std::to_string(i)));
    cluster.Run();
  }
  EXPECT_EQ(cluster.replica_sets.size(), 11U);
  EXPECT_EQ(cluster.config_maps.size(), 11U);
  EXPECT_EQ(cluster.status().revisions.size(), 11U);
  EXPECT_EQ(cluster.status().revisions[0].name, cluster.Revision()) << "the newest first";
}

TEST(Replacing, AnotherDefaultImageTouchesNobody) {
  Cluster cluster = Serving(2);
  cluster.settings.sidecar_image = "sidecar:2";
  const std::size_t writes = cluster.writes;
  cluster.Run();
  EXPECT_EQ(cluster.writes, writes);
}

// --- Scaling, repairing ---

TEST(Scaling, GrowsShrinksAndStops) {
  Cluster cluster = Serving(1);
  EXPECT_FALSE(cluster.budget) << "it would only keep nodes from being drained";
  cluster.Apply({{"replicas", 3}});
  cluster.Reconcile();
  EXPECT_EQ(cluster.Condition("Reconciling").substr(0, 4), "True");
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kScaling);
  cluster.Run();
  EXPECT_EQ(Serving(cluster), 3);
  EXPECT_TRUE(cluster.budget);
  cluster.Apply({{"replicas", 1}});
  cluster.Run();
  EXPECT_EQ(Serving(cluster), 1);
  EXPECT_FALSE(cluster.budget);
  cluster.Apply({{"replicas", 0}});
  cluster.Run();
  EXPECT_THAT(cluster.pods, IsEmpty());
  EXPECT_EQ(cluster.Condition("Ready"), "False/ScaledToZero");
  EXPECT_EQ(cluster.Condition("UpToDate"), "True/UpToDate");
  EXPECT_EQ(cluster.Condition("Reconciling"), "False/ScaledToZero");
  EXPECT_EQ(cluster.status().rollout.attempt, 1) << "scaling is no new attempt";
}

TEST(Scaling, FromNothingNothingIsTried) {
  Cluster cluster;
  cluster.Apply({{"replicas", 0}});
  cluster.Run();
  EXPECT_THAT(cluster.pods, IsEmpty());
  EXPECT_THAT(cluster.replica_sets, IsEmpty());
  EXPECT_EQ(cluster.Condition("UpToDate"), "False/ScaledToZero");
  cluster.Apply({{"replicas", 1}});
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kComplete);
}

TEST(Repairing, BringsBackLabelsReplicasServiceAndBudget) {
  Cluster cluster = Serving(2);
  cluster.pods[0].traffic = kTrafficNone;
  cluster.replica_sets[0].replicas = 7;
  cluster.service->selector = {{"app", "other"}};
  cluster.budget->max_unavailable = 5;
  cluster.Run();
  EXPECT_EQ(cluster.pods[0].traffic, kTrafficService);
  EXPECT_EQ(cluster.replica_sets[0].replicas, 2);
  EXPECT_EQ(cluster.service->selector[kTrafficLabel], kTrafficService);
  EXPECT_EQ(cluster.budget->max_unavailable, 1);
  cluster.service.reset();
  cluster.config_maps.clear();
  cluster.Run();
  EXPECT_TRUE(cluster.service);
  EXPECT_EQ(cluster.config_maps.size(), 1U) << "or its next pod could not start";
}

TEST(Repairing, ADeletedReplicaSetComesBackBoundToTheSameBytes) {
  Cluster cluster = Serving(2);
  cluster.replica_sets.clear();
  cluster.Kubernetes();
  const Decision decision = cluster.Reconcile();
  EXPECT_EQ(cluster.Condition("Ready"), "False/NoProvenPods");
  ASSERT_EQ(cluster.replica_sets.size(), 1U);
  EXPECT_EQ(cluster.replica_sets[0].digest, Digest('a'));
  EXPECT_EQ(cluster.replica_sets[0].traffic, kTrafficNone);
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kComplete);
}

TEST(Repairing, FindsItsWayWithoutAStatus) {
  Cluster cluster = Serving(2);
  cluster.status_ = {};
  cluster.after_write = [&] { EXPECT_EQ(Serving(cluster), 2); };
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, cluster.Revision());
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kComplete);
  EXPECT_EQ(cluster.status().revisions[0].digest, Digest('a'));
}

TEST(Degraded, SaysSoWithTheReasonAndADeadline) {
  Cluster cluster = Serving(3);
  cluster.pod_behaviours[cluster.pods[0].meta.name] = Waiting("EngineCrashed");
  cluster.pod_behaviours[cluster.pods[1].meta.name] = Waiting("EngineCrashed");
  cluster.Kubernetes();
  cluster.Run(seconds(20));
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kDegraded);
  EXPECT_EQ(cluster.Condition("Ready"), "False/TooFewPods");
  EXPECT_EQ(cluster.Condition("UpToDate"), "True/UpToDate");
  EXPECT_EQ(cluster.Condition("Reconciling"), "True/EngineCrashed");
  cluster.Run(minutes(11));
  EXPECT_EQ(cluster.Condition("Stalled"), "True/EngineCrashed");
  cluster.pod_behaviours.clear();
  cluster.Kubernetes();
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kComplete);
  EXPECT_EQ(std::ranges::count(cluster.EventReasons(), "Degraded"), 1);
  EXPECT_EQ(cluster.events.back().reason, "Recovered");
}

TEST(Degraded, IsReadyWithOneMissingOfSeveral) {
  Cluster cluster = Serving(3);
  cluster.pod_behaviours[cluster.pods[0].meta.name] = Waiting("EngineCrashed");
  cluster.Kubernetes();
  cluster.Run(seconds(5));
  EXPECT_EQ(cluster.Condition("Ready"), "True/Serving");
  EXPECT_EQ(cluster.status().ready_replicas, 2);
}

TEST(Degraded, ReplacesAPodThatFailsWhatItsRevisionHasPassedEverMoreSlowly) {
  Cluster cluster = Serving(2);
  cluster.usual = Changed();
  cluster.pods.erase(cluster.pods.begin());
  cluster.Kubernetes();
  cluster.Run(minutes(3));
  EXPECT_GE(cluster.deleted_pods.size(), 3U);
  EXPECT_LE(cluster.deleted_pods.size(), 5U) << "10, 20, 40, 80 seconds between them";
  EXPECT_THAT(cluster.EventReasons(), Contains("PodReplaced"));
  cluster.Run(minutes(25));
  const auto deleted = cluster.deleted_pods.size();
  EXPECT_LE(deleted, 10U);
  cluster.Run(minutes(15));
  EXPECT_EQ(cluster.deleted_pods.size(), deleted) << "not for ever";
  EXPECT_EQ(cluster.status().FindRevision(cluster.Revision())->phase, api::RevisionPhase::kProven);
}

// --- Invalid specs, deletion ---

TEST(Invalid, SaysWhatIsWrongAndMakesNothing) {
  Cluster cluster;
  cluster.Apply(Uri("a b"));
  cluster.Run();
  EXPECT_EQ(cluster.Condition("Stalled"), "True/InvalidSpec");
  EXPECT_EQ(cluster.Condition("UpToDate"), "False/InvalidSpec");
  EXPECT_EQ(cluster.Condition("Ready"), "False/NoProvenPods");
  EXPECT_THAT(cluster.status().rollout.message, HasSubstr("spec.model.uri: must be https://host/path"));
  EXPECT_THAT(cluster.replica_sets, IsEmpty());
  EXPECT_FALSE(cluster.service);
  EXPECT_EQ(cluster.status().observed_generation, 2);
  cluster.Apply(Uri("good"));
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kComplete);
}

TEST(Invalid, LeavesWhatServesAlone) {
  Cluster cluster = Serving(2);
  cluster.Apply({{"replicas", -3}});
  cluster.after_write = [&] { EXPECT_EQ(Serving(cluster), 2); };
  cluster.Run();
  EXPECT_EQ(cluster.Condition("Ready"), "True/Serving");
  EXPECT_EQ(cluster.Condition("Stalled"), "True/InvalidSpec");
  EXPECT_EQ(cluster.replica_sets[0].replicas, 2);
}

TEST(Deleting, DoesNothingAtAll) {
  Cluster cluster = Serving(2);
  cluster.Delete();
  cluster.replica_sets.clear();
  cluster.service.reset();
  const Decision decision = Plan(cluster.Observe());
  EXPECT_FALSE(decision.status);
  EXPECT_THAT(decision.actions, IsEmpty());
  EXPECT_THAT(decision.probe, IsEmpty());
}

}  // namespace
}  // namespace pilotlight::plan::testing
