#include "operator/plan/revision.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "operator/api/parse.h"
#include "operator/api/testing/yaml.h"

namespace pilotlight::plan {
namespace {

using nlohmann::json;

std::string Name(const json& spec) {
  return RevisionName(api::Parse({{"metadata", {{"name", "m"}}}, {"spec", spec}}));
}

const json kLeastSpec = {{"model", {{"uri", "https://models.example/v1.tar"}}}};

json With(const char* patch) {
  json spec = kLeastSpec;
  spec.merge_patch(json::parse(patch));
  return spec;
}

TEST(Revision, NamesAreThoseThatTheyHaveAlwaysBeen) {
  const json rows =
      api::testing::LoadYaml(api::testing::RepositoryFile("operator/plan/testdata/revisions.yaml"));
  ASSERT_GE(rows.size(), 8U);
  for (const json& row : rows) EXPECT_EQ(Name(row["spec"]), row["name"].get<std::string>()) << row["spec"];
}

TEST(Revision, FieldsAtTheirDefaultChangeNoName) {
  for (const char* patch : {
           R"({"validation": {"minimumLevel": "Loaded", "timeout": "5m", "recheckInterval": "600s"}})",
           R"({"validation": {"timeout": "300s"}})",
           R"({"warmup": {"timeout": "5m"}})",
           R"({"endpoint": {"maxRequestBytes": 16777216, "timeout": "30s"}})",
           R"({"validation": {}, "warmup": {}, "runtime": {}, "endpoint": {}, "template": {"metadata": {}}})",
           R"({"template": {"nodeSelector": {}, "env": []}})",
       }) {
    EXPECT_EQ(Name(With(patch)), Name(kLeastSpec)) << patch;
  }
  const std::string is_signed = Name(With(R"({"model": {"signature": {"publicKeys": ["a"]}}})"));
  EXPECT_EQ(Name(With(R"({"model": {"signature": {"policy": "Require", "publicKeys": ["a"]}}})")), is_signed);
  for (const char* patch : {R"({"model": {"signature": {"policy": "Warn", "publicKeys": ["a"]}}})",
                            R"({"model": {"signature": {"publicKeys": ["a", "b"]}}})",
                            R"({"model": {"signature": {"publicKeys": ["a"], "uri": "file:///s"}}})"}) {
    EXPECT_NE(Name(With(patch)), is_signed) << patch;
  }
  EXPECT_EQ(Name(With(R"({"contract": {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1]}],
                          "outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "labels": ["a"]}]}})")),
            Name(With(R"({"contract": {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1]}],
                          "outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "labels": ["a"],
                                       "activation": "softmax"}]}})")));
}

TEST(Revision, WhatAppliesAtOnceChangesNoName) {
  for (const char* patch : {R"({"replicas": 5})", R"({"rollout": {"retry": "x", "progressDeadline": "1h"}})",
                            R"({"aFieldOfALaterRelease": 1})"}) {
    EXPECT_EQ(Name(With(patch)), Name(kLeastSpec)) << patch;
  }
}

TEST(Revision, EverythingThatAPodReadsChangesTheName) {
  for (const char* patch : {
           R"({"model": {"uri": "https://models.example/v2.tar"}})",
           R"({"model": {"digest": "sha256:00"}})",
           R"({"model": {"credentialsSecret": "store"}})",
           R"({"model": {"format": "TorchScript"}})",
           R"({"model": {"signature": {"publicKeys": ["a"]}}})",
           R"({"model": {"signature": {"policy": "Off"}}})",
           R"({"contract": {"inputs": [], "outputs": []}})",
           R"({"validation": {"absoluteTolerance": 0}})",
           R"({"validation": {"relativeTolerance": 0.5}})",
           R"({"validation": {"minimumLevel": "Answers"}})",
           R"({"validation": {"timeout": "6m"}})",
           R"({"validation": {"recheckInterval": "0s"}})",
           R"({"validation": {"recheckInterval": "1m"}})",
           R"({"warmup": {"batchSizes": [1]}})",
           R"({"warmup": {"timeout": "6m"}})",
           R"({"runtime": {"threads": 1}})",
           R"({"endpoint": {"maxRequestBytes": 2048}})",
           R"({"endpoint": {"timeout": "31s"}})",
           R"({"template": {"metadata": {"labels": {"a": "b"}}}})",
           R"({"template": {"metadata": {"annotations": {"a": "b"}}}})",
           R"({"template": {"nodeSelector": {"a": "b"}}})",
           R"({"template": {"tolerations": [{"key": "a"}]}})",
           R"({"template": {"affinity": {"a": {}}}})",
           R"({"template": {"resources": {"limits": {"cpu": 1}}}})",
           R"({"template": {"env": [{"name": "A"}]}})",
           R"({"template": {"volumes": [{"name": "a"}]}})",
           R"({"template": {"volumeMounts": [{"name": "a", "mountPath": "/a"}]}})",
           R"({"template": {"imagePullSecrets": [{"name": "a"}]}})",
           R"({"template": {"priorityClassName": "a"}})",
           R"({"template": {"topologySpreadConstraints": [{}]}})",
       }) {
    EXPECT_NE(Name(With(patch)), Name(kLeastSpec)) << patch;
  }
}

TEST(Revision, TheOrderOfKeysChangesNoName) {
  EXPECT_EQ(
      Name(json::parse(R"({"model": {"uri": "file:///a", "digest": "d"}, "runtime": {"threads": 1}})")),
      Name(json::parse(R"({"runtime": {"threads": 1}, "model": {"digest": "d", "uri": "file:///a"}})")));
}

TEST(Revision, NamesAreLabels) {
  const std::string name = Name(kLeastSpec);
  EXPECT_EQ(name.size(), 12U);
  EXPECT_EQ(name.substr(2).find_first_not_of("bcdfghjklmnpqrstvwxz2456789"), std::string::npos);
}

}  // namespace
}  // namespace pilotlight::plan
