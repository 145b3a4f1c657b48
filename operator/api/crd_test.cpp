#include <gtest/gtest.h>

#include <set>
#include <string>

#include "operator/api/duration.h"
#include "operator/api/model_deployment.h"
#include "operator/api/testing/yaml.h"

namespace pilotlight::api {
namespace {

using nlohmann::json;

json WithoutCel(json node) {
  if (node.is_object()) node.erase("x-kubernetes-validations");
  for (json& item : node) {
    if (item.is_structured()) item = WithoutCel(std::move(item));
  }
  return node;
}

const json& Crd() {
  static const json crd = testing::LoadYaml(testing::RepositoryFile("crds/modeldeployments.yaml"));
  return crd;
}
const json& Schema() {
  return Crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
}
const json& Default(const std::string& pointer) {
  return Schema().at(json::json_pointer(pointer + "/default"));
}

// Calls `visit` with each schema below `schema` and its path.
template <typename F>
void Walk(const json& schema, const std::string& path, F visit) {
  visit(schema, path);
  if (schema.contains("properties")) {
    for (const auto& [name, child] : schema["properties"].items()) Walk(child, path + "." + name, visit);
  }
  for (const char* key : {"items", "additionalProperties"}) {
    if (schema.contains(key)) Walk(schema[key], path + "[]", visit);
  }
}

TEST(Crd, TheOneForOldServersDiffersOnlyInCel) {
  const json old = testing::LoadYaml(testing::RepositoryFile("crds/modeldeployments-no-cel.yaml"));
  EXPECT_EQ(old, WithoutCel(Crd())) << "run crds/without-cel >crds/modeldeployments-no-cel.yaml";
  EXPECT_NE(old, Crd());
}

// All but `metadata`: the API server refuses a schema that says anything of it but the name.
TEST(Crd, DescribesEveryField) {
  Walk(Schema(), "", [](const json& schema, const std::string& path) {
    if (path == ".metadata" || path == "metadata") return;
    EXPECT_FALSE(schema.value("description", "").empty()) << path;
  });
}

TEST(Crd, BoundsEveryListAndEveryTextOfSpecSoThatCelIsCheap) {
  Walk(Schema()["properties"]["spec"], "spec", [](const json& schema, const std::string& path) {
    const std::string type = schema.value("type", "");
    if (type == "array") {
      EXPECT_TRUE(schema.contains("maxItems")) << path;
    }
    if (type == "string") {
      EXPECT_TRUE(schema.contains("maxLength") || schema.contains("enum")) << path;
    }
    if (type == "object" && schema.contains("additionalProperties")) {
      EXPECT_TRUE(schema.contains("maxProperties")) << path;
    }
  });
}

TEST(Crd, ItsDefaultsAreThoseOfTheCode) {
  const Spec spec;
  const std::string base = "/properties/spec/properties";
  EXPECT_EQ(Default(base + "/replicas"), spec.replicas);
  EXPECT_EQ(Default(base + "/model/properties/signature/properties/policy"), Signature().policy);
  EXPECT_EQ(Default(base + "/validation/properties/minimumLevel"), spec.validation.minimum_level);
  EXPECT_EQ(Default(base + "/validation/properties/timeout"), FormatDuration(spec.validation.timeout));
  EXPECT_EQ(Default(base + "/validation/properties/recheckInterval"),
            FormatDuration(spec.validation.recheck_interval));
  EXPECT_EQ(Default(base + "/warmup/properties/timeout"), FormatDuration(spec.warmup.timeout));
  EXPECT_EQ(Default(base + "/endpoint/properties/timeout"), FormatDuration(spec.endpoint.timeout));
  EXPECT_EQ(Default(base + "/endpoint/properties/maxRequestBytes"), spec.endpoint.max_request_bytes);
  EXPECT_EQ(Default(base + "/rollout/properties/progressDeadline"),
            FormatDuration(spec.rollout.progress_deadline));
  const std::string rolling_update = base + "/rollout/properties/rollingUpdate/properties";
  EXPECT_TRUE(spec.rollout.max_surge.percent);
  EXPECT_EQ(Default(rolling_update + "/maxSurge"), std::to_string(spec.rollout.max_surge.value) + "%");
  EXPECT_FALSE(spec.rollout.max_unavailable.percent);
  EXPECT_EQ(Default(rolling_update + "/maxUnavailable"), spec.rollout.max_unavailable.value);
  EXPECT_EQ(Default(base + "/rollout/properties/strategy"), spec.rollout.strategy);
  const std::string canary = base + "/rollout/properties/canary/properties";
  EXPECT_EQ(Default(canary + "/fallback"), Canary().fallback);
  EXPECT_EQ(Default(canary + "/stableCapacity"), Canary().stable_capacity);
  EXPECT_EQ(Default(canary + "/steps/items/properties/pause"), FormatDuration(CanaryStep().pause));
  const std::string analysis = canary + "/analysis/properties";
  EXPECT_EQ(Default(analysis + "/minRequests"), Analysis().min_requests);
  EXPECT_EQ(Default(analysis + "/falseAbortProbability"), Analysis().false_abort_probability);
  EXPECT_EQ(Default(analysis + "/maxRatio"), Analysis().max_ratio);

  std::set<std::string> defaulted;
  Walk(Schema()["properties"]["spec"], "spec", [&](const json& schema, const std::string& path) {
    if (schema.contains("default")) defaulted.insert(path);
  });
  EXPECT_EQ(defaulted.size(), 18U) << "a new default needs its C++ value, or revisions get new names";
}

TEST(Crd, HasEveryTemplateFieldThatTheCodeReads) {
  const json& fields = Schema()["properties"]["spec"]["properties"]["template"]["properties"];
  std::set<std::string> in_crd;
  for (const auto& [name, schema] : fields.items()) in_crd.insert(name);
  std::set<std::string> in_code = {"metadata"};
  in_code.insert(std::begin(kTemplateFields), std::end(kTemplateFields));
  EXPECT_EQ(in_crd, in_code);
}

TEST(Crd, NamesTheResourceAsTheCodeDoes) {
  EXPECT_EQ(Crd()["metadata"]["name"], std::string(kPlural) + "." + kGroup);
  EXPECT_EQ(Crd()["spec"]["names"]["kind"], kKind);
  EXPECT_EQ(Crd()["spec"]["versions"][0]["name"], kVersion);
  EXPECT_EQ(std::string(kApiVersion), std::string(kGroup) + "/" + kVersion);
}

}  // namespace
}  // namespace pilotlight::api
