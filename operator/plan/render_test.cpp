#include "operator/plan/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "operator/api/parse.h"
#include "operator/plan/names.h"
#include "operator/plan/revision.h"

namespace pilotlight::plan {
namespace {

using nlohmann::json;

api::ModelDeployment Model(const json& spec) {
  return api::Parse(
      {{"metadata", {{"name", "digits"}, {"namespace", "ml"}, {"uid", "u-1"}}}, {"spec", spec}});
}

const json kLeast = {{"model", {{"uri", "https://models.example/v1.tar"}}}};

json Everything() {
  return json::parse(R"({
    "model": {"uri": "pvc://models/digits/v3.tar"},
    "contract": {"inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 64]}],
                 "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2], "labels": ["a", "b"],
                              "activation": "none"}]},
    "validation": {"absoluteTolerance": 0.001, "minimumLevel": "Answers", "timeout": "1m"},
    "warmup": {"batchSizes": [1, 8]},
    "runtime": {"threads": 2},
    "endpoint": {"timeout": "2m"},
    "replicas": 7,
    "template": {"metadata": {"labels": {"team": "vision"}, "annotations": {"note": "x"}},
                 "nodeSelector": {"disk": "ssd"}, "priorityClassName": "high",
                 "resources": {"limits": {"memory": "1Gi"}},
                 "env": [{"name": "A", "value": "b"}],
                 "volumes": [{"name": "extra", "emptyDir": {}}],
                 "volumeMounts": [{"name": "extra", "mountPath": "/extra"}],
                 "topologySpreadConstraints": [{"maxSkew": 2, "topologyKey": "zone",
                                                "whenUnsatisfiable": "DoNotSchedule"}]}})");
}

// Golden files show a reviewer what a change of the renderer does to every cluster.
// PILOTLIGHT_UPDATE_GOLDEN=1 writes them anew.
void ExpectGolden(const json& actual, const std::string& file) {
  const std::string path = std::string(PILOTLIGHT_SOURCE_DIR) + "/operator/plan/testdata/" + file;
  const std::string text = actual.dump(2) + "\n";
  if (std::getenv("PILOTLIGHT_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream in(path);
  const std::string expected((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  EXPECT_EQ(text, expected) << path;
}

json All(const json& spec) {
  const api::ModelDeployment model = Model(spec);
  EXPECT_TRUE(model.errors.empty());
  const std::string revision = RevisionName(model);
  json config = RenderConfigMap(model, revision);
  for (const char* key : {"config.json", "revision.json"}) {
    config["data"][key] = json::parse(config["data"][key].get<std::string>());
  }
  json rs = RenderReplicaSet(model, revision, "", "sidecar:1");
  rs["metadata"].erase("annotations");  // a copy of what is above
  return {config, std::move(rs), RenderService(model), RenderDisruptionBudget(model)};
}

TEST(Render, TheLeastManifestAsItAlwaysWas) {
  ExpectGolden(All(kLeast), "least.json");
}
TEST(Render, EverythingAsItAlwaysWas) {
  ExpectGolden(All(Everything()), "everything.json");
}

TEST(Render, GivesTheReplicaSetACopyFromWhichTheConfigMapIsMadeAgain) {
  const api::ModelDeployment model = Model(Everything());
  const json rs = RenderReplicaSet(model, "digits-x", "", "sidecar:1");
  const std::string copy = rs["metadata"]["annotations"][kConfigAnnotation];
  EXPECT_EQ(RestoreConfigMap(Model(kLeast), "digits-x", copy), RenderConfigMap(model, "digits-x"));
  for (const char* none : {"", "{", "{}", "[]", "null", R"({"config.json": 1})"})
    EXPECT_TRUE(RestoreConfigMap(model, "digits-x", none).is_null()) << none;
}

TEST(Render, GivesNoCopyThatAnAnnotationCannotHold) {
  json spec = kLeast;
  spec["template"]["env"] = json::array({{{"name", "A"}, {"value", std::string(200'000, 'a')}}});
  const json rs = RenderReplicaSet(Model(spec), "digits-x", "", "sidecar:1");
  EXPECT_FALSE(rs["metadata"].contains("annotations"));
}

TEST(Render, MountsTheSecretForFetchingAndTellsTheSidecarNothingOfItsName) {
  json spec = kLeast;
  spec["model"]["credentialsSecret"] = "store";
  const json all = All(spec);
  EXPECT_FALSE(all[0]["data"]["config.json"]["model"].contains("credentialsSecret"));
  const json& pod = all[1]["spec"]["template"]["spec"];
  EXPECT_THAT(pod["volumes"],
              ::testing::Contains(json{{"name", "credentials"}, {"secret", {{"secretName", "store"}}}}));
  EXPECT_THAT(
      pod["containers"][0]["volumeMounts"],
      ::testing::Contains(
          json{{"name", "credentials"}, {"mountPath", "/etc/pilotlight/credentials"}, {"readOnly", true}}));
}

TEST(Render, TellsTheSidecarWhoMustHaveSignedAndByWhichPolicy) {
  const std::string key = "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n";
  json spec = kLeast;
  spec["model"]["signature"] = {{"publicKeys", {key}}};
  const json config = All(spec)[0]["data"];
  EXPECT_EQ(config["config.json"]["model"]["signature"],
            (json{{"policy", "Require"}, {"publicKeys", {key}}}));
  EXPECT_EQ(config["revision.json"]["model"]["signature"], (json{{"publicKeys", {key}}}));
  EXPECT_FALSE(All(kLeast)[0]["data"]["config.json"]["model"].contains("signature"));
}

TEST(Render, TellsTheSidecarWhatTheModelMustBe) {
  json spec = kLeast;
  spec["model"]["format"] = "ONNX";
  const json config = All(spec)[0]["data"];
  EXPECT_EQ(config["config.json"]["model"]["format"], "ONNX");
  EXPECT_EQ(config["revision.json"]["model"]["format"], "ONNX");
  EXPECT_FALSE(All(kLeast)[0]["data"]["config.json"]["model"].contains("format"));
}

TEST(Render, BindsFromBirthWhenThePinIsKnown) {
  const api::ModelDeployment model = Model(kLeast);
  const json rs = RenderReplicaSet(model, "digits-x", "sha256:aa", "sidecar:1");
  EXPECT_EQ(rs["spec"]["template"]["metadata"]["annotations"][kDigestAnnotation], "sha256:aa");
  EXPECT_EQ(rs["spec"]["template"]["metadata"]["labels"][kTrafficLabel], kTrafficNone);
}

TEST(Render, GivesPodsTheLongestRequestAndTheDrainToEnd) {
  json spec = kLeast;
  spec["endpoint"] = {{"timeout", "5m"}};
  EXPECT_EQ(All(spec)[1]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], 325);
}

TEST(Render, SelectorsHoldWhatNeverChanges) {
  const json all = All(kLeast);
  EXPECT_FALSE(all[1]["spec"]["selector"]["matchLabels"].contains(kTrafficLabel))
      << "or promotion would orphan pods";
  EXPECT_EQ(all[2]["spec"]["selector"], ServingLabels("digits"));
  EXPECT_EQ(ServingSelector("digits"), "app.kubernetes.io/instance=digits,pilotlight.dev/traffic=service");
}

}  // namespace
}  // namespace pilotlight::plan
