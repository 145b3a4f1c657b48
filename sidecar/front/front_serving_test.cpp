// A front that serves: its protocols, and what it says of itself.

#include <gmock/gmock.h>

#include <cstring>
#include <format>
#include <nlohmann/json.hpp>
#include <string>

#include "common/http/testing.h"
#include "sidecar/front/standing_front_for_test.h"

namespace pilotlight::front {
namespace {

using nlohmann::json;
using testing::infer_body;
using testing::kInfer;
using testing::kJson;

class FrontServing : public testing::FrontTest {};

TEST_F(FrontServing, ServesWhatHasBeenCheckedLoadedAndWarmed) {
  run_until_ready();
  EXPECT_EQ(script_->checks, 1);
  EXPECT_EQ(script_->serves, 1);
  const auto now = status();
  EXPECT_EQ(now["ready"], true);
  EXPECT_EQ(now["proof"]["level"], "Answers");
  EXPECT_THAT(now["digest"].get<std::string>(), ::testing::StartsWith("sha256:"));
  EXPECT_EQ(now["bytesFetched"], 9);
  EXPECT_EQ(now["timings"]["warm"], 0.5);
  EXPECT_EQ(now["revision"], "r1");
  EXPECT_FALSE(now.contains("failure"));
  EXPECT_EQ(http::testing::call(admin_, "GET", "/readyz").status, 200);
  EXPECT_EQ(http::testing::call(admin_, "GET", "/livez").status, 200);
}

TEST_F(FrontServing, InfersInJson) {
  run_until_ready();
  const auto answer = post(kInfer, infer_body(1));
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.body, R"({"model_name":"digits","model_version":"r1","outputs":[)"
                         R"({"name":"y","datatype":"FP32","shape":[1,3],"data":[2,4,6]}]})");
  EXPECT_EQ(answer.field("content-type"), "application/json");
  EXPECT_EQ(answer.field("x-pilotlight-revision"), "r1");
  EXPECT_EQ(answer.field("x-request-id").size(), 16);
  EXPECT_EQ(post("/v2/models/digits/versions/r1/infer", infer_body(1)).status, 200);
}

TEST_F(FrontServing, InfersInBinaryBothWays) {
  run_until_ready();
  const auto answer = post_binary({0.1F, -2.5F, 1e-30F});
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.field("content-type"), "application/octet-stream");
  const auto length = std::stoul(answer.field("inference-header-content-length"));
  const auto document = json::parse(answer.body.substr(0, length));
  EXPECT_EQ(document["id"], "7");
  EXPECT_EQ(document["outputs"][0]["parameters"]["binary_data_size"], 12);
  float doubled[3];
  ASSERT_EQ(answer.body.size(), length + sizeof doubled);
  std::memcpy(doubled, answer.body.data() + length, sizeof doubled);
  EXPECT_THAT(doubled, ::testing::ElementsAre(0.2F, -5.0F, 2e-30F));
}

TEST_F(FrontServing, PredictsPlainly) {
  run_until_ready();
  const auto one = json::parse(post("/predict", "[1,2,3]").body);
  EXPECT_EQ(one["output"], json({2, 4, 6}));
  EXPECT_EQ(one["predictions"][0]["label"], "c");
  EXPECT_NEAR(one["predictions"][0]["probability"].get<double>(), 0.8668, 1e-3);
  const auto two = json::parse(post("/predict", R"({"instances":[[1,2,3],[5,0,0]]})").body);
  EXPECT_EQ(two["output"], json({{2, 4, 6}, {10, 0, 0}}));
  EXPECT_EQ(two["predictions"].size(), 2);
  EXPECT_EQ(two["predictions"][1]["label"], "a");
  EXPECT_EQ(metric("nv_inference_count{model=\"digits\",version=\"r1\"}"), 3);
}

TEST_F(FrontServing, DescribesItself) {
  run_until_ready();
  EXPECT_EQ(json::parse(get("/").body)["model"], "digits");
  EXPECT_EQ(json::parse(get("/v2").body)["extensions"][0], "binary_tensor_data");
  EXPECT_EQ(get("/v2/health/live").status, 200);
  EXPECT_EQ(get("/v2/health/ready").status, 200);
  EXPECT_EQ(get("/v2/models/digits/ready").status, 200);
  const auto model = json::parse(get("/v2/models/digits").body);
  EXPECT_EQ(model["inputs"][0], (json{{"name", "x"}, {"datatype", "FP32"}, {"shape", {-1, 3}}}));
  EXPECT_EQ(model["versions"], json({"r1"}));
  const auto openapi = json::parse(get("/openapi.json").body);
  EXPECT_TRUE(openapi["paths"].contains("/predict"));
  EXPECT_TRUE(openapi["paths"].contains("/v2/models/digits/infer"));
}

TEST_F(FrontServing, EchoesAPlainRequestIdAndReplacesAnyOther) {
  run_until_ready();
  EXPECT_EQ(http::testing::call(port_, "GET", "/", {}, "x-request-id: abc-1\r\n").field("x-request-id"),
            "abc-1");
  EXPECT_NE(http::testing::call(port_, "GET", "/", {}, "x-request-id: a\tb\r\n").field("x-request-id"),
            "a\tb");
}

TEST_F(FrontServing, PassesOverPilotlightHeadersOfClients) {
  run_until_ready();
  const auto answer = post(kInfer, infer_body(1), std::format("{}x-pilotlight-revision: evil\r\n", kJson));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.field("x-pilotlight-revision"), "r1");
}

}  // namespace
}  // namespace pilotlight::front
