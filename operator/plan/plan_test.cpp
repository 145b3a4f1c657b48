#include "operator/plan/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <variant>

#include "operator/plan/fleet.h"
#include "operator/plan/names.h"
#include "operator/plan/testing/cluster.h"

namespace pilotlight::plan::testing {
namespace {

using api::Phase;
using nlohmann::json;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

json Uri(const std::string& name) {
  return {{"model", {{"uri", "https://models.example/" + name}}}};
}

template <typename T>
std::vector<T> Of(const Decision& decision) {
  std::vector<T> out;
  for (const Action& action : decision.actions) {
    if (const T* one = std::get_if<T>(&action)) out.push_back(*one);
  }
  return out;
}

std::int64_t Serving(const Cluster& cluster) {
  const auto seen = cluster.Observe();
  return Fleet(seen).CountServing();
}

// A cluster at rest with `replicas` pods of one revision.
Cluster Serving(int replicas) {
  Cluster cluster;
  cluster.Apply({{"replicas", replicas}});
  cluster.Run();
  return cluster;
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

// --- What counts as a proof ---

class Proofs : public ::testing::Test {
 protected:
  // One pod on trial, its sidecar's report about to be read.
  Proofs() {
    cluster_.Reconcile();
    cluster_.Kubernetes();
    cluster_.Reconcile();
    seen_ = cluster_.Observe();
    uid_ = seen_.pods[0].meta.uid;
  }
  bool Promotes() const { return !Of<ChangeReplicaSet>(Plan(seen_)).empty(); }
  api::Report& report() { return seen_.reports.at(uid_); }

  Cluster cluster_;
  Observed seen_;
  std::string uid_;
};

TEST_F(Proofs, AreTakenFromThePodItself) {
  EXPECT_TRUE(Promotes());
}
TEST_F(Proofs, OfAnotherPodAreNone) {
  report().pod_uid = "other";
  EXPECT_FALSE(Promotes());
}
TEST_F(Proofs, OfAnotherRevisionAreNone) {
  report().revision = "digits-other";
  EXPECT_FALSE(Promotes());
}
TEST_F(Proofs, OfAContainerThatHasEndedAreNone) {
  report().container_id = "before";
  EXPECT_FALSE(Promotes());
}
TEST_F(Proofs, OfASidecarThatIsNotReadyAreNone) {
  report().ready = false;
  EXPECT_FALSE(Promotes());
}
TEST_F(Proofs, OfAPodThatKubernetesDoesNotCallReadyAreNone) {
  seen_.pods[0].ready = false;
  EXPECT_FALSE(Promotes());
}
TEST_F(Proofs, WithoutAReportAreNone) {
  report().proof = nullptr;
  EXPECT_FALSE(Promotes());
}
TEST_F(Proofs, WithoutADigestAreNone) {
  report().digest = "sha256:short";
  EXPECT_FALSE(Promotes());
}
TEST_F(Proofs, OfOtherBytesThanTheUserAskedForAreNone) {
  cluster_.Apply({{"model", {{"digest", Digest('b')}}}});
  cluster_.Reconcile();
  cluster_.Kubernetes();
  cluster_.Run(seconds(20));
  EXPECT_EQ(cluster_.status().stable_revision, "");
  EXPECT_EQ(Serving(cluster_), 0);
}
TEST_F(Proofs, OfAPodOnItsWayOutAreNone) {
  seen_.pods[0].meta.deleting = true;
  EXPECT_FALSE(Promotes());
}
TEST_F(Proofs, AreAskedForOnlyWhileThePodRuns) {
  EXPECT_THAT(Plan(seen_).probe, ElementsAre(uid_));
  seen_.pods[0].running = false;
  EXPECT_THAT(Plan(seen_).probe, IsEmpty());
}

// --- Pods made before the pin ---

TEST(Unpinned, PodWithTheSameBytesIsLetInAndOneWithOthersIsReplaced) {
  Cluster cluster = Serving(2);
  api::Pod& first = cluster.pods[0];
  first.digest.clear();
  first.traffic = kTrafficNone;
  cluster.Reconcile();
  EXPECT_EQ(first.traffic, kTrafficNone) << "it has not been asked yet";
  cluster.Reconcile();
  EXPECT_EQ(first.digest, Digest('a'));
  EXPECT_EQ(first.traffic, kTrafficService);

  api::Pod& second = cluster.pods[1];
  const std::string name = second.meta.name;
  cluster.pod_behaviours[name] = Good('b');
  second.digest.clear();
  second.traffic = kTrafficNone;
  cluster.Reconcile();
  cluster.Reconcile();
  EXPECT_THAT(cluster.deleted_pods, ElementsAre(name));
  EXPECT_THAT(cluster.EventReasons(), Contains("SourceChanged"));
}

TEST(Unpinned, PodIsAskedForItsProofUntilItsLabelIsSeen) {
  Cluster cluster;
  cluster.Apply({{"replicas", 1}});
  for (int step = 0; step < 20; ++step) {
    const Decision decision = Plan(cluster.Observe());
    if (const auto labels = Of<LabelPod>(decision); !labels.empty()) {
      const auto pods = cluster.Pods(cluster.Revision());
      ASSERT_EQ(pods.size(), 1U);
      EXPECT_THAT(decision.probe, ElementsAre(pods.front()->meta.uid));
      if (Of<ChangeReplicaSet>(decision).empty())
        return;  // the label alone is left, and the proof is still there
      const auto label = std::ranges::find_if(
          decision.actions, [](const Action& action) { return std::holds_alternative<LabelPod>(action); });
      cluster.Reconcile(static_cast<std::size_t>(label - decision.actions.begin()));  // and the label is lost
      continue;
    }
    cluster.Reconcile();
    cluster.Kubernetes();
  }
  FAIL() << "no pod was ever labelled";
}

TEST(Unpinned, PodBoundToOtherBytesIsReplaced) {
  Cluster cluster = Serving(2);
  const std::string name = cluster.pods[0].meta.name;
  cluster.pods[0].digest = Digest('f');
  cluster.Reconcile();
  EXPECT_THAT(cluster.deleted_pods, ElementsAre(name));
}

// --- A revision that fails its proof ---

TEST(FailedProof, IsSaidBeforeAnythingIsTakenAway) {
  Cluster cluster;
  cluster.usual = Broken("InvalidBundle");
  cluster.Reconcile();
  cluster.Kubernetes();
  cluster.Reconcile();
  const Decision decision = Plan(cluster.Observe());
  ASSERT_TRUE(decision.status);
  const auto& failure = decision.status->FindRevision(cluster.Revision())->failure;
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->reason, "InvalidBundle");
  EXPECT_EQ(failure->remedy, "Export it again");
  ASSERT_EQ(decision.actions.size(), 2U);
  const auto& event = std::get<EmitEvent>(decision.actions[0]);
  EXPECT_TRUE(event.warning);
  EXPECT_EQ(event.reason, "InvalidBundle");
  EXPECT_THAT(event.message, HasSubstr("expected 1, got 2. Export it again"));
  EXPECT_EQ(std::get<ChangeReplicaSet>(decision.actions[1]).replicas, 0);
}

TEST(FailedProof, IsOneThatNamesNoSignerWhereOneIsRequired) {
  for (const char* policy : {"Require", "Warn"}) {
    const bool required = std::string_view(policy) == "Require";
    for (const bool verified : {false, true}) {
      Cluster cluster;
      cluster.usual.signature = verified ? nlohmann::json{{"keyId", "sha256:aa"}} : nlohmann::json::object();
      cluster.Apply(
          {{"model",
            {{"signature",
              {{"policy", policy},
               {"publicKeys", {"-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n"}}}}}}});
      cluster.Run();
      const bool good = verified || !required;
      EXPECT_EQ(cluster.status().rollout.phase, good ? Phase::kComplete : Phase::kFailed) << policy;
      EXPECT_EQ(Serving(cluster) > 0, good) << policy;
      if (!good) {
        EXPECT_EQ(cluster.status().revisions[0].failure->reason, "SignatureMissing");
      }
    }
  }
}

TEST(FailedProof, ThatANodeMightHaveCausedIsFinalWhenASecondPodFailsOnAnotherNode) {
  Cluster cluster = Serving(3);
  const std::string old = cluster.Revision();
  cluster.Apply(Uri("v2"));
  const std::string bad = cluster.Revision();
  cluster.behaviours[bad] = Broken();
  std::size_t most = 0;
  std::set<std::string> nodes;
  cluster.after_write = [&] {
    most = std::max(most, cluster.Pods(bad).size());
    for (const api::Pod* pod : cluster.Pods(bad)) nodes.insert(pod->node);
    EXPECT_EQ(Serving(cluster), 3);
  };
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kFailed);
  EXPECT_EQ(most, 2U);
  EXPECT_THAT(nodes, Contains("node-2"));
  EXPECT_THAT(cluster.Pods(bad), IsEmpty());
}

TEST(FailedProof, OfOnePodIsItsNodesFaultWhenAnotherPasses) {
  Cluster cluster = Serving(2);
  cluster.Apply(Uri("v2"));
  const std::string next = cluster.Revision();
  cluster.behaviours[next] = Broken();
  for (int i = 0; i < 20 && cluster.Pods(next).empty(); ++i) {
    cluster.Reconcile();
    cluster.Kubernetes();
  }
  const std::string bad = cluster.Pods(next)[0]->meta.name;
  cluster.pod_behaviours[bad] = Broken();
  cluster.behaviours[next] = Good('b');  // the second one
  cluster.after_write = [&] { EXPECT_GE(Serving(cluster), 2); };
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, next);
  EXPECT_EQ(cluster.status().FindRevision(next)->phase, api::RevisionPhase::kProven);
  EXPECT_THAT(cluster.deleted_pods, Contains(bad));
  EXPECT_THAT(cluster.EventReasons(), Contains("GoldenMismatch")) << "it is told while it is doubted";
  EXPECT_THAT(cluster.EventReasons(), Contains("PodReplaced"));
}

TEST(FailedProof, IsFinalWhereThereIsNoRoomForASecondPod) {
  for (const bool refused : {false, true}) {
    Cluster cluster;
    cluster.usual = Broken();
    for (int i = 0; i < 20 && cluster.replica_sets.empty(); ++i) cluster.Reconcile();
    cluster.Kubernetes();
    cluster.schedules = refused;
    cluster.Reconcile();
    cluster.Reconcile();
    if (refused) cluster.replica_sets[0].failure_reason = "FailedCreate";
    if (!refused) cluster.Kubernetes();
    cluster.Reconcile();
    EXPECT_EQ(cluster.status().rollout.phase, Phase::kFailed) << refused;
  }
}

TEST(FailedProof, IsFinalAtTheDeadlineIfTheSecondPodComesToNothing) {
  Cluster cluster;
  cluster.usual = Waiting();
  for (int i = 0; i < 20 && cluster.pods.empty(); ++i) {
    cluster.Reconcile();
    cluster.Kubernetes();
  }
  cluster.pod_behaviours[cluster.pods[0].meta.name] = Broken();
  cluster.Run(minutes(5));
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kProving);
  EXPECT_EQ(cluster.Condition("Reconciling"), "True/GoldenMismatch");
  EXPECT_THAT(cluster.status().rollout.message, HasSubstr("a second pod, on another node if there is one"));
  cluster.Run(minutes(6));
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kFailed);
}

TEST(FailedProof, CostsOnePodAndIsNotTriedAgain) {
  Cluster cluster;
  cluster.Apply({{"replicas", 4}});
  cluster.usual = Broken("InvalidBundle");
  std::size_t most = 0;
  cluster.after_write = [&] { most = std::max(most, cluster.pods.size()); };
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kFailed);
  EXPECT_THAT(cluster.pods, IsEmpty());
  EXPECT_EQ(cluster.Condition("Stalled"), "True/InvalidBundle");
  EXPECT_EQ(most, 1U);
  cluster.Wait(std::chrono::hours(1));
  EXPECT_THAT(Plan(cluster.Observe()).actions, IsEmpty());
}

TEST(FailedProof, LeavesTheOldRevisionServing) {
  Cluster cluster = Serving(3);
  const std::string old = cluster.Revision();
  cluster.Apply(Uri("v2"));
  cluster.behaviours[cluster.Revision()] = Broken();
  cluster.after_write = [&] { EXPECT_EQ(Serving(cluster), 3); };
  cluster.Run();
  EXPECT_EQ(cluster.status().stable_revision, old);
  EXPECT_EQ(cluster.Condition("Ready"), "True/Serving");
  EXPECT_EQ(cluster.Condition("UpToDate"), "False/RevisionFailed");
}

TEST(FailedProof, GetsAnotherTryWithANewTokenOnly) {
  Cluster cluster;
  cluster.usual = Broken();
  cluster.Run();
  cluster.usual = Good();
  cluster.Apply({{"replicas", 2}});
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kFailed) << "scaling is no new attempt";
  EXPECT_EQ(cluster.status().rollout.attempt, 1);
  cluster.Apply({{"rollout", {{"retry", "1"}}}});
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kComplete);
  EXPECT_EQ(cluster.status().rollout.attempt, 2);
  EXPECT_FALSE(cluster.status().revisions[0].failure);
}

TEST(FailedProof, StaysAfterGoingBackAndForth) {
  Cluster cluster = Serving(1);
  cluster.Apply(Uri("v2"));
  const std::string bad = cluster.Revision();
  cluster.behaviours[bad] = Broken();
  cluster.Run();
  cluster.Apply(Uri("v1.tar"));
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kComplete);
  cluster.behaviours[bad] = Good('b');
  cluster.Apply(Uri("v2"));
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kFailed);
  EXPECT_THAT(cluster.Pods(bad), IsEmpty());
}

TEST(FailedProof, IsRememberedWhenItsReplicaSetIsGone) {
  Cluster cluster;
  cluster.usual = Broken();
  cluster.Run();
  cluster.replica_sets.clear();
  cluster.Run();
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kFailed);
  EXPECT_THAT(cluster.replica_sets, IsEmpty());
}

TEST(FailedProof, IsNoneWithoutFinalOrOfTheWorld) {
  Cluster cluster;
  cluster.usual = Broken();
  cluster.usual.final = false;
  cluster.Run(seconds(30));
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kProving);
  cluster.usual = Waiting();
  cluster.usual.final = true;
  cluster.Run(seconds(30));
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kProving);
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
  cluster.Run(std::chrono::hours(3));
  EXPECT_LE(cluster.deleted_pods.size(), 10U) << "not for ever";
  EXPECT_EQ(cluster.status().FindRevision(cluster.Revision())->phase, api::RevisionPhase::kProven);
}

// --- Golden re-checks ---

std::vector<std::string> Drifting(const Cluster& cluster) {
  std::vector<std::string> pods;
  for (const auto& failure : cluster.status().recheck_failures) pods.push_back(failure.pod);
  return pods;
}

std::int64_t Count(const Cluster& cluster, const std::string& reason) {
  return std::ranges::count(cluster.EventReasons(), reason);
}

TEST(Recheck, PodsInTheServiceAreAskedSeldomAndOnlyWhereThereIsSomethingToCheck) {
  Cluster cluster = Serving(2);
  Decision decision = Plan(cluster.Observe());
  EXPECT_THAT(decision.probe, IsEmpty());
  EXPECT_EQ(decision.watch.size(), 2U);
  EXPECT_EQ(decision.watch_every, minutes(10));
  cluster.Apply({{"validation", {{"recheckInterval", "0s"}}}});
  cluster.Run();
  EXPECT_THAT(Plan(cluster.Observe()).watch, IsEmpty());
  Cluster without_cases;
  without_cases.usual.level = "Contract";
  without_cases.Run();
  EXPECT_THAT(Plan(without_cases.Observe()).watch, IsEmpty());
}

TEST(Recheck, AtRestItWritesNothing) {
  Cluster cluster = Serving(2);
  const std::size_t writes = cluster.writes;
  for (int i = 0; i < 5; ++i) cluster.Reconcile();
  EXPECT_EQ(cluster.writes, writes);
}

TEST(Recheck, OneOfTwoPodsThatFailsIsToldAndReplacedWhileTheOtherServes) {
  Cluster cluster = Serving(2);
  const std::string bad = cluster.pods[0].meta.name;
  cluster.pod_behaviours[bad] = Drifted();
  cluster.after_write = [&] { EXPECT_GE(Serving(cluster), 1); };
  cluster.Reconcile();  // asks
  cluster.Run();
  EXPECT_THAT(cluster.deleted_pods, ElementsAre(bad));
  EXPECT_EQ(Count(cluster, "GoldenRecheckFailed"), 1);
  EXPECT_EQ(Count(cluster, "PodReplaced"), 1);
  const auto told = std::ranges::find(cluster.events, "GoldenRecheckFailed", &EmitEvent::reason);
  EXPECT_TRUE(told->warning);
  EXPECT_THAT(told->message,
              HasSubstr("pod " + bad + " on node node-1 no longer gives the golden answers of " +
                        cluster.Revision()));
  EXPECT_THAT(told->message, HasSubstr("case one, output y[0]: expected 1, got 2, error 1.0e+00 > 1.0e-04"));
  EXPECT_THAT(told->message, HasSubstr("it is replaced while others serve"));
  EXPECT_THAT(Drifting(cluster), IsEmpty());
  EXPECT_EQ(cluster.Condition("Validated"), "True/Answers");
  EXPECT_EQ(cluster.status().rollout.phase, Phase::kComplete);
  EXPECT_EQ(cluster.status().rollout.replaced_pods, 0);
}

TEST(Recheck, TheOnlyPodStaysAndStatusSaysSo) {
  Cluster cluster = Serving(1);
  cluster.usual = Drifted();
  cluster.Reconcile();
  cluster.Run(minutes(30));
  EXPECT_THAT(cluster.deleted_pods, IsEmpty());
  EXPECT_EQ(Count(cluster, "GoldenRecheckFailed"), 1);
  EXPECT_THAT(cluster.events.back().message, HasSubstr("it goes on serving, as no other pod gives them"));
  EXPECT_THAT(Drifting(cluster), ElementsAre(cluster.pods[0].meta.name));
  EXPECT_EQ(cluster.Condition("Validated"), "False/GoldenMismatch");
  EXPECT_THAT(cluster.status().Find("Validated")->message, HasSubstr("passed the proof and no longer does"));
  EXPECT_EQ(cluster.Condition("Ready"), "True/Serving") << "it does serve";
  const std::size_t writes = cluster.writes;
  for (int i = 0; i < 5; ++i) cluster.Reconcile();
  EXPECT_EQ(cluster.writes, writes) << "told once";
  cluster.usual = Good();
  cluster.Reconcile();
  cluster.Run();
  EXPECT_THAT(Drifting(cluster), IsEmpty());
  EXPECT_EQ(cluster.Condition("Validated"), "True/Answers");
}

TEST(Recheck, WhenAllFailAllStay) {
  Cluster cluster = Serving(3);
  cluster.usual = Drifted();
  cluster.Reconcile();
  cluster.Run(minutes(30));
  EXPECT_THAT(cluster.deleted_pods, IsEmpty());
  EXPECT_EQ(Drifting(cluster).size(), 3U);
  EXPECT_EQ(Count(cluster, "GoldenRecheckFailed"), 3);
  EXPECT_THAT(cluster.status().Find("Validated")->message, HasSubstr("(and 2 more pods)"));
}

TEST(Recheck, TwoOfThreeAreReplacedOneAfterTheOtherAndNeverTwoAreMissing) {
  Cluster cluster = Serving(3);
  for (int i : {0, 1}) cluster.pod_behaviours[cluster.pods[i].meta.name] = Drifted();
  cluster.after_write = [&] { EXPECT_GE(Serving(cluster), 2); };
  const api::Time began = cluster.now;
  cluster.Reconcile();
  cluster.Run();
  cluster.Run();
  EXPECT_EQ(cluster.deleted_pods.size(), 2U);
  EXPECT_GE(cluster.now - began, seconds(20)) << "with the pause that other replacements have";
  EXPECT_THAT(Drifting(cluster), IsEmpty());
}

TEST(Recheck, NoneGoesWhileAnotherIsMissing) {
  Cluster cluster = Serving(3);
  cluster.pod_behaviours[cluster.pods[0].meta.name] = Drifted();
  cluster.pod_behaviours[cluster.pods[1].meta.name] = Waiting("EngineCrashed");
  cluster.Kubernetes();
  cluster.Reconcile();
  cluster.Run(minutes(1));
  EXPECT_THAT(cluster.deleted_pods, IsEmpty());
  EXPECT_EQ(Drifting(cluster).size(), 1U);
}

TEST(Recheck, AnOperatorThatWasRestartedTellsNothingTwiceAndForgetsNothing) {
  Cluster cluster = Serving(1);
  cluster.usual = Drifted();
  cluster.Reconcile();
  cluster.Run(minutes(1));
  ASSERT_EQ(Count(cluster, "GoldenRecheckFailed"), 1);
  Observed seen = cluster.Observe();
  seen.reports.clear();
  const Decision decision = Plan(seen);
  EXPECT_FALSE(decision.status) << "it has asked nobody yet, so what was noted holds";
  EXPECT_THAT(Of<EmitEvent>(decision), IsEmpty());
  cluster.Run(minutes(1));
  EXPECT_EQ(Count(cluster, "GoldenRecheckFailed"), 1);
}

TEST(Recheck, ACrashBetweenTheStatusAndTheDeletionLosesNoReplacement) {
  Cluster cluster = Serving(2);
  const std::string bad = cluster.pods[0].meta.name;
  cluster.pod_behaviours[bad] = Drifted();
  cluster.Reconcile();
  cluster.Reconcile(0);
  EXPECT_THAT(cluster.deleted_pods, IsEmpty());
  EXPECT_THAT(Drifting(cluster), ElementsAre(bad));
  cluster.Run();
  EXPECT_THAT(cluster.deleted_pods, ElementsAre(bad));
}

TEST(Recheck, WhileACandidateIsOnTrialTheStablePodsAreStillLookedAfter) {
  Cluster cluster = Serving(2);
  const std::string bad = cluster.pods[0].meta.name;
  cluster.Apply(Uri("v2"));
  cluster.behaviours[cluster.Revision()] = Waiting();
  cluster.pod_behaviours[bad] = Drifted();
  cluster.Reconcile();
  cluster.Run(minutes(2));
  EXPECT_THAT(cluster.deleted_pods, Contains(bad));
  EXPECT_EQ(cluster.Condition("Validated"), "Unknown/Unproven") << "it speaks of the candidate";
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
