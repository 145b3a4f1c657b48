#include "operator/api/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace pilotlight::api {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::IsEmpty;

json Least() {
  return {{"metadata", {{"name", "digits"}}}, {"spec", {{"model", {{"uri", "file:///m.pt"}}}}}};
}

TEST(Parse, LeavesDefaultsWhereTheManifestSaysNothing) {
  const ModelDeployment out = Parse(Least());
  EXPECT_THAT(out.errors, IsEmpty());
  EXPECT_EQ(out.spec.replicas, 1);
  EXPECT_EQ(out.spec.endpoint.timeout, std::chrono::seconds(30));
  EXPECT_EQ(out.spec.rollout.progress_deadline, std::chrono::minutes(10));
  EXPECT_FALSE(out.spec.contract);
  EXPECT_FALSE(out.deleting);
}

TEST(Parse, ReadsWhatIdentifiesTheObject) {
  json in = Least();
  in["metadata"].update({{"namespace", "ml"},
                         {"uid", "u1"},
                         {"resourceVersion", "77"},
                         {"generation", 3},
                         {"deletionTimestamp", "2026-11-23T21:40:00Z"}});
  const ModelDeployment out = Parse(in);
  EXPECT_EQ(out.ns, "ml");
  EXPECT_EQ(out.uid, "u1");
  EXPECT_EQ(out.resource_version, "77");
  EXPECT_EQ(out.generation, 3);
  EXPECT_TRUE(out.deleting);
}

TEST(Parse, ReadsWhoMustHaveSigned) {
  json in = Least();
  EXPECT_FALSE(Parse(in).spec.model.signature);
  in["spec"]["model"]["signature"] = {{"policy", "Off"}, {"publicKeys", {"a", "b"}}, {"uri", "file:///s"}};
  const Signature signature = Parse(in).spec.model.signature.value();
  EXPECT_EQ(signature.policy, "Off");
  EXPECT_THAT(signature.public_keys, ::testing::ElementsAre("a", "b"));
  EXPECT_EQ(signature.uri, "file:///s");
  in["spec"]["model"]["signature"] = {{"publicKeys", {7}}};
  EXPECT_THAT(Parse(in).errors,
              Contains(FieldError{"spec.model.signature.publicKeys[0]", "must be a string"}));
}

TEST(Parse, ReadsWhatTheModelMustBe) {
  json in = Least();
  EXPECT_EQ(Parse(in).spec.model.format, "");
  in["spec"]["model"]["format"] = "ONNX";
  EXPECT_EQ(Parse(in).spec.model.format, "ONNX");
  in["spec"]["model"]["format"] = 7;
  EXPECT_THAT(Parse(in).errors, Contains(FieldError{"spec.model.format", "must be a string"}));
}

TEST(Parse, PassesOverFieldsOfLaterReleases) {
  json in = Least();
  in["spec"]["autoscaling"] = {{"maxReplicas", 5}};
  in["spec"]["model"]["mirror"] = "ONNX";
  EXPECT_THAT(Parse(in).errors, IsEmpty());
}

TEST(Parse, NamesThePathOfAFieldOfTheWrongType) {
  json in = Least();
  in["spec"]["contract"] = {{"inputs", {{{"name", 7}, {"shape", {1, "x"}}}}}, {"outputs", 3}};
  const auto errors = Parse(in).errors;
  EXPECT_THAT(errors, Contains(FieldError{"spec.contract.inputs[0].name", "must be a string"}));
  EXPECT_THAT(errors, Contains(FieldError{"spec.contract.inputs[0].shape[1]", "must be a whole number"}));
  EXPECT_THAT(errors, Contains(FieldError{"spec.contract.outputs", "must be a list"}));
}

TEST(Parse, SurvivesAnythingThatIsJson) {
  for (const char* text :
       {"null", "[]", "7", "{}", R"({"metadata": 3, "spec": []})", R"({"spec": {"model": "x"}})",
        R"({"metadata": {"name": {}, "generation": "x"}, "spec": {"template": {"metadata": 1}}})",
        R"({"spec": {"model": {"uri": "file:///x"}, "template": {"env": [1, null, {}]}}})"}) {
    EXPECT_FALSE(Parse(json::parse(text)).errors.empty()) << text;
  }
}

TEST(Parse, TakesEmptyTemplateFieldsAsAbsent) {
  json in = Least();
  in["spec"]["template"] = {{"nodeSelector", json::object()}, {"env", json::array()}};
  EXPECT_TRUE(Parse(in).spec.pod_template.pod.empty());
}

TEST(Parse, ReadsAMirror) {
  const auto model = Parse(json::parse(R"({
    "metadata": {"name": "digits"},
    "spec": {"model": {"uri": "https://models.example/digits.tar"},
             "rollout": {"strategy": "Canary", "canary": {"steps": [{"weight": 0, "mirror": 20}]}}}})"));
  ASSERT_TRUE(model.errors.empty()) << model.errors.front().message;
  EXPECT_EQ(model.spec.rollout.canary->steps.at(0).weight, 0);
  EXPECT_EQ(model.spec.rollout.canary->steps.at(0).mirror, 20);
}

TEST(Parse, ReadsACanary) {
  const auto model = Parse(json::parse(R"({
    "metadata": {"name": "digits"},
    "spec": {"model": {"uri": "https://models.example/digits.tar"},
             "rollout": {"strategy": "Canary", "promote": "digits-x",
                         "canary": {"steps": [{"weight": 5, "pause": "10m"}, {"weight": 50, "pause": "UntilPromoted"}, {"weight": 100}],
                                    "sticky": {"header": "x-session-id"}, "allowRevisionHeader": true, "fallback": "Off",
                                    "stableCapacity": "Proportional",
                                    "analysis": {"minRequests": 50, "falseAbortProbability": 0.05, "maxRatio": 2,
                                                 "maxErrorRate": 0.01, "maxSlowRate": 0.1, "maxDisagreementRate": 0.02,
                                                 "latencyThresholdMilliseconds": 250}}}}})"));
  ASSERT_TRUE(model.errors.empty()) << model.errors.front().message;
  const Rollout& rollout = model.spec.rollout;
  EXPECT_EQ(rollout.strategy, "Canary");
  EXPECT_EQ(rollout.promote, "digits-x");
  ASSERT_TRUE(rollout.canary);
  ASSERT_EQ(rollout.canary->steps.size(), 3U);
  EXPECT_EQ(rollout.canary->steps[0].weight, 5);
  EXPECT_EQ(rollout.canary->steps[0].pause, std::chrono::minutes(10));
  EXPECT_TRUE(rollout.canary->steps[1].until_promoted);
  EXPECT_FALSE(rollout.canary->steps[2].until_promoted);
  EXPECT_EQ(rollout.canary->steps[2].pause, std::chrono::minutes(2));
  EXPECT_EQ(rollout.canary->session_header, "x-session-id");
  EXPECT_TRUE(rollout.canary->allow_revision_header);
  EXPECT_EQ(rollout.canary->fallback, "Off");
  EXPECT_EQ(rollout.canary->stable_capacity, "Proportional");
  EXPECT_EQ(rollout.canary->analysis.min_requests, 50);
  EXPECT_EQ(rollout.canary->analysis.false_abort_probability, 0.05);
  EXPECT_EQ(rollout.canary->analysis.max_ratio, 2);
  EXPECT_EQ(rollout.canary->analysis.max_error_rate, 0.01);
  EXPECT_EQ(rollout.canary->analysis.max_slow_rate, 0.1);
  EXPECT_EQ(rollout.canary->analysis.max_disagreement_rate, 0.02);
  EXPECT_EQ(rollout.canary->analysis.latency_threshold, std::chrono::milliseconds(250));
}

}  // namespace
}  // namespace pilotlight::api
