#include "operator/control/reconciler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "common/http/message.h"
#include "common/http/server.h"
#include "common/text/base64.h"
#include "operator/control/operator_key.h"
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
    if (request.method == "GET") return kube::HttpResponse{200, json{{"metadata", there_}}.dump()};
    return Written();
  }

  // Answers to a method and the end of a path.
  std::map<std::string, kube::Error> errors_;
  // The metadata of what a GET finds.
  json there_ = json::object();

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

TEST_F(Reconciling, ConflictsAreTriedAgainSoonAndAreFailuresIfTheyLast) {
  See(Model());
  errors_["PATCH status"] = kube::StatusError(409, "Conflict", "the object has been modified");
  const auto expect = [this](kube::ReconcileResult::Kind kind) { EXPECT_EQ(Reconcile().kind, kind); };
  expect(kube::ReconcileResult::Kind::RequeueAfter);
  clock_.Advance(std::chrono::seconds(9));
  expect(kube::ReconcileResult::Kind::RequeueAfter);
  clock_.Advance(std::chrono::seconds(1));
  expect(kube::ReconcileResult::Kind::Error);
  const auto refused = std::exchange(errors_, {});
  Reconcile();
  errors_ = refused;
  expect(kube::ReconcileResult::Kind::RequeueAfter);
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

TEST_F(Reconciling, DecidesNothingWhileTheStableRevisionIsThereAndNotSeen) {
  json model = Model();
  model["status"] = {{"stableRevision", "digits-one"}, {"observedGeneration", 1}};
  See(model);
  const json stable = {
      {"name", "digits-one"},
      {"uid", "r"},
      {"resourceVersion", "3"},
      {"labels", {{"app.kubernetes.io/instance", "digits"}, {"app.kubernetes.io/managed-by", "pilotlight"}}},
      {"ownerReferences",
       json::array({{{"kind", "ModelDeployment"}, {"name", "digits"}, {"uid", "m"}, {"controller", true}}})}};
  there_ = stable;
  EXPECT_EQ(Reconcile().kind, kube::ReconcileResult::Kind::RequeueAfter);
  EXPECT_THAT(Writes(), IsEmpty());
  clock_.Advance(std::chrono::seconds(10));
  EXPECT_THAT(Reconcile().error, HasSubstr("ReplicaSet digits-one is there, and its watch has not shown it"));
  EXPECT_THAT(Writes(), IsEmpty());
  for (const char* change : {R"({"deletionTimestamp": "2026-11-23T21:40:00Z"})", R"({"labels": null})",
                             R"({"ownerReferences": null})"}) {
    SCOPED_TRACE(change);
    there_ = stable;
    there_.merge_patch(json::parse(change));
    const std::size_t before = Writes().size();
    Reconcile();
    EXPECT_GT(Writes().size(), before);
  }
}

TEST_F(Reconciling, GoesOnWithoutAStableRevisionThatIsGone) {
  json model = Model();
  model["status"] = {{"stableRevision", "digits-one"}, {"observedGeneration", 1}};
  See(model);
  errors_["GET digits-one"] = kube::StatusError(503, "ServiceUnavailable");
  EXPECT_EQ(Reconcile().kind, kube::ReconcileResult::Kind::Error);
  EXPECT_THAT(Writes(), IsEmpty()) << "nobody knows";
  errors_["GET digits-one"] = kube::StatusError(404, "NotFound");
  Reconcile();
  EXPECT_THAT(Writes(), ::testing::Contains("PATCH status"));
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

// Orders end at a sidecar on loopback.
class Ordering : public Reconciling {
 protected:
  Ordering() : server_("127.0.0.1:0", [this](const http::Request& request) { return Sidecar(request); }) {
    See(Model());
    const kube::JsonBuffer pod(R"({"metadata": {"name": "digits-1-x", "namespace": "ml", "uid": "p1",
      "resourceVersion": "5", "labels": {"app.kubernetes.io/instance": "digits",
      "app.kubernetes.io/managed-by": "pilotlight"}}, "status": {"podIP": "127.0.0.1", "phase": "Running"}})");
    EXPECT_TRUE(pods_.Upsert("", pod.view()));
  }

  http::Response Sidecar(const http::Request& request) {
    const std::scoped_lock lock(mutex_);
    if (request.method == "GET") return {.body = R"({"podUID": "p1"})"};
    const json envelope = json::parse(request.body);
    told_.push_back(json::parse(DecodeBase64(envelope["payload"].get<std::string>()).value())["epoch"]);
    writes_before_ = Writes().size();
    changed_.notify_all();
    return {.body = "{}"};
  }
  static std::uint16_t Started(http::Server& server) {
    const auto started = server.start();
    EXPECT_TRUE(started) << started.error();
    return server.port();
  }
  // One action, then one order.
  plan::Decision Decision(const plan::Observed& seen) const {
    plan::Decision decision;
    decision.probe = {seen.pods.at(0).meta.uid};
    decision.actions = {plan::Create{plan::Kind::kConfigMap, "x", {{"metadata", {{"name", "x"}}}}}};
    decision.orders = {
        {.pod_uid = "p1", .revision = "r", .call = "PUT /split", .epoch = epoch_, .body = json::object()}};
    return decision;
  }
  bool AwaitOrder() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [this] { return !told_.empty(); });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::int64_t> told_;
  std::size_t writes_before_ = 0;
  std::int64_t epoch_ = 1;
  http::Server server_;
  Scraper teller_{
      {.port = Started(server_), .key = std::make_shared<const OperatorKey>(OperatorKey::Make().value())},
      clock_};
  Reconciler ordering_{stores_,
                       performer_,
                       teller_,
                       gate_,
                       {.sidecar_image = "sidecar:1"},
                       clock_,
                       [this](const plan::Observed& seen) { return Decision(seen); }};
};

TEST_F(Ordering, SidecarsAreToldWhenAllElseIsDoneAndNotIfItFailed) {
  errors_["POST configmaps"] = kube::StatusError(500, "InternalError");
  ordering_.Reconcile({.key = {"ml", "digits"}, .stop = stop_.get_token(), .log = {}});
  errors_.clear();
  epoch_ = 2;
  ordering_.Reconcile({.key = {"ml", "digits"}, .stop = stop_.get_token(), .log = {}});
  ASSERT_TRUE(AwaitOrder());
  const std::scoped_lock lock(mutex_);
  EXPECT_THAT(told_, ElementsAre(2));
  EXPECT_EQ(writes_before_, 2U) << "the one that failed, and the one that did not";
}

}  // namespace
}  // namespace pilotlight::control
