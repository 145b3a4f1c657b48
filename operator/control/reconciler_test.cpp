#include "operator/control/reconciler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "operator/control/scraper.h"
#include "operator/control/testing/world.h"

namespace pilotlight::control {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Reconciling : public World, public ::testing::Test {
 protected:
  Reconciling() : World([this](const kube::HttpRequest& request) { return Answer(request); }) {}

  void See(json model) {
    const kube::JsonBuffer buffer(model.dump());
    ASSERT_TRUE(models_.Upsert("", buffer.view()));
  }
  static json Model(std::int64_t generation = 1) {
    return {{"metadata",
             {{"name", "digits"},
              {"namespace", "ml"},
              {"uid", "m"},
              {"resourceVersion", "1"},
              {"generation", generation}}},
            {"spec", {{"model", {{"uri", "file:///m.pt"}}}}}};
  }
  kube::ReconcileResult Reconcile() {
    return reconciler_.Reconcile({.key = {"ml", "digits"}, .stop = stop_.get_token(), .log = {}});
  }
  // "POST configmaps", "PATCH status", …
  std::vector<std::string> Writes() const {
    std::vector<std::string> out;
    for (const auto& request : transport_.requests()) {
      if (request.method == "GET") continue;
      std::string path = request.target.substr(0, request.target.find('?'));
      out.push_back(request.method + " " + path.substr(path.rfind('/') + 1));
    }
    return out;
  }
  json LastStatus() const {
    json status;
    for (const auto& request : transport_.requests()) {
      if (request.target.contains("/status")) status = json::parse(request.body)["status"];
    }
    return status;
  }

  kube::Result<kube::HttpResponse> Answer(const kube::HttpRequest& request) const {
    const std::string path = request.target.substr(0, request.target.find('?'));
    const auto error = errors_.find(request.method + " " + path.substr(path.rfind('/') + 1));
    if (error != errors_.end()) return std::unexpected(error->second);
    return Written();
  }

  // Answers to a method and the end of a path.
  std::map<std::string, kube::Error> errors_;

  Scraper scraper_{{}, clock_};
  Performer performer_{client_, events_, gate_, stores_, resources_};
  Reconciler reconciler_{stores_, performer_, scraper_, gate_, {.sidecar_image = "sidecar:1"}, clock_};
  std::stop_source stop_;
};

TEST_F(Reconciling, WritesTheStatusThenTheChildrenInOrder) {
  See(Model());
  const auto result = Reconcile();
  EXPECT_THAT(Writes(), ElementsAre("PATCH status", "POST configmaps", "POST replicasets", "POST services"));
  EXPECT_EQ(result.kind, kube::ReconcileResult::Kind::RequeueAfter) << "for the deadline";
}

TEST_F(Reconciling, StopsAtTheFirstFailureAndComesBackAsTheServerSays) {
  See(Model());
  auto busy = kube::StatusError(429, "TooManyRequests");
  busy.retry_after = std::chrono::seconds(7);
  errors_["POST replicasets"] = busy;
  const auto result = Reconcile();
  EXPECT_THAT(Writes(), ElementsAre("PATCH status", "POST configmaps", "POST replicasets"));
  EXPECT_EQ(result.kind, kube::ReconcileResult::Kind::Error);
  EXPECT_EQ(result.after, std::chrono::seconds(7));
}

TEST_F(Reconciling, MakesNoChildBeforeTheStatusIsWritten) {
  See(Model());
  errors_["PATCH status"] = kube::StatusError(500, "InternalError");
  EXPECT_EQ(Reconcile().kind, kube::ReconcileResult::Kind::Error);
  EXPECT_THAT(Writes(), ElementsAre("PATCH status"));
}

TEST_F(Reconciling, SaysInTheStatusWhatTimeDoesNotMend) {
  See(Model());
  errors_["POST replicasets"] = kube::StatusError(422, "Invalid", "volumes[3].name: Duplicate value");
  EXPECT_EQ(Reconcile().kind, kube::ReconcileResult::Kind::RequeueAfter) << "at once, to say it";
  EXPECT_EQ(Reconcile().kind, kube::ReconcileResult::Kind::Error) << "then ever more slowly";
  EXPECT_THAT(LastStatus()["rollout"]["message"].get<std::string>(), HasSubstr("Duplicate value"));
  // Another spec is another matter.
  errors_.clear();
  See(Model(2));
  Reconcile();
  EXPECT_EQ(LastStatus()["rollout"]["reason"], "Starting");
}

TEST_F(Reconciling, SaysWhenAProblemIsOver) {
  See(Model());
  errors_["POST replicasets"] = kube::StatusError(403, "Forbidden");
  Reconcile();
  Reconcile();
  EXPECT_EQ(LastStatus()["rollout"]["reason"], "Forbidden");
  errors_.clear();
  EXPECT_EQ(Reconcile().kind, kube::ReconcileResult::Kind::RequeueAfter);
  Reconcile();
  EXPECT_EQ(LastStatus()["rollout"]["reason"], "Starting");
}

TEST_F(Reconciling, DoesNothingForWhatIsGoneOrGoing) {
  EXPECT_EQ(Reconcile().kind, kube::ReconcileResult::Kind::Done);
  json model = Model();
  model["metadata"]["deletionTimestamp"] = "2026-11-23T21:40:00Z";
  See(model);
  EXPECT_EQ(Reconcile().kind, kube::ReconcileResult::Kind::Done);
  EXPECT_THAT(Writes(), IsEmpty());
}

TEST_F(Reconciling, StopsBeforeTheNextWriteWhenTold) {
  See(Model());
  stop_.request_stop();
  Reconcile();
  for (const std::string& write : Writes()) EXPECT_EQ(write, "PATCH status");
}

TEST_F(Reconciling, TakesNothingForItsOwnThatAnotherOwns) {
  See(Model());
  const kube::JsonBuffer buffer(
      R"({"metadata": {"name": "digits", "namespace": "ml", "uid": "s", "resourceVersion": "3",
      "labels": {"app.kubernetes.io/instance": "digits", "app.kubernetes.io/managed-by": "pilotlight"},
      "ownerReferences": [{"kind": "ModelDeployment", "name": "digits", "uid": "former", "controller": true}]}})");
  ASSERT_TRUE(services_.Upsert("", buffer.view()));
  Reconcile();
  EXPECT_THAT(Writes(), ::testing::Contains("POST services")) << "to learn whose it is";
}

}  // namespace
}  // namespace pilotlight::control
