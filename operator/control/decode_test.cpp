#include "operator/control/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace pilotlight::control {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <typename F>
auto From(F decode, std::string text) {
  const kube::JsonBuffer buffer(std::move(text));
  return decode(buffer.view());
}

constexpr char kPod[] = R"({
  "kind": "Pod",
  "metadata": {"name": "digits-x-1", "namespace": "ml", "uid": "p1", "resourceVersion": "12",
    "creationTimestamp": "2026-11-23T21:40:00Z",
    "labels": {"app.kubernetes.io/instance": "digits", "pilotlight.dev/revision": "digits-x",
               "pilotlight.dev/traffic": "service"},
    "annotations": {"pilotlight.dev/digest": "sha256:aa"},
    "ownerReferences": [{"kind": "Other", "name": "o", "uid": "no"},
                        {"kind": "ReplicaSet", "name": "digits-x", "uid": "rs1", "controller": true}]},
  "spec": {"nodeName": "node-1"},
  "status": {"phase": "Running", "podIP": "10.1.2.3",
    "conditions": [{"type": "PodScheduled", "status": "True"},
                   {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-23T21:41:00Z"}],
    "containerStatuses": [
      {"name": "other", "containerID": "c0", "restartCount": 9},
      {"name": "sidecar", "containerID": "c1", "restartCount": 2,
       "state": {"running": {"startedAt": "2026-11-23T21:40:30Z"}},
       "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "message": "killed while LOADING"}}}]}})";

TEST(Decode, ReadsAPod) {
  const auto pod = From(DecodePod, kPod);
  ASSERT_TRUE(pod);
  EXPECT_EQ(pod->meta.name, "digits-x-1");
  EXPECT_EQ(pod->meta.ns, "ml");
  EXPECT_EQ(pod->meta.uid, "p1");
  EXPECT_EQ(pod->meta.resource_version, "12");
  EXPECT_EQ(pod->meta.owner_uid, "rs1");
  EXPECT_EQ(pod->meta.owner_name, "digits-x");
  EXPECT_EQ(pod->meta.instance, "digits");
  EXPECT_EQ(pod->meta.revision, "digits-x");
  EXPECT_FALSE(pod->meta.deleting);
  EXPECT_EQ(pod->traffic, "service");
  EXPECT_EQ(pod->digest, "sha256:aa");
  EXPECT_EQ(pod->ip, "10.1.2.3");
  EXPECT_EQ(pod->node, "node-1");
  EXPECT_TRUE(pod->ready);
  ASSERT_TRUE(pod->ready_since && pod->started);
  EXPECT_EQ(*pod->ready_since - *pod->started, std::chrono::seconds(30));
  EXPECT_EQ(pod->container_id, "c1");
  EXPECT_TRUE(pod->running);
  EXPECT_EQ(pod->restarts, 2);
  EXPECT_EQ(pod->last_exit_reason, "OOMKilled");
  EXPECT_EQ(pod->last_exit_code, 137);
  EXPECT_EQ(pod->last_exit_message, "killed while LOADING");
}

TEST(Decode, ReadsWhyAPodDoesNotRun) {
  const auto pending =
      From(DecodePod, R"({"metadata": {"name": "p", "deletionTimestamp": "2026-11-23T21:40:00Z"},
    "status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "no room"},
                              {"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-23T21:41:00Z"}],
      "containerStatuses": [{"name": "sidecar", "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}]}})");
  ASSERT_TRUE(pending);
  EXPECT_TRUE(pending->meta.deleting);
  EXPECT_FALSE(pending->scheduled);
  EXPECT_EQ(pending->unscheduled_why, "no room");
  EXPECT_FALSE(pending->ready);
  EXPECT_FALSE(pending->ready_since);
  EXPECT_FALSE(pending->running);
  EXPECT_EQ(pending->waiting_reason, "ErrImagePull");
}

TEST(Decode, ReadsAReplicaSet) {
  const auto rs = From(DecodeReplicaSet,
                       R"({"metadata": {"name": "digits-x", "annotations": {"pilotlight.dev/config": "{}"}},
    "spec": {"replicas": 3, "template": {"metadata": {"labels": {"pilotlight.dev/traffic": "none"},
                                                      "annotations": {"pilotlight.dev/digest": "sha256:aa"}}}},
    "status": {"replicas": 2, "conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
                                              "message": "exceeded quota"}]}})");
  ASSERT_TRUE(rs);
  EXPECT_EQ(rs->replicas, 3);
  EXPECT_EQ(rs->current_replicas, 2);
  EXPECT_EQ(rs->traffic, "none");
  EXPECT_EQ(rs->digest, "sha256:aa");
  EXPECT_EQ(rs->config, "{}");
  EXPECT_EQ(rs->failure_reason, "FailedCreate");
  EXPECT_EQ(rs->failure_message, "exceeded quota");
}

TEST(Decode, AFailureThatIsOverIsNone) {
  const auto rs = From(DecodeReplicaSet, R"({"status": {"conditions": [
      {"type": "ReplicaFailure", "status": "False", "reason": "FailedCreate"}]}})");
  EXPECT_EQ(rs->failure_reason, "");
}

TEST(Decode, LeavesOutWhatTheApiServerAddsToAService) {
  const auto service =
      From(DecodeService, R"({"metadata": {"name": "digits"}, "spec": {"clusterIP": "10.0.0.1",
    "selector": {"a": "b"}, "ports": [{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30000}]}})");
  ASSERT_TRUE(service);
  EXPECT_EQ(service->ports,
            json::parse(R"([{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}])"));
  EXPECT_EQ(service->selector, json({{"a", "b"}}));
}

TEST(Decode, ReadsABudget) {
  const auto budget = From(DecodeDisruptionBudget,
                           R"({"spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"a": "b"}}}})");
  EXPECT_EQ(budget->max_unavailable, 1);
  EXPECT_EQ(budget->selector, json({{"a", "b"}}));
}

TEST(Decode, CountsEndpointsOfUnknownReadinessAsReady) {
  const auto slice =
      From(DecodeEndpointSlice, R"({"metadata": {"labels": {"kubernetes.io/service-name": "digits"}},
    "endpoints": [{"conditions": {"ready": true}, "targetRef": {"uid": "a"}},
                  {"conditions": {"ready": false}, "targetRef": {"uid": "b"}},
                  {"conditions": {}, "targetRef": {"uid": "c"}}, {"addresses": []}, 7]})");
  EXPECT_EQ(slice->meta.instance, "digits");
  EXPECT_THAT(slice->ready_pods, ElementsAre("a", "c"));
}

TEST(Decode, ReadsAModelDeploymentWithoutItsManagedFields) {
  const auto model = From(DecodeModelDeployment, R"({"metadata": {"name": "digits", "uid": "m",
    "managedFields": [{"fieldsV1": {"f:spec": {}}}]}, "spec": {"model": {"uri": "file:///a"}},
    "status": {"stableRevision": "digits-x"}})");
  ASSERT_TRUE(model);
  EXPECT_EQ(model->uid, "m");
  EXPECT_THAT(model->errors, IsEmpty());
  EXPECT_EQ(model->status.stable_revision, "digits-x");
}

TEST(Decode, RefusesWhatIsNoObjectAndNeverMore) {
  const auto refused = [](const auto& result) { return !result.has_value(); };
  for (const char* text : {"", "null", "[]", "{", "\"x\"", "{\"a\":}", "\xff\xfe"}) {
    EXPECT_TRUE(refused(From(DecodePod, text))) << text;
    EXPECT_TRUE(refused(From(DecodeReplicaSet, text))) << text;
    EXPECT_TRUE(refused(From(DecodeModelDeployment, text))) << text;
    EXPECT_TRUE(refused(DecodeReport(text))) << text;
  }
  for (const char* text :
       {"{}", R"({"metadata": 7, "spec": [], "status": "x"})",
        R"({"metadata": {"labels": [1], "ownerReferences": {"controller": true}, "name": {}},
                               "status": {"containerStatuses": {"name": "sidecar"}, "conditions": [[]]},
                               "spec": {"ports": 5, "selector": null, "template": {"metadata": "x"}},
                               "endpoints": "x"})"}) {
    EXPECT_TRUE(From(DecodePod, text)) << text;
    EXPECT_TRUE(From(DecodeReplicaSet, text)) << text;
    EXPECT_TRUE(From(DecodeService, text)) << text;
    EXPECT_TRUE(From(DecodeDisruptionBudget, text)) << text;
    EXPECT_TRUE(From(DecodeEndpointSlice, text)) << text;
    EXPECT_TRUE(From(DecodeConfigMap, text)) << text;
    EXPECT_TRUE(From(DecodeModelDeployment, text)) << text;
    EXPECT_TRUE(DecodeReport(text)) << text;
  }
}

TEST(Decode, SurvivesEveryTruncationOfAPod) {
  const std::string whole(kPod);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(From(DecodePod, whole.substr(0, length))) << length;
  }
}

TEST(Report, ReadsTheStatusDocument) {
  const auto report = DecodeReport(R"({"apiVersion": "sidecar.pilotlight.dev/v1alpha1", "podUID": "p1",
    "revision": "digits-x", "phase": "Failed", "ready": false, "final": true, "digest": "sha256:aa",
    "bytesFetched": 5, "bytesTotal": 10, "attempt": 3, "newField": {"x": [1]},
    "failure": {"class": "Revision", "reason": "GoldenMismatch", "phase": "Checking", "message": "m", "remedy": "r"},
    "proof": {"level": "Answers", "cases": 3, "surprise": 1, "warnings": ["w"],
              "signature": {"keyId": "sha256:aa", "subject": "digits.tar"}},
    "recheck": {"result": "Failed",
                "failure": {"class": "Pod", "reason": "GoldenMismatch", "phase": "Ready", "message": "m2", "remedy": "r2"}}})");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->pod_uid, "p1");
  EXPECT_EQ(report->revision, "digits-x");
  EXPECT_TRUE(report->final);
  EXPECT_FALSE(report->ready);
  EXPECT_EQ(report->bytes_fetched, 5);
  EXPECT_EQ(report->attempt, 3);
  EXPECT_EQ(report->failure, (api::Failure{"Revision", "GoldenMismatch", "Checking", "m", "r"}));
  EXPECT_EQ(report->recheck_failure, (api::Failure{"Pod", "GoldenMismatch", "Ready", "m2", "r2"}));
  EXPECT_EQ(report->proof, json::parse(R"({"level": "Answers", "cases": 3, "warnings": ["w"],
                                            "signature": {"keyId": "sha256:aa", "subject": "digits.tar"}})"))
      << "the documented fields, and no others";
}

TEST(Report, CutsWhatIsTooLongBetweenCharacters) {
  std::string message;
  for (int i = 0; i < 2000; ++i) message += "ü";
  const auto report = DecodeReport(R"({"failure": {"class": "World", "message": ")" + message + R"("}})");
  const std::string& cut = report->failure->message;
  EXPECT_LE(cut.size(), 1030U);
  EXPECT_TRUE(json::accept(json(cut).dump(-1, ' ', false, json::error_handler_t::strict)));
}

TEST(Report, HoldsNothingThatWouldGarbleATerminal) {
  const auto report = DecodeReport(R"({"failure": {"message": "a\u001b[31mb\nc\u009b\u007f"}})");
  EXPECT_EQ(report->failure->message, "a?[31mb\nc??");
}

TEST(Report, IsSmallWhateverThePodSays) {
  const std::string large(100'000, 'x');
  const auto report =
      DecodeReport(R"({"podUID": ")" + large + R"(", "revision": ")" + large + R"(", "proof": {"level": ")" +
                   large + R"(", "digest": ")" + large + R"("}})");
  EXPECT_LT(report->pod_uid.size() + report->revision.size() + report->proof.dump().size(), 5000U);
}

TEST(Report, DropsAProofThatIsTooLargeButWhatDecisionsAreMadeBy) {
  const std::string large(20000, 'x');
  const std::string rest = R"("level": "Answers", "digest": "sha256:aa", "warnings": [")" + large + R"("]}})";
  EXPECT_EQ(DecodeReport(R"({"proof": {)" + rest)->proof,
            json::parse(R"({"level": "Answers", "digest": "sha256:aa"})"));
  EXPECT_EQ(
      DecodeReport(R"({"proof": {"signature": {"keyId": "sha256:bb", "more": 1}, )" + rest)->proof,
      json::parse(R"({"level": "Answers", "digest": "sha256:aa", "signature": {"keyId": "sha256:bb"}})"));
}

TEST(Report, HoldsNothingThatAnOldApiServerWouldNotKeep) {
  const auto report = DecodeReport(
      R"({"proof": {"format": "", "runtime": {"device": "", "torch": "2.6.0", "x": null}, "warmup": [{"a": ""}]}})");
  EXPECT_EQ(report->proof, json::parse(R"({"runtime": {"torch": "2.6.0"}, "warmup": [{}]})"));
}

}  // namespace
}  // namespace pilotlight::control
