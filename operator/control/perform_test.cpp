#include "operator/control/perform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "operator/control/testing/world.h"
#include "operator/plan/render.h"

namespace pilotlight::control {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class Performing : public World, public ::testing::Test {
 protected:
  Performing() : World([this](const kube::HttpRequest& request) { return Answer(request); }) {
    model_.name = "digits";
    model_.ns = "ml";
    model_.uid = "model-uid";
  }

  std::expected<void, PerformError> Perform(const plan::Action& action) {
    Performer performer(client_, events_, gate_, stores_, resources_);
    return performer.Perform(model_, action, {});
  }
  plan::Create CreateService() { return {plan::Kind::kService, "digits", plan::RenderService(model_)}; }

  kube::Result<kube::HttpResponse> Answer(const kube::HttpRequest& request) const {
    if (error_) return std::unexpected(*error_);
    if (request.method == "POST" && existing_)
      return std::unexpected(kube::StatusError(409, "AlreadyExists"));
    if (request.method == "GET") return kube::HttpResponse{200, existing_.value_or(json::object()).dump()};
    return Written();
  }

  // What is there, as `GET` answers; a POST of its name then says AlreadyExists.
  std::optional<json> existing_;
  std::optional<kube::Error> error_;

  api::ModelDeployment model_;
};

json Existing(const std::string& owner_name, const std::string& owner_uid, bool our_labels) {
  json out = {
      {"metadata", {{"name", "digits"}, {"namespace", "ml"}, {"uid", "live"}, {"resourceVersion", "5"}}}};
  if (our_labels) {
    out["metadata"]["labels"] = {{"app.kubernetes.io/managed-by", "pilotlight"},
                                 {"app.kubernetes.io/instance", "digits"}};
  }
  if (!owner_uid.empty()) {
    out["metadata"]["ownerReferences"] = json::array(
        {{{"kind", "ModelDeployment"}, {"name", owner_name}, {"uid", owner_uid}, {"controller", true}}});
  }
  return out;
}

TEST_F(Performing, CreatesWithTheServersVersionOfTheResource) {
  ASSERT_TRUE(
      Perform(plan::Create{plan::Kind::kDisruptionBudget, "digits", plan::RenderDisruptionBudget(model_)}));
  const auto requests = transport_.requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].method, "POST");
  EXPECT_THAT(requests[0].target, HasSubstr("/apis/policy/v1beta1/namespaces/ml/poddisruptionbudgets"));
  EXPECT_EQ(json::parse(requests[0].body)["apiVersion"], "policy/v1beta1");
}

TEST_F(Performing, ANameTakenByOurselvesIsFine) {
  existing_ = Existing("digits", "model-uid", true);
  EXPECT_TRUE(Perform(CreateService()));
}

TEST_F(Performing, ANameTakenByADeletedNamesakeIsWaitedFor) {
  existing_ = Existing("digits", "former-uid", true);
  const auto result = Perform(CreateService());
  ASSERT_FALSE(result);
  ASSERT_TRUE(result.error().problem);
  EXPECT_EQ(result.error().problem->reason, "WaitingForDeletion");
  EXPECT_FALSE(result.error().problem->final);
}

TEST_F(Performing, ANameTakenByWhatIsBeingDeletedIsWaitedFor) {
  existing_ = Existing("digits", "model-uid", true);
  (*existing_)["metadata"]["deletionTimestamp"] = "2026-11-23T21:40:00Z";
  EXPECT_EQ(Perform(CreateService()).error().problem->reason, "WaitingForDeletion");
}

TEST_F(Performing, ANameTakenBySomebodyElseIsNeverSeized) {
  for (const json& other :
       {Existing("", "", false), Existing("other", "other-uid", true), Existing("digits", "x", false)}) {
    existing_ = other;
    const auto result = Perform(CreateService());
    ASSERT_FALSE(result) << other;
    EXPECT_EQ(result.error().problem->reason, "NameConflict");
    EXPECT_TRUE(result.error().problem->final);
  }
  for (const auto& request : transport_.requests()) EXPECT_NE(request.method, "PATCH");
}

TEST_F(Performing, AnOrphanOfOursIsAdoptedInTheVersionThatWasRead) {
  existing_ = Existing("", "", true);
  ASSERT_TRUE(Perform(CreateService()));
  const auto requests = transport_.requests();
  ASSERT_EQ(requests.back().method, "PATCH");
  const json body = json::parse(requests.back().body);
  EXPECT_EQ(body["metadata"]["uid"], "live");
  EXPECT_EQ(body["metadata"]["resourceVersion"], "5");
  EXPECT_EQ(body["metadata"]["ownerReferences"][0]["uid"], "model-uid");
  EXPECT_FALSE(body.contains("spec"));
}

TEST_F(Performing, ChangesOfAReplicaSetNameItsUidAndOnlyWhatEverChanges) {
  ASSERT_TRUE(Perform(plan::ChangeReplicaSet{"digits-x", "rs-uid", 3, "service", "sha256:aa"}));
  const auto requests = transport_.requests();
  EXPECT_EQ(json::parse(requests[0].body), json::parse(R"({
    "apiVersion": "apps/v1", "kind": "ReplicaSet",
    "metadata": {"name": "digits-x", "namespace": "ml", "uid": "rs-uid"},
    "spec": {"replicas": 3, "template": {"metadata": {"labels": {"pilotlight.dev/traffic": "service"},
                                                      "annotations": {"pilotlight.dev/digest": "sha256:aa"}}}}})"));
}

TEST_F(Performing, APodIsLabelledOnlyAsItWasSeen) {
  ASSERT_TRUE(Perform(plan::LabelPod{"digits-x-1", "pod-uid", "77", "service", "sha256:aa"}));
  const json metadata = json::parse(transport_.requests()[0].body)["metadata"];
  EXPECT_EQ(metadata["uid"], "pod-uid");
  EXPECT_EQ(metadata["resourceVersion"], "77");
  EXPECT_EQ(metadata["annotations"]["pilotlight.dev/digest"], "sha256:aa");
}

TEST_F(Performing, WhatIsGoneAlreadyIsDeleted) {
  error_ = kube::StatusError(404, "NotFound");
  EXPECT_TRUE(Perform(plan::Delete{plan::Kind::kPod, "p", "uid", {}}));
  error_ = kube::StatusError(409, "Conflict");
  EXPECT_TRUE(Perform(plan::Delete{plan::Kind::kPod, "p", "uid", {}})) << "the name is another pod's by now";
  error_ = kube::StatusError(500, "InternalError");
  EXPECT_FALSE(Perform(plan::Delete{plan::Kind::kPod, "p", "uid", {}}));
}

TEST_F(Performing, WhatHasChangedSinceIsNotDeleted) {
  error_ = kube::StatusError(409, "Conflict");
  EXPECT_FALSE(Perform(plan::Delete{plan::Kind::kReplicaSet, "digits-x", "uid", "77"}));
  const json sent = json::parse(transport_.requests()[0].body);
  EXPECT_EQ(sent["preconditions"], json({{"uid", "uid"}, {"resourceVersion", "77"}}));
}

TEST_F(Performing, OnlyWhatTimeDoesNotMendGoesIntoTheStatus) {
  error_ = kube::StatusError(422, "Invalid", "spec.template.spec.volumes[3].name: Duplicate value");
  const auto invalid = Perform(CreateService());
  ASSERT_TRUE(invalid.error().problem);
  EXPECT_EQ(invalid.error().problem->reason, "ObjectRefused");
  EXPECT_THAT(invalid.error().problem->message, HasSubstr("Duplicate value"));
  error_ = kube::StatusError(403, "Forbidden");
  EXPECT_EQ(Perform(CreateService()).error().problem->reason, "Forbidden");
  for (const int code : {429, 500, 503, 504}) {
    error_ = kube::StatusError(code, "x");
    EXPECT_FALSE(Perform(CreateService()).error().problem) << code;
  }
}

TEST_F(Performing, TheStatusIsAppliedByAManagerOfItsOwn) {
  Performer performer(client_, events_, gate_, stores_, resources_);
  api::Status status;
  status.observed_generation = 3;
  ASSERT_TRUE(performer.WriteStatus(model_, status, {}));
  const auto requests = transport_.requests();
  EXPECT_THAT(requests[0].target, HasSubstr("/modeldeployments/digits/status"));
  EXPECT_THAT(requests[0].target, HasSubstr("fieldManager=pilotlight-status"));
  const json body = json::parse(requests[0].body);
  EXPECT_EQ(body["metadata"]["uid"], "model-uid");
  EXPECT_EQ(body["status"]["observedGeneration"], 3);
  EXPECT_FALSE(body.contains("spec"));
}

TEST_F(Performing, TheNextReconcileWaitsForTheWriteToBeSeen) {
  ASSERT_TRUE(Perform(plan::ChangeReplicaSet{"digits-x", "rs-uid", 3, "service", "sha256:aa"}));
  EXPECT_FALSE(gate_.Open({"ml", "digits"}));
}

}  // namespace
}  // namespace pilotlight::control
