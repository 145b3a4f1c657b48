#include "operator/kube/requests.h"

#include <gmock/gmock.h>

namespace pilotlight::kube {
namespace {

using testing::Contains;
using testing::Pair;

const Resource kModels{"pilotlight.dev", "v1alpha1", "modeldeployments", "ModelDeployment", true};

TEST(Requests, CoreResourcesLiveUnderApiAndOthersUnderApis) {
  EXPECT_EQ(GetRequest(Pods(), {"ns", "p"}).target, "/api/v1/namespaces/ns/pods/p");
  EXPECT_EQ(GetRequest(ReplicaSets(), {"ns", "r"}).target, "/apis/apps/v1/namespaces/ns/replicasets/r");
  EXPECT_EQ(GetRequest({"", "v1", "nodes", "Node", false}, {"", "n"}).target, "/api/v1/nodes/n");
}

TEST(Requests, NamesCannotLeaveTheirPlaceInThePath) {
  EXPECT_EQ(GetRequest(Pods(), {"a/b", "../x?y"}).target, "/api/v1/namespaces/a%2Fb/pods/..%2Fx%3Fy");
}

TEST(Requests, AListNamesSelectorLimitAndVersion) {
  const auto request =
      ListRequest(Pods(), "", {.label_selector = "a=b,c in (d)", .resource_version = "0", .limit = 500});
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.target,
            "/api/v1/pods?labelSelector=a%3Db%2Cc%20in%20%28d%29&limit=500&resourceVersion=0");
}

TEST(Requests, AListWithoutAVersionIsAQuorumRead) {
  EXPECT_EQ(ListRequest(Pods(), "ns", {}).target, "/api/v1/namespaces/ns/pods");
}

TEST(Requests, AContinuedListDoesNotNameTheVersionAgain) {
  EXPECT_EQ(ListRequest(Pods(), "", {.resource_version = "0", .limit = 5, .continue_token = "t="}).target,
            "/api/v1/pods?limit=5&continue=t%3D");
}

TEST(Requests, AWatchAsksForBookmarksAndAnEnd) {
  EXPECT_EQ(
      WatchRequest(kModels, "ns", {.resource_version = "42", .timeout = std::chrono::seconds(301)}).target,
      "/apis/pilotlight.dev/v1alpha1/namespaces/ns/modeldeployments"
      "?watch=true&allowWatchBookmarks=true&resourceVersion=42&timeoutSeconds=301");
}

TEST(Requests, ApplyIsServerSideAndForcedUnderOurName) {
  const auto request =
      ApplyRequest(kModels, {"ns", "m"}, "{}", {.subresource = "status", .field_manager = "other"});
  EXPECT_EQ(request.method, "PATCH");
  EXPECT_EQ(
      request.target,
      "/apis/pilotlight.dev/v1alpha1/namespaces/ns/modeldeployments/m/status?fieldManager=other&force=true");
  EXPECT_THAT(request.headers, Contains(Pair("Content-Type", "application/apply-patch+yaml")));
  EXPECT_THAT(ApplyRequest(kModels, {"ns", "m"}, "{}", {.force = false}).target,
              testing::EndsWith("/m?fieldManager=pilotlight&force=false"));
}

TEST(Requests, AMergePatchSaysWhatItIs) {
  const auto request = MergePatchRequest(Pods(), {"ns", "p"}, R"({"a":1})");
  EXPECT_EQ(request.method, "PATCH");
  EXPECT_EQ(request.body, R"({"a":1})");
  EXPECT_THAT(request.headers, Contains(Pair("Content-Type", "application/merge-patch+json")));
}

TEST(Requests, ADeletionNamesWhatItMeans) {
  const auto request = DeleteRequest(Pods(), {"ns", "p"}, {.uid = "u", .resource_version = "7"});
  EXPECT_EQ(request.method, "DELETE");
  EXPECT_EQ(request.target, "/api/v1/namespaces/ns/pods/p");
  EXPECT_EQ(request.body,
            R"({"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"resourceVersion":"7",)"
            R"("uid":"u"},"propagationPolicy":"Background"})");
}

TEST(Requests, CreateAndReplaceSendTheWholeObject) {
  EXPECT_EQ(CreateRequest(Pods(), "ns", "{}").method, "POST");
  EXPECT_EQ(CreateRequest(Pods(), "ns", "{}").target, "/api/v1/namespaces/ns/pods?fieldManager=pilotlight");
  EXPECT_EQ(ReplaceRequest(Leases(), {"ns", "l"}, "{}").method, "PUT");
}

}  // namespace
}  // namespace pilotlight::kube
