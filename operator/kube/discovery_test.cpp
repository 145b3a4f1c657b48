#include "operator/kube/discovery.h"

#include <gtest/gtest.h>

#include <array>

#include "operator/kube/client.h"
#include "operator/kube/testing/scripted_transport.h"

namespace pilotlight::kube {
namespace {

constexpr std::array<std::string_view, 2> kUnderstood{"v1", "v1beta1"};

// As recorded from a 1.20 server (policy without v1) and a 1.21 one (both).
class DiscoveryTest : public testing::Test {
 protected:
  Result<HttpResponse> Answer(const std::string& target) const {
    if (target == "/apis/policy") {
      return HttpResponse{200,
                          v1_ ? R"({"kind":"APIGroup","versions":[{"groupVersion":"policy/v1","version":"v1"},
                                        {"groupVersion":"policy/v1beta1","version":"v1beta1"}]})"
                              : R"({"kind":"APIGroup","versions":[{"version":"v1beta1"}]})"};
    }
    if (target == "/apis/policy/v1" || target == "/apis/policy/v1beta1") {
      return HttpResponse{200, R"({"kind":"APIResourceList","resources":[
        {"name":"poddisruptionbudgets","singularName":"","namespaced":true,"kind":"PodDisruptionBudget"},
        {"name":"poddisruptionbudgets/status","namespaced":true,"kind":"PodDisruptionBudget"}]})"};
    }
    if (target == "/api/v1") {
      return HttpResponse{200, R"({"resources":[{"name":"nodes","namespaced":false,"kind":"Node"}]})"};
    }
    return std::unexpected(StatusError(broken_ ? 503 : 404, "NotFound"));
  }
  Result<ServedApis> Ask(std::vector<std::string_view> groups) {
    ScriptedTransport transport([this](const HttpRequest& request) { return Answer(request.target); });
    Client client(transport);
    return Discover(client, groups, {});
  }
  bool v1_ = true;
  bool broken_ = false;
};

TEST_F(DiscoveryTest, UsesTheNewestVersionThatIsServed) {
  EXPECT_EQ(Ask({"policy"})->Newest("policy", "poddisruptionbudgets", kUnderstood)->version, "v1");
  v1_ = false;
  const auto old = Ask({"policy"})->Newest("policy", "poddisruptionbudgets", kUnderstood);
  ASSERT_TRUE(old);
  EXPECT_EQ(old->ApiVersion(), "policy/v1beta1");
  EXPECT_EQ(old->kind, "PodDisruptionBudget");
  EXPECT_TRUE(old->namespaced);
}

TEST_F(DiscoveryTest, VersionsThatWeDoNotUnderstandAreNotUsed) {
  const std::array<std::string_view, 1> only{"v2"};
  EXPECT_FALSE(Ask({"policy"})->Newest("policy", "poddisruptionbudgets", only));
}

TEST_F(DiscoveryTest, AGroupThatIsNotServedIsNoError) {
  const auto apis = Ask({"", "none.example"});
  ASSERT_TRUE(apis);
  EXPECT_FALSE(apis->Newest("none.example", "things"));
  EXPECT_FALSE(apis->Newest("", "nodes")->namespaced);
}

TEST_F(DiscoveryTest, AServerInTroubleIsAnError) {
  broken_ = true;
  EXPECT_EQ(Ask({"none.example"}).error().code, ErrorCode::Server);
}

TEST(NewerVersion, OrdersAsKubernetesDoes) {
  const std::vector<std::string> ordered{"v10",      "v2",      "v1",        "v11beta2",
                                         "v10beta3", "v3beta1", "v12alpha1", "v11alpha2"};
  for (std::size_t i = 0; i + 1 < ordered.size(); ++i) {
    EXPECT_TRUE(NewerVersion(ordered[i], ordered[i + 1])) << ordered[i];
    EXPECT_FALSE(NewerVersion(ordered[i + 1], ordered[i])) << ordered[i];
  }
  EXPECT_TRUE(NewerVersion("v1alpha1", "foo1"));
}

}  // namespace
}  // namespace pilotlight::kube
