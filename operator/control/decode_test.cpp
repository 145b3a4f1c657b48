#include "operator/control/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/time/rfc3339.h"

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
    "probes": {"requests": 40, "bad": 2},
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
  EXPECT_EQ(report->probes, 40);
  EXPECT_EQ(report->bad_probes, 2);
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

// A stable pod's, as docs/sidecar.md has it.
json Splitting() {
  const json counter = {{"requests", 700}, {"bad", 3}, {"at", {{1795658400, 2}, {1795658407, 1}}}};
  const auto side = [&](int requests, const char* pod) {
    return json{{"requests", requests},
                {"bad", {{"error", 3}, {"hopFailure", 1}}},
                {"clientErrors", 2},
                {"latency", {0, 650, 48, 0}},
                {"sessions", {{"counted", 90}, {"bad", 2}, {"oneIn", 4}}},
                {"counted", {{pod, {{"errors", counter}, {"slow", {counter, counter, counter}}}}}}};
  };
  return {{"podUID", "p1"},
          {"revision", "digits-1"},
          {"lastEpoch", 9},
          {"hop", {{"port", 8082}, {"certificate", "sha256:" + std::string(64, 'a')}}},
          {"split",
           {{"epoch", 9},
            {"id", "split-1"},
            {"weight", 12.5},
            {"weightInForce", 10},
            {"candidate", "digits-2"},
            {"expiresAt", "2026-11-26T02:10:00Z"},
            {"latencyBounds", {0.001, 0.01, 10}},
            {"segments",
             {{{"label", "step-1"},
               {"weight", 12.5},
               {"candidate", "digits-2"},
               {"revisions", {{"digits-1", side(700, "p1")}, {"digits-2", side(100, "p2")}}}}}}}}};
}
api::Report Decoded(const json& document) {
  const auto report = DecodeReport(document.dump());
  EXPECT_TRUE(report);
  return report.value_or(api::Report());
}
// With the split's first segment, or the counter of errors of its stable side, changed.
template <typename F>
api::SplitSegment WithSegment(F change) {
  json document = Splitting();
  change(document["split"]["segments"][0]);
  return Decoded(document).split.segments.at(0);
}
api::CountedEvents WithErrors(const char* field, const json& value) {
  const auto segment =
      WithSegment([&](json& in) { in["revisions"]["digits-1"]["counted"]["p1"]["errors"][field] = value; });
  EXPECT_EQ(segment.stable_side.pods.at(0).slow.size(), 3U) << "the other counters stay";
  return segment.stable_side.pods[0].errors;
}

TEST(SplitReport, IsReadAsItIsWritten) {
  const api::Report report = Decoded(Splitting());
  EXPECT_EQ(report.last_epoch, 9);
  EXPECT_EQ(report.hop_certificate, "sha256:" + std::string(64, 'a'));
  const api::CountedEvents counter{.requests = 700, .bad = 3, .at = {{1795658400, 2}, {1795658407, 1}}};
  const auto side = [&](int requests, const char* pod) {
    return api::SideCounts{.requests = requests,
                           .bad = 4,
                           .hop_failures = 1,
                           .pods = {{.pod_uid = pod, .errors = counter, .slow = {counter, counter, counter}}},
                           .latency = {0, 650, 48, 0},
                           .sessions = 90,
                           .bad_sessions = 2,
                           .sessions_one_in = 4};
  };
  EXPECT_EQ(
      report.split,
      (api::Split{.id = "split-1",
                  .weight = 12.5,
                  .weight_in_force = 10,
                  .candidate = "digits-2",
                  .expires = std::chrono::floor<std::chrono::seconds>(*ParseTime("2026-11-26T02:10:00Z")),
                  .latency_bounds = {0.001, 0.01, 10},
                  .segments = {{.label = "step-1",
                                .weight = 12.5,
                                .candidate = "digits-2",
                                .stable_side = side(700, "p1"),
                                .candidate_side = side(100, "p2")}}}));
  EXPECT_EQ(Decoded({{"podUID", "p1"}}), (api::Report{.pod_uid = "p1", .attempt = 0}));
}

TEST(SplitReport, OfMirroredRequestsSaysHowTheAnswersCompare) {
  const json mirrored = {{"compared", 100},
                         {"disagreed", 3},
                         {"failed", 1},
                         {"top1", {{"rows", 400}, {"agreed", 399}}},
                         {"elements", 4000},
                         {"meanDifference", 1e-6},
                         {"worstDifference", 0.25}};
  const auto read = [&](const char* field, const json& value) {
    return WithSegment([&](json& in) {
      in["mirrored"] = {{"p2", mirrored}};
      if (*field != 0) in["mirrored"]["p2"][field] = value;
      in["revisions"]["digits-2"]["counted"]["p2"]["disagreement"] = {
          {"requests", 90}, {"bad", 2}, {"at", json::array({json::array({5, 2})})}};
    });
  };
  const api::SplitSegment segment = read("", nullptr);
  EXPECT_EQ(segment.mirrored, (std::vector<api::Mirrored>{{.pod_uid = "p2",
                                                           .compared = 100,
                                                           .disagreed = 3,
                                                           .failed = 1,
                                                           .rows = 400,
                                                           .rows_agreed = 399,
                                                           .elements = 4000,
                                                           .mean_difference = 1e-6,
                                                           .worst_difference = 0.25}}));
  EXPECT_EQ(segment.candidate_side.pods.at(0).disagreement, (api::CountedEvents{90, 2, {{5, 2}}}));
  EXPECT_TRUE(read("disagreed", 101).mirrored.empty()) << "more than were compared";
  EXPECT_TRUE(read("failed", 4).mirrored.empty()) << "more than disagreed";
  EXPECT_EQ(read("worstDifference", -1).mirrored.at(0).worst_difference, 0);
}

TEST(SplitReport, ACounterThatCannotBeRightIsAbsent) {
  const api::CountedEvents none;
  EXPECT_NE(WithErrors("bad", 700), none);
  EXPECT_EQ(WithErrors("bad", 701), none);
  for (const char* field : {"requests", "bad"}) {
    for (const json& value : {json(-1), json(1.5), json("7"), json(nullptr), json(1e300),
                              json(2'000'000'000'000), json(std::uint64_t{18446744073709551615U})}) {
      EXPECT_EQ(WithErrors(field, value), none) << field << value;
    }
  }
  for (const char* at : {"[[1]]", "[[1,2,3]]", "[[-1,2]]", "[[1,-2]]", "[[1,2.5]]", "[7]", "[null]"}) {
    EXPECT_EQ(WithErrors("at", json::parse(at)), none) << at;
  }
}

TEST(SplitReport, CountersOfSlownessAreKnownByTheirPlaces) {
  const auto slow = [](auto change) {
    return WithSegment([&](json& in) { change(in["revisions"]["digits-1"]["counted"]["p1"]["slow"]); })
        .stable_side.pods.at(0)
        .slow.size();
  };
  EXPECT_EQ(slow([](json&) {}), 3U);
  EXPECT_EQ(slow([](json& in) { in.erase(1); }), 0U);
  EXPECT_EQ(slow([](json& in) { in.push_back(in[0]); }), 0U);
  EXPECT_EQ(slow([](json& in) { in.insert(in.begin(), json::object()); }), 0U) << "three of four are good";
  EXPECT_EQ(slow([](json& in) { in[1]["bad"] = -1; }), 0U);
}

TEST(SplitReport, NoNumberOfASideIsNegativeNorSomeOfIt) {
  const auto side = [](auto change) {
    return WithSegment([&](json& in) { change(in["revisions"]["digits-1"]); }).stable_side;
  };
  EXPECT_EQ(side([](json& in) { in["bad"]["error"] = 699; }).bad, 700);
  for (const char* bad : {R"({"error": 700, "hopFailure": 1})", R"({"error": -1, "hopFailure": 1})",
                          R"({"error": 1, "hopFailure": 0.5})", R"({"error": 1})", "{}"}) {
    const auto found = side([&](json& in) { in["bad"] = json::parse(bad); });
    EXPECT_EQ(found.requests, 0) << bad;
    EXPECT_EQ(found.bad, 0) << bad;
  }
  for (const char* latency : {"[0,1,2]", "[0,1,2,3,4]", "[0,-1,2,3]", R"([0,"1",2,3])", "7"}) {
    EXPECT_THAT(side([&](json& in) { in["latency"] = json::parse(latency); }).latency, IsEmpty()) << latency;
  }
  for (const char* sessions :
       {R"({"counted": 1, "bad": 2, "oneIn": 1})", R"({"counted": 1, "bad": 0, "oneIn": 0})",
        R"({"counted": -1, "bad": 0, "oneIn": 1})", R"({"counted": 1, "bad": 0})"}) {
    const auto found = side([&](json& in) { in["sessions"] = json::parse(sessions); });
    EXPECT_EQ(found.sessions + found.bad_sessions + found.sessions_one_in, 0) << sessions;
  }
}

TEST(SplitReport, APodThatIsItsOwnCandidateCountsOnce) {
  const auto segment = WithSegment([](json& in) { in["candidate"] = "digits-1"; });
  EXPECT_EQ(segment.stable_side.requests, 700);
  EXPECT_EQ(segment.candidate_side, api::SideCounts());
}

TEST(SplitReport, WhatIsOutOfBoundsIsNothing) {
  json document = Splitting();
  for (const json& weight : {json(-1), json(100.5), json(1e308), json("7")}) {
    document["split"]["weight"] = document["split"]["weightInForce"] = weight;
    EXPECT_EQ(Decoded(document).split.weight, 0) << weight;
    EXPECT_EQ(Decoded(document).split.weight_in_force, 0) << weight;
  }
  for (const json& epoch : {json(-1), json(std::int64_t{1} << 54), json(1.5), json("9")}) {
    document["lastEpoch"] = epoch;
    EXPECT_EQ(Decoded(document).last_epoch, 0) << epoch;
  }
  for (const std::string& certificate :
       {std::string(64, 'a'), "sha256:" + std::string(63, 'a'), "sha256:" + std::string(64, 'A'),
        "sha256:" + std::string(64, 'g'), "sha512:" + std::string(64, 'a')}) {
    document["hop"]["certificate"] = certificate;
    EXPECT_EQ(Decoded(document).hop_certificate, "") << certificate;
  }
  for (const char* bounds : {"[0.1, 0.1]", "[0.2, 0.1]", "[0, 1]", "[-1, 1]", R"([1, "x"])"}) {
    document["split"]["latencyBounds"] = json::parse(bounds);
    EXPECT_THAT(Decoded(document).split.latency_bounds, IsEmpty()) << bounds;
  }
}

TEST(SplitReport, IsNotLargerThanItsBoundsAndKeepsTheNewest) {
  json document = Splitting();
  const std::string large(5000, 'x');
  document["split"]["id"] = document["split"]["candidate"] = large;
  json& segments = document["split"]["segments"];
  json& side = segments[0]["revisions"]["digits-1"];
  for (int i = 0; i < 300; ++i) side["counted"][std::to_string(i) + large] = side["counted"]["p1"];
  json& at = segments[0]["revisions"]["digits-2"]["counted"]["p2"]["errors"]["at"];
  at = json::array();
  for (int i = 1; i <= 100; ++i) at.push_back({i, 1});
  for (int i = 2; i <= 20; ++i) {
    segments.push_back(segments[0]);
    segments.back()["label"] = "step-" + std::to_string(i);
  }
  const api::Split split = Decoded(document).split;
  EXPECT_LT(split.id.size(), 1100U);
  EXPECT_LT(split.candidate.size(), 1100U);
  ASSERT_EQ(split.segments.size(), 8U);
  EXPECT_EQ(split.segments.back().label, "step-20");
  const auto& pods = split.segments.back().stable_side.pods;
  EXPECT_EQ(pods.size(), 256U);
  for (const auto& pod : pods) EXPECT_LT(pod.pod_uid.size(), 1100U);
  const auto& runs = split.segments.back().candidate_side.pods.at(0).errors.at;
  ASSERT_EQ(runs.size(), 64U);
  EXPECT_EQ(runs.back().first, 100);
}

TEST(Decode, KeepsOfAConfigMapTheKeysOnly) {
  const auto map = From(DecodeConfigMap, R"({"metadata": {"name": "digits-operator-keys"},
      "data": {"operator.pem": "a", "config.json": "{}", "b.pem": "c", "pem": "d"}})");
  ASSERT_TRUE(map);
  EXPECT_EQ(map->keys, (std::map<std::string, std::string>{{"operator.pem", "a"}, {"b.pem", "c"}}));
}

}  // namespace
}  // namespace pilotlight::control
