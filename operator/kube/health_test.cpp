#include "operator/kube/health.h"

#include <gmock/gmock.h>

#include "common/http/message.h"
#include "operator/kube/metrics.h"

namespace pilotlight::kube {
namespace {

using testing::HasSubstr;

class HealthTest : public testing::Test {
 protected:
  http::Response Get(std::string_view path, std::string_view query = {}) {
    http::Request request;
    request.method = "GET";
    request.path = path;
    request.query = query;
    return health_.Handle(request);
  }
  Metrics metrics_;
  Health health_{metrics_};
};

TEST_F(HealthTest, SaysOkWhenEveryCheckDoes) {
  health_.AddLive("a", [] { return true; });
  EXPECT_EQ(Get("/healthz").status, 200U);
  EXPECT_EQ(Get("/healthz").body, "ok");
  EXPECT_THAT(Get("/healthz", "verbose").body, HasSubstr("[+]a ok"));
}

TEST_F(HealthTest, NamesWhatFails) {
  health_.AddReady("synced", [] { return false; });
  health_.AddReady("other", [] { return true; });
  const auto response = Get("/readyz");
  EXPECT_EQ(response.status, 500U);
  EXPECT_THAT(response.body, HasSubstr("[-]synced failed"));
  EXPECT_THAT(response.body, HasSubstr("[+]other ok"));
  EXPECT_EQ(Get("/healthz").status, 200U) << "not ready is not dead";
}

TEST_F(HealthTest, MetricsAreInPrometheusFormat) {
  EXPECT_THAT(Get("/metrics").body, HasSubstr("process_resident_memory_bytes"));
  EXPECT_THAT(Get("/metrics").content_type, HasSubstr("version=0.0.4"));
}

TEST_F(HealthTest, RefusesTheRest) {
  EXPECT_EQ(Get("/").status, 404U);
  http::Request post;
  post.method = "POST";
  post.path = "/healthz";
  EXPECT_EQ(health_.Handle(post).status, 405U);
}

}  // namespace
}  // namespace pilotlight::kube
