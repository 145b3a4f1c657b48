#include "operator/api/status.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace pilotlight::api {
namespace {

using nlohmann::json;

Status Full() {
  const Time t{std::chrono::seconds(1'795'000'000)};
  return {.observed_generation = 4,
          .conditions = {{.type = "Ready",
                          .status = ConditionStatus::kTrue,
                          .reason = "Serving",
                          .message = "2 of 2",
                          .observed_generation = 4,
                          .last_transition = t}},
          .stable_revision = "digits-a",
          .candidate_revision = "digits-b",
          .rollout = {.phase = Phase::kProving,
                      .revision = "digits-b",
                      .retry = "x",
                      .attempt = 2,
                      .reason = "NotFound",
                      .message = "404",
                      .since = t,
                      .deadline = t + std::chrono::minutes(10),
                      .bytes_fetched = 10,
                      .progressed = t,
                      .replaced_pods = 1,
                      .last_replaced = t,
                      .canary = CanaryStatus{.step = 2,
                                             .steps = 4,
                                             .replicas = 3,
                                             .since = t,
                                             .promoting = true,
                                             .desired = 25,
                                             .applied = 5,
                                             .observed = "5.2",
                                             .step_since = t,
                                             .progressed = t,
                                             .threshold_ms = 250,
                                             .round = 3,
                                             .lost_sight = true,
                                             .failing_since = t,
                                             .verdict = "Inconclusive",
                                             .reason = "NoData",
                                             .message = "errors: nothing was counted",
                                             .judged = t,
                                             .segments = {{.step = 1,
                                                           .weight = 5,
                                                           .candidate = 10,
                                                           .stable = 190,
                                                           .metrics = {{"latency", "digits-b-1", 10, 1, 9, 1},
                                                                       {"errors", "", 190, 2}}}}}},
          .replicas = 2,
          .ready_replicas = 1,
          .selector = "a=b",
          .url = "http://digits.ml.svc",
          .level = "Answers",
          .revisions = {{.name = "digits-a",
                         .phase = RevisionPhase::kFailed,
                         .digest = "sha256:aa",
                         .level = "Answers",
                         .retry = "x",
                         .failure = Failure{"Revision", "GoldenMismatch", "Checking", "m", "r"},
                         .split_until = t,
                         .proof = {{"level", "Answers"}}}},
          .recheck_failures = {{.pod = "digits-a-1",
                                .node = "node-1",
                                .reason = "GoldenMismatch",
                                .message = "case one",
                                .since = t}}};
}

TEST(Status, IsTheSameAfterARoundTrip) {
  EXPECT_EQ(StatusFromJson(ToJson(Full())), Full());
}

TEST(Status, ThatIsEmptyIsTheSameAfterARoundTrip) {
  EXPECT_EQ(StatusFromJson(ToJson(Status())), Status());
}

TEST(Status, RoundTripsEveryPhase) {
  for (int i = 0; i <= static_cast<int>(Phase::kAborted); ++i) {
    Status status;
    status.rollout.phase = static_cast<Phase>(i);
    EXPECT_EQ(StatusFromJson(ToJson(status)).rollout.phase, status.rollout.phase);
  }
}

TEST(Status, KeepsWhatCanBeReadOfADamagedOne) {
  const Status status = StatusFromJson(json::parse(
      R"({"stableRevision": "digits-a", "conditions": [3, {"type": "Ready", "status": "Maybe"}], "rollout": "x",
          "replicas": "two", "revisions": {"name": 3}, "observedGeneration": 1.5})"));
  EXPECT_EQ(status.stable_revision, "digits-a");
  EXPECT_EQ(status.replicas, 0);
  EXPECT_EQ(status.rollout, RolloutStatus());
  ASSERT_NE(status.Find("Ready"), nullptr);
  EXPECT_EQ(status.Find("Ready")->status, ConditionStatus::kUnknown);
}

}  // namespace
}  // namespace pilotlight::api
