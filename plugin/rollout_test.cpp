#include "plugin/rollout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pilotlight::plugin {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

const api::Time kNow{std::chrono::seconds(1'795'000'000)};

json condition(const char* type, const char* status, const char* reason, int generation = 2) {
  return {{"type", type},
          {"status", status},
          {"reason", reason},
          {"message", "because"},
          {"observedGeneration", generation},
          {"lastTransitionTime", "2026-11-25T20:00:00Z"}};
}

// v1 serves, v2 is on its way.
json rolling() {
  return {
      {"metadata", {{"name", "digits"}, {"generation", 2}, {"resourceVersion", "77"}}},
      {"spec", {{"model", {{"uri", "https://models.example/v2.tar"}}}, {"warmup", {{"batchSizes", {1, 8}}}}}},
      {"status",
       {{"observedGeneration", 2},
        {"url", "http://digits.ml.svc"},
        {"stableRevision", "digits-one"},
        {"candidateRevision", "digits-two"},
        {"rollout",
         {{"phase", "Promoting"},
          {"revision", "digits-two"},
          {"reason", "Loading"},
          {"message", "pod digits-two-x is at this step"},
          {"since", "2026-11-18T11:06:10Z"},
          {"deadline", "2026-11-18T11:16:10Z"}}},
        {"conditions",
         {condition("Ready", "True", "Serving"), condition("UpToDate", "False", "RolloutInProgress")}},
        {"revisions",
         {{{"name", "digits-two"}, {"phase", "Proven"}, {"digest", "sha256:bbbbbbbbbbbbbbbbbbbb"}},
          {{"name", "digits-one"}, {"phase", "Proven"}, {"digest", "sha256:aaaaaaaaaaaaaaaaaaaa"}},
          {{"name", "digits-bad"}, {"phase", "Failed"}, {"failure", {{"reason", "GoldenMismatch"}}}},
          {{"name", "digits-old"}, {"phase", "Proven"}}}}}}};
}

// The same by steps, in the second of four.
json canary() {
  json object = rolling();
  object["spec"]["rollout"] = {{"strategy", "Canary"}};
  object["status"]["rollout"] = {{"phase", "Canary"},
                                 {"revision", "digits-two"},
                                 {"reason", "TooFewRequests"},
                                 {"message", "errors: 30 of the 200 requests"},
                                 {"since", "2026-11-18T11:00:40Z"},
                                 {"deadline", "2026-11-18T11:16:10Z"},
                                 {"canary",
                                  {{"step", 2},
                                   {"steps", 4},
                                   {"stepSince", "2026-11-18T11:03:40Z"},
                                   {"weight", {{"desired", 25}, {"applied", 5}, {"observed", "5.2"}}},
                                   {"analysis",
                                    {{"verdict", "Inconclusive"},
                                     {"reason", "TooFewRequests"},
                                     {"message", "errors: 30 of the 200 requests"}}}}}};
  return object;
}

json aborted() {
  json object = canary();
  object["status"].erase("candidateRevision");
  auto& rollout = object["status"]["rollout"];
  rollout["phase"] = "Aborted";
  rollout["reason"] = "MoreErrors";
  rollout["message"] = "digits-two was taken back: errors: candidate 12 of 240, stable 3 of 2160";
  object["status"]["revisions"][0]["aborted"] = {{"reason", "MoreErrors"}, {"message", "errors"}};
  object["status"]["conditions"][1]["reason"] = "RevisionAborted";
  return object;
}

json replica_sets(const char* traffic = "service") {
  const json labels = {{"pilotlight.dev/traffic", "service"}};
  return {
      {{"metadata", {{"name", "digits-one"}}},
       {"spec", {{"replicas", 3}, {"template", {{"metadata", {{"labels", labels}}}}}}},
       {"status", {{"readyReplicas", 3}}}},
      {{"metadata", {{"name", "digits-two"}}},
       {"spec",
        {{"replicas", 2}, {"template", {{"metadata", {{"labels", {{"pilotlight.dev/traffic", traffic}}}}}}}}},
       {"status", {{"readyReplicas", 1}}}}};
}

json config(const char* name, const char* uri) {
  return {{"metadata", {{"name", name}, {"creationTimestamp", "2026-11-18T08:06:40Z"}}},
          {"data", {{"revision.json", json{{"model", {{"uri", uri}}}}.dump(2)}}}};
}
json config_maps() {
  return {config("digits-one", "https://models.example/v1.tar"),
          config("digits-two", "https://models.example/v2.tar"),
          config("digits-bad", "https://models.example/bad.tar"),
          config("digits-old", "https://models.example/v0.tar")};
}

TEST(Answers, AreOfTheSpecAsItIsNow) {
  json object = rolling();
  EXPECT_EQ(answer_of(object, "UpToDate").outcome, Outcome::kPending);
  EXPECT_EQ(answer_of(object, "Ready").outcome, Outcome::kAccepted);
  object["metadata"]["generation"] = 3;
  EXPECT_EQ(answer_of(object, "Ready").outcome, Outcome::kPending) << "that was said of another spec";
  EXPECT_EQ(answer_of(json::object(), "Ready").outcome, Outcome::kPending);
  EXPECT_THAT(answer_of(object, "UpToDate").why, HasSubstr("has not looked at this version"));
}

TEST(Answers, OfASpecThatServesSayWhichRevisionItIs) {
  json object = rolling();
  object["status"]["conditions"][1] = condition("UpToDate", "True", "UpToDate");
  EXPECT_EQ(answer_of(object, "UpToDate").outcome, Outcome::kAccepted);
  EXPECT_EQ(answer_of(object, "UpToDate").why, "UpToDate: because");
}

TEST(Answers, RejectWhatWillNotComeByItself) {
  for (const char* phase : {"Failed", "Aborted", "Invalid"}) {
    json object = rolling();
    object["status"]["rollout"]["phase"] = phase;
    const Answer answer = answer_of(object, "UpToDate");
    EXPECT_EQ(answer.outcome, Outcome::kRejected) << phase;
    EXPECT_EQ(answer.why, std::string(phase) + ": Loading: pod digits-two-x is at this step");
    EXPECT_EQ(answer_of(object, "Ready").outcome, Outcome::kAccepted) << "the old one serves";
  }
  json stalled = rolling();
  stalled["status"]["conditions"].push_back(condition("Stalled", "True", "Unschedulable"));
  EXPECT_EQ(answer_of(stalled, "UpToDate").outcome, Outcome::kPending) << "there may be room yet";
}

TEST(Answers, OfACanaryThatWasTakenBackGiveTheSentenceOfItsAnalysis) {
  const Answer answer = answer_of(aborted(), "UpToDate");
  EXPECT_EQ(answer.outcome, Outcome::kRejected);
  EXPECT_EQ(answer.why,
            "Aborted: MoreErrors: digits-two was taken back: errors: candidate 12 of 240, stable 3 of 2160");
  EXPECT_EQ(answer_of(aborted(), "Ready").why, "Serving: because");
}

TEST(Answers, OfACanaryThatWaitsArePendingAndSayForWhat) {
  EXPECT_EQ(answer_of(canary(), "UpToDate").outcome, Outcome::kPending);
  EXPECT_EQ(answer_of(canary(), "UpToDate").why,
            "Canary at step 2 of 4: TooFewRequests: errors: 30 of the 200 requests");
  for (const char* reason : {"NoData", "NotYetCertain", "InsufficientCapacity", "UntilPromoted", "Paused"}) {
    json object = canary();
    object["status"]["rollout"]["phase"] = "Paused";
    object["status"]["rollout"]["reason"] = reason;
    object["status"]["rollout"]["message"] = "so it is";
    object["status"]["conditions"][1]["reason"] = "Paused";
    const Answer answer = answer_of(object, "UpToDate");
    EXPECT_EQ(answer.outcome, Outcome::kPending) << reason;
    EXPECT_EQ(answer.why, reason == std::string("Paused")
                              ? "Paused at step 2 of 4: so it is"
                              : std::string("Paused at step 2 of 4: ") + reason + ": so it is");
  }
  json before = rolling();
  before["status"]["rollout"] = {{"phase", "Paused"}, {"reason", "Paused"}, {"message", "so it is"}};
  EXPECT_EQ(answer_of(before, "UpToDate").why, "Paused: so it is");
}

TEST(Status, IsATreeOfWhatServesAndWhatIsWaitedFor) {
  const std::string text = status_text(rolling(), replica_sets(), kNow);
  EXPECT_THAT(text, HasSubstr("digits  Promoting  http://digits.ml.svc\n"));
  EXPECT_THAT(
      text,
      HasSubstr("├── digits-two  candidate  1/2 pods ready, in the Service  Proven  sha256:bbbbbbbbbbbb\n"));
  EXPECT_THAT(
      text,
      HasSubstr("└── digits-one  stable     3/3 pods ready, in the Service  Proven  sha256:aaaaaaaaaaaa\n"));
  EXPECT_THAT(text, Not(HasSubstr("digits-old"))) << "it has no part in this";
  EXPECT_THAT(text, HasSubstr("Up to date  no         because\n"));
  EXPECT_THAT(
      text,
      HasSubstr("Waits for   Loading: pod digits-two-x is at this step (30s so far, deadline in 9m)\n"));
}

TEST(Status, OfACanaryShowsItsStepWeightAndVerdictBelowTheCandidate) {
  const std::string text = status_text(canary(), replica_sets("split"), kNow);
  EXPECT_THAT(
      text, HasSubstr("├── digits-two  candidate  1/2 pods ready, in the split  Proven  sha256:bbbbbbbbbbbb\n"
                      "│   ├── step     2 of 4, with its weight since 3m\n"
                      "│   ├── weight   25 % desired, 5 % applied, 5.2 % observed\n"
                      "│   └── verdict  Inconclusive, TooFewRequests: errors: 30 of the 200 requests\n"
                      "└── digits-one  stable "));
  EXPECT_THAT(text,
              HasSubstr("Waits for   TooFewRequests: errors: 30 of the 200 requests (6m so far, deadline "
                        "in 9m)\n"));
  EXPECT_THAT(status_text(aborted(), replica_sets(), kNow), Not(HasSubstr("weight")))
      << "it is not on trial any more";
}

TEST(Status, OfACanaryTellsItsStateAlsoBetweenTheSteps) {
  const auto shown = [](const json& canary_status) {
    json object = canary();
    object["status"]["rollout"]["canary"] = canary_status;
    return status_text(object, replica_sets("split"), kNow);
  };
  const std::string begun = shown({{"steps", 4}});
  EXPECT_THAT(begun, HasSubstr("step     none has begun\n"));
  EXPECT_THAT(begun, HasSubstr("0 % desired, 0 % applied, nothing observed\n"));
  EXPECT_THAT(begun, Not(HasSubstr("verdict")));
  EXPECT_THAT(shown({{"step", 3}, {"steps", 4}}), HasSubstr("step     3 of 4, on its way to its weight\n"));
  EXPECT_THAT(shown({{"step", 1}, {"steps", 4}, {"promoting", true}}),
              HasSubstr("step     1 of 4, and no more: it becomes the stable revision\n"));
  EXPECT_THAT(shown({{"step", 5}, {"steps", 4}, {"promoting", true}}), HasSubstr("step     all 4 passed\n"));
}

TEST(Status, OfAnObjectThatNobodyHasLookedAt) {
  EXPECT_THAT(status_text({{"metadata", {{"name", "digits"}}}}, json::array(), kNow),
              HasSubstr("digits  not looked at yet"));
}

TEST(Status, ShowsNoControlCharacters) {
  json object = rolling();
  object["status"]["rollout"]["message"] = "red \x1b[31m";
  EXPECT_THAT(status_text(object, replica_sets(), kNow), Not(HasSubstr("\x1b")));
}

TEST(History, ListsWhatEachRevisionWas) {
  const std::string text = history_text(rolling(), config_maps(), kNow);
  EXPECT_THAT(text, HasSubstr("digits-two"));
  EXPECT_THAT(text, HasSubstr("Failed: GoldenMismatch"));
  EXPECT_THAT(text, HasSubstr("https://models.example/v0.tar"));
  EXPECT_THAT(text, HasSubstr("3h"));
}

TEST(Patches, AbortNamesTheCandidate) {
  EXPECT_EQ(abort_patch(rolling()), json({{"spec", {{"rollout", {{"abort", "digits-two"}}}}}}));
  json object = rolling();
  object["status"].erase("candidateRevision");
  EXPECT_THROW(abort_patch(object), std::runtime_error);
}

TEST(History, SaysHowFarTheLastCanaryCame) {
  EXPECT_THAT(history_text(canary(), config_maps(), kNow), HasSubstr("Proven, at step 2 of 4 "));
  EXPECT_THAT(history_text(aborted(), config_maps(), kNow),
              HasSubstr("Aborted: MoreErrors, at step 2 of 4 "));
  json object = canary();
  object["status"]["rollout"]["canary"]["promoting"] = true;
  EXPECT_THAT(history_text(object, config_maps(), kNow), HasSubstr("Proven, promoted at step 2 of 4 "));
  object["status"]["rollout"]["canary"]["step"] = 5;
  EXPECT_THAT(history_text(object, config_maps(), kNow), HasSubstr("Proven, passed all 4 steps "));
  EXPECT_THAT(history_text(rolling(), config_maps(), kNow), Not(HasSubstr("step")));
}

TEST(Patches, PromoteNamesTheCandidateOfACanary) {
  EXPECT_EQ(promote_patch(canary()), json({{"spec", {{"rollout", {{"promote", "digits-two"}}}}}}));
}

TEST(Patches, PromoteIsRefusedWhereThereIsNoCanary) {
  const auto refusal = [](const json& object) {
    try {
      promote_patch(object);
    } catch (const std::runtime_error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(refusal(aborted()), "there is nothing to promote: no revision is on its way");
  EXPECT_THAT(refusal(rolling()), HasSubstr("digits-two is no canary (spec.rollout.strategy)"));
  json first = canary();
  first["status"].erase("stableRevision");
  EXPECT_THAT(refusal(first), HasSubstr("digits-two is the first revision"));
}

TEST(Patches, RetryTakesAnAbortBackThatWouldWin) {
  json object = rolling();
  EXPECT_THROW(retry_patch(object, "1"), std::runtime_error) << "nothing has failed";
  object["status"]["revisions"][0]["aborted"] = {{"reason", "AbortedByUser"}};
  EXPECT_EQ(retry_patch(object, "1"), json({{"spec", {{"rollout", {{"retry", "1"}}}}}}));
  object["spec"]["rollout"] = {{"abort", "digits-two"}};
  EXPECT_EQ(retry_patch(object, "1"), json({{"spec", {{"rollout", {{"retry", "1"}, {"abort", nullptr}}}}}}));
}

TEST(Patches, RollbackPutsEveryPartBackAndRemovesWhatWasNotThere) {
  const json patch = rollback_patch(rolling(), config_maps()[0]);
  EXPECT_EQ(rolling().patch(patch)["spec"], json({{"model", {{"uri", "https://models.example/v1.tar"}}}}));
  json changed = rolling();
  changed["metadata"]["generation"] = 3;
  EXPECT_THROW(changed.patch(patch), json::exception) << "somebody was faster";
  EXPECT_THROW(rollback_patch(rolling(), {{"metadata", {{"name", "x"}}}}), std::runtime_error);
}

TEST(RollbackTarget, IsTheNewestProvenOneThatIsNotAskedFor) {
  EXPECT_EQ(rollback_target(rolling(), config_maps(), ""), "digits-one");
  EXPECT_EQ(rollback_target(rolling(), config_maps(), "digits-old"), "digits-old");
  EXPECT_THROW(rollback_target(rolling(), config_maps(), "digits-bad"), std::runtime_error);
  EXPECT_THROW(rollback_target(rolling(), config_maps(), "digits-nobody"), std::runtime_error);
  EXPECT_THROW(rollback_target(rolling(), json::array(), ""), std::runtime_error)
      << "nobody knows what it was";
}

TEST(OtherManager, IsNamed) {
  json object = rolling();
  EXPECT_EQ(other_manager(object), "");
  object["metadata"]["annotations"] = {{"argocd.argoproj.io/tracking-id", "x"}};
  EXPECT_EQ(other_manager(object), "Argo CD");
  object["metadata"]["annotations"] = {{"kubectl.kubernetes.io/last-applied-configuration", "{}"}};
  object["metadata"]["labels"] = {{"kustomize.toolkit.fluxcd.io/name", "x"}};
  EXPECT_EQ(other_manager(object), "Flux");
}

}  // namespace
}  // namespace pilotlight::plugin
