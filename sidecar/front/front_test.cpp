// The whole front, against an engine that does as it is told: what clients, the kubelet and the operator see.

#include "sidecar/front/front.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstring>
#include <format>
#include <fstream>
#include <future>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/http/server.h"
#include "common/http/testing.h"
#include "common/log/log.h"
#include "sidecar/artifact/signature/signer_for_test.h"
#include "sidecar/front/standing_front_for_test.h"
#include "sidecar/front/testing.h"

namespace pilotlight::front {
namespace {

using http::testing::Answer;
using http::testing::RawClient;
using nlohmann::json;
using ::testing::HasSubstr;
using testing::infer_body;
using testing::kInfer;
using testing::kJson;
using testing::ScriptedLauncher;
using OnLoad = ScriptedLauncher::OnLoad;
using std::chrono::milliseconds;

class FrontTest : public ::testing::Test, protected testing::StandingFront {
 protected:
  // Inferred in binary, both ways.
  Answer post_binary(std::array<float, 3> numbers) const {
    const std::string head =
        R"({"id":"7","inputs":[{"name":"x","datatype":"FP32","shape":[1,3],)"
        R"("parameters":{"binary_data_size":12}}],"parameters":{"binary_data_output":true}})";
    const std::string raw(reinterpret_cast<const char*>(numbers.data()), sizeof numbers);
    return post(kInfer, head + raw,
                std::format("content-type: application/octet-stream\r\n"
                            "inference-header-content-length: {}\r\n",
                            head.size()));
  }
};

// Serving.

TEST_F(FrontTest, ServesWhatHasBeenCheckedLoadedAndWarmed) {
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

TEST_F(FrontTest, InfersInJson) {
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

TEST_F(FrontTest, InfersInBinaryBothWays) {
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

TEST_F(FrontTest, PredictsPlainly) {
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

TEST_F(FrontTest, DescribesItself) {
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

TEST_F(FrontTest, EchoesAPlainRequestIdAndReplacesAnyOther) {
  run_until_ready();
  EXPECT_EQ(http::testing::call(port_, "GET", "/", {}, "x-request-id: abc-1\r\n").field("x-request-id"),
            "abc-1");
  EXPECT_NE(http::testing::call(port_, "GET", "/", {}, "x-request-id: a\tb\r\n").field("x-request-id"),
            "a\tb");
}

TEST_F(FrontTest, PassesOverPilotlightHeadersOfClients) {
  run_until_ready();
  const auto answer = post(kInfer, infer_body(1), std::format("{}x-pilotlight-revision: evil\r\n", kJson));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.field("x-pilotlight-revision"), "r1");
}

// Bad inputs: the table of research/model-servers.md, HTTP layer. What only concerns a request's head is
// tested in common/http; here is that the data port behaves so.

TEST_F(FrontTest, HttpRowAmbiguousFramingIs400AndCloses) {
  run_until_ready();
  for (const auto* fields :
       {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: x\r\n", "", "Content-Length: 5\r\nX: a\r\n b\r\n", "Content-Length : 5\r\n"}) {
    RawClient client(port_);
    client.send(std::format("POST {} HTTP/1.1\r\nHost: h\r\n{}\r\n", kInfer, fields));
    const auto answer = client.read();
    EXPECT_EQ(answer.status, 400) << fields;
    EXPECT_TRUE(json::parse(answer.body).contains("error"));
    EXPECT_FALSE(answer.field("x-request-id").empty());
    EXPECT_TRUE(client.closed_by_server());
  }
  RawClient client(port_);
  client.send("GET / HTTP/1.1\nHost: h\n\n");
  EXPECT_EQ(client.read().status, 400);
}

TEST_F(FrontTest, HttpRowLongHeadersAre431AndALongUrlIs414) {
  run_until_ready();
  EXPECT_EQ(http::testing::call(port_, "GET", "/", {}, "a: " + std::string(9000, 'x') + "\r\n").status, 431);
  EXPECT_EQ(get("/" + std::string(3000, 'x')).status, 414);
}

TEST_F(FrontTest, HttpRowALargeBodyIs413FromItsHeader) {
  config_.max_request_bytes = 1000;
  run_until_ready();
  RawClient client(port_);
  client.send(std::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n{}\r\n", kInfer, kJson));
  EXPECT_EQ(client.read().status, 413);  // without a byte of the body
}

TEST_F(FrontTest, HttpRowChunkedIs411) {
  run_until_ready();
  RawClient client(port_);
  client.send(
      std::format("POST {} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", kInfer));
  EXPECT_EQ(client.read().status, 411);
}

TEST_F(FrontTest, HttpRowACompressedBodyIs415) {
  run_until_ready();
  EXPECT_EQ(post(kInfer, infer_body(1), std::format("{}content-encoding: gzip\r\n", kJson)).status, 415);
}

TEST_F(FrontTest, HttpRowSlowClientsAre408) {
  options_.limits.head_time = milliseconds(40);
  options_.limits.grace = milliseconds(40);
  options_.limits.idle_time = milliseconds(40);
  run_until_ready();
  RawClient head(port_);
  head.send("GET / HT");
  EXPECT_EQ(head.read().status, 408);
  RawClient body(port_);
  body.send(std::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n123", kInfer));
  EXPECT_EQ(body.read().status, 408);
  RawClient idle(port_);
  EXPECT_TRUE(idle.closed_by_server());
}

TEST_F(FrontTest, HttpRowContinueComesOnlyAfterTheChecks) {
  config_.max_request_bytes = 1000;
  run_until_ready();
  const auto expect = [&](std::string_view target, std::size_t length) {
    RawClient client(port_);
    client.send(std::format(
        "POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n", target, length));
    return client.read().status;
  };
  EXPECT_EQ(expect(kInfer, 100), 100);
  EXPECT_EQ(expect(kInfer, 1001), 413);
  EXPECT_EQ(expect("/v2/models/other/infer", 100), 404);
}

TEST_F(FrontTest, HttpRowStrangePathsAre404) {
  run_until_ready();
  for (const auto* path :
       {"/v2/models/digits/../digits", "/v2/models/%2e%2e/digits", "//v2", "/v2//models/digits",
        "/v2/models/digits%00", "/v2/models/%c0%af", "/v2/models/d\xffgits", "/v2/models/digits/", "/nothing",
        "/v2/models", "/v2/models/digits/infer/x", "/v2/models/digits/versions"}) {
    EXPECT_EQ(get(path).status, 404) << path;
  }
  EXPECT_EQ(get("/v2/models/%64igits").status, 200);
  RawClient absolute(port_);
  absolute.send("GET http://elsewhere/v2/models/digits HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(absolute.read().status, 200);
}

TEST_F(FrontTest, HttpRowPipelinedRequestsAreAnsweredInOrder) {
  run_until_ready();
  RawClient client(port_);
  std::string both;
  for (const float first : {1.0F, 10.0F}) {
    const auto body = infer_body(first);
    both +=
        std::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", kInfer, body.size(), body);
  }
  client.send(both);
  EXPECT_THAT(client.read().body, HasSubstr("[2,4,6]"));
  EXPECT_THAT(client.read().body, HasSubstr("[20,4,6]"));
}

TEST_F(FrontTest, HttpRowWrongMethodIs405WithAllow) {
  run_until_ready();
  const auto answer = get(kInfer);
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.field("allow"), "POST");
  EXPECT_EQ(post("/v2", "{}").field("allow"), "GET, HEAD");
  EXPECT_EQ(http::testing::call(admin_, "POST", "/status", "{}").status, 405);
}

TEST_F(FrontTest, HttpRowWrongContentTypeIs415) {
  run_until_ready();
  EXPECT_EQ(post(kInfer, infer_body(1), "content-type: text/plain\r\n").status, 415);
  EXPECT_EQ(post(kInfer, infer_body(1), "content-type: application/octet-stream\r\n").status, 415);
  EXPECT_EQ(post(kInfer, infer_body(1), "content-type: Application/JSON; charset=utf-8\r\n").status, 200);
  EXPECT_EQ(post(kInfer, infer_body(1), "").status, 200);
}

// Protocol layer; the rows about the body's content are in request_test.cpp.

TEST_F(FrontTest, ProtocolRowTheJsonsLengthMustBeOneNumberInsideTheBody) {
  run_until_ready();
  for (const auto* value : {"-1", "99999", "18446744073709551616", "abc", "1e2", "", "0x10", " 12 a"}) {
    EXPECT_EQ(
        post(kInfer, infer_body(1), std::format("{}inference-header-content-length: {}\r\n", kJson, value))
            .status,
        400)
        << value;
  }
  EXPECT_EQ(post(kInfer, infer_body(1),
                 std::format("{0}Inference-Header-Content-Length: 9\r\n"
                             "inference-header-content-length: 9\r\n",
                             kJson))
                .status,
            400);
}

TEST_F(FrontTest, ProtocolRowUnknownModelsAndVersionsAre404) {
  run_until_ready();
  EXPECT_EQ(post("/v2/models/other/infer", infer_body(1)).status, 404);
  EXPECT_EQ(post("/v2/models/digits/versions/2/infer", infer_body(1)).status, 404);
  EXPECT_EQ(get("/v2/models/other/ready").status, 404);
}

TEST_F(FrontTest, ProtocolRowAKnownModelThatIsNotReadyIs503) {
  run([](ScriptedLauncher& script) { script.serve = OnLoad::kSilent; });
  await_phase("Loading");
  const auto answer = post(kInfer, infer_body(1));
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.field("retry-after"), "1");
  EXPECT_EQ(get("/v2/health/ready").status, 503);
  EXPECT_EQ(get("/v2/models/digits").status, 503);
  EXPECT_EQ(get("/v2/health/live").status, 200);
}

TEST_F(FrontTest, ProtocolRowNanOutputsAreNullInJsonAndCounted) {
  run_until_ready();
  EXPECT_THAT(post(kInfer, infer_body(testing::kNan)).body, HasSubstr("[null,null,null]"));
  EXPECT_EQ(metric("pilotlight_nonfinite_outputs_total"), 1);
  EXPECT_EQ(metric("pilotlight_nonfinite_inputs_total"), 0);
}

TEST_F(FrontTest, ProtocolRowNonFiniteInputsAreTakenAndCounted) {
  run_until_ready();
  EXPECT_EQ(post_binary({1, 2, 3}).status, 200);
  EXPECT_EQ(metric("pilotlight_nonfinite_inputs_total"), 0);
  EXPECT_EQ(post_binary({1, std::numeric_limits<float>::infinity(), 3}).status, 200);
  EXPECT_EQ(post_binary({1, 2, std::numeric_limits<float>::quiet_NaN()}).status, 200);
  EXPECT_EQ(metric("pilotlight_nonfinite_inputs_total"), 2);
  EXPECT_EQ(metric("pilotlight_nonfinite_outputs_total"), 2);
}

TEST_F(FrontTest, ProtocolRowABadBodyNamesTheField) {
  run_until_ready();
  const auto answer =
      post(kInfer, R"({"inputs":[{"name":"x","datatype":"FP64","shape":[1,3],"data":[1,2,3]}]})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, R"({"error":"inputs[0]: expected FP32, got FP64"})");
}

// Load layer.

TEST_F(FrontTest, LoadRowAFullQueueIs503) {
  options_.waiting_requests = 1;
  run_until_ready();
  std::vector<std::unique_ptr<RawClient>> clients;
  const auto body = infer_body(testing::kSlow);
  const auto request =
      std::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", kInfer, body.size(), body);
  for (int i = 0; i < 3; ++i) {  // two with the engine, one waiting
    clients.push_back(std::make_unique<RawClient>(port_));
    clients.back()->send(request);
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (metric("pilotlight_queue_depth") < 1 && std::chrono::steady_clock::now() < until) {
  }
  const auto refused = post(kInfer, infer_body(1));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.field("retry-after"), "1");
  EXPECT_EQ(http::testing::call(admin_, "GET", "/readyz").status, 200) << "overload is not unreadiness";
  script_->release();
  for (const auto& client : clients) EXPECT_EQ(client->read().status, 200);
}

TEST_F(FrontTest, LoadRowAPastDeadlineIs503AndNeverReachesTheEngine) {
  run_until_ready();
  std::vector<std::unique_ptr<RawClient>> clients;
  const auto body = infer_body(testing::kSlow);
  for (int i = 0; i < 2; ++i) {
    clients.push_back(std::make_unique<RawClient>(port_));
    clients.back()->send(std::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", kInfer,
                                     body.size(), body));
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (metric("pilotlight_inferences_in_flight") < 2 && std::chrono::steady_clock::now() < until) {
  }
  const auto late = post(kInfer, infer_body(1), std::format("{}x-request-timeout-ms: 20\r\n", kJson));
  EXPECT_EQ(late.status, 503);
  EXPECT_EQ(late.body, R"({"error":"the request waited for longer than its deadline"})");
  script_->release();
  for (const auto& client : clients) EXPECT_EQ(client->read().status, 200);
  EXPECT_EQ(script_->inferences, 2);
  EXPECT_EQ(post(kInfer, infer_body(1), std::format("{}x-request-timeout-ms: soon\r\n", kJson)).status, 400);
}

TEST_F(FrontTest, LoadRowWhatWaitsForAClientThatLeftIsDropped) {
  run_until_ready();
  std::vector<std::unique_ptr<RawClient>> clients;
  const auto body = infer_body(testing::kSlow);
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<RawClient>(port_));
    clients.back()->send(std::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", kInfer,
                                     body.size(), body));
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (metric("pilotlight_inferences_in_flight") + metric("pilotlight_queue_depth") < i + 1 &&
           std::chrono::steady_clock::now() < until) {
    }
  }
  clients[2]->close();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (metric("pilotlight_queue_depth") > 0 && std::chrono::steady_clock::now() < until) {
  }
  EXPECT_EQ(metric("pilotlight_queue_depth"), 0);
  script_->release();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(clients[i]->read().status, 200);
  EXPECT_EQ(script_->inferences, 2);
}

TEST_F(FrontTest, LoadRowAModelThatThrowsIs500WithTheRequestsIdAndNothingElse) {
  run_until_ready();
  const auto answer = post(kInfer, infer_body(testing::kThrow), std::format("{}x-request-id: q7\r\n", kJson));
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body,
            R"({"error":"the model failed on this request (id q7); its values or shape may not suit it"})");
}

TEST_F(FrontTest, LoadRowWhatTheEngineAnswersIsNotBelieved) {
  run_until_ready();
  EXPECT_EQ(post(kInfer, infer_body(testing::kBadShape)).status, 500);
  EXPECT_EQ(post(kInfer, infer_body(testing::kOutside)).status, 500);
  EXPECT_EQ(post(kInfer, infer_body(testing::kTooLarge)).status, 500);
  EXPECT_EQ(status()["engine"]["restarts"], 0);
  EXPECT_EQ(post(kInfer, infer_body(testing::kGarbage)).status, 503);  // and that engine is ended
  await_phase("Ready");
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 200);
}

// Engines that die.

TEST_F(FrontTest, AnEngineThatDiesIsA503AndComesBackByItself) {
  run_until_ready();
  const auto answer = post(kInfer, infer_body(testing::kCrash));
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.field("retry-after"), "1");
  const auto now =
      await([](const json& s) { return s["ready"] == true && s["engine"]["restarts"] == 1; }, "restarted");
  EXPECT_EQ(now["engine"]["lastExit"], "signal 11 (Segmentation fault)");
  EXPECT_FALSE(now.contains("failure"));
  EXPECT_EQ(script_->checks, 1) << "what has been checked is not checked again";
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 200);
  EXPECT_EQ(metric("pilotlight_engine_restarts_total"), 1);
}

TEST_F(FrontTest, WhileTheEngineIsAwayTheStatusSaysWhy) {
  run_until_ready();
  script_->serve = OnLoad::kSilent;
  EXPECT_EQ(post(kInfer, infer_body(testing::kCrash)).status, 503);
  const auto now =
      await([](const json& s) { return s["phase"] == "Loading" && s.contains("failure"); }, "away");
  EXPECT_EQ(now["failure"]["class"], "World");
  EXPECT_EQ(now["failure"]["reason"], "EngineCrashed");
  EXPECT_EQ(now["final"], false);
  EXPECT_EQ(now["ready"], false);
  const auto ready = http::testing::call(admin_, "GET", "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(json::parse(ready.body)["reason"], "EngineCrashed");
}

TEST_F(FrontTest, AnEngineThatHangsIsEnded) {
  config_.endpoint_timeout = std::chrono::duration<double>(0.2);
  run_until_ready();
  EXPECT_EQ(post(kInfer, infer_body(testing::kHang)).status, 503);
  await([](const json& s) { return s["ready"] == true && s["engine"]["restarts"] == 1; }, "restarted");
  EXPECT_THAT(status()["engine"]["lastExit"].get<std::string>(), HasSubstr("did not end within 0.2 s"));
}

TEST_F(FrontTest, AnEngineThatTakesFarLongerThanWhenItWasWarmIsEnded) {
  run([](ScriptedLauncher& script) {
    script.proof["warmup"] = json::array({{{"batchSize", 8}, {"warmMs", 60}}});
  });
  await_phase("Ready");
  EXPECT_EQ(post(kInfer, infer_body(testing::kHang)).status, 503);
  await([](const json& s) { return s["ready"] == true && s["engine"]["restarts"] == 1; }, "restarted");
  EXPECT_THAT(status()["engine"]["lastExit"].get<std::string>(), HasSubstr("did not end within 1.2 s"));
}

TEST_F(FrontTest, InputsThatAnEngineHasCrashedOnAreRefused) {
  run_until_ready();
  EXPECT_EQ(post(kInfer, infer_body(testing::kCrash)).status, 503);
  await([](const json& s) { return s["ready"] == true && s["engine"]["restarts"] == 1; }, "restarted");
  const auto again = post(kInfer, infer_body(testing::kCrash));
  EXPECT_EQ(again.status, 422);
  EXPECT_THAT(again.body, HasSubstr("ended with these very inputs before"));
  EXPECT_EQ(post_binary({testing::kCrash, 2, 3}).status, 422) << "however they are written";
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 200);
  EXPECT_EQ(status()["engine"]["restarts"], 1);
}

TEST_F(FrontTest, InputsThatAnEngineWasKilledWithAreRefusedTheSecondTime) {
  config_.endpoint_timeout = std::chrono::duration<double>(0.2);
  run_until_ready();
  for (const int deaths : {1, 2}) {
    EXPECT_EQ(post(kInfer, infer_body(testing::kHang)).status, 503);
    await([&](const json& s) { return s["ready"] == true && s["engine"]["restarts"] == deaths; },
          "restarted");
  }
  EXPECT_EQ(post(kInfer, infer_body(testing::kHang)).status, 422);
  EXPECT_EQ(status()["engine"]["restarts"], 2);
}

TEST_F(FrontTest, WhatAnEngineThatDiesHadNotBegunIsAnsweredByTheNext) {
  run_until_ready();
  std::thread deadly([&] { EXPECT_EQ(post(kInfer, infer_body(testing::kSlowCrash)).status, 503); });
  await([&](const json&) { return script_->inferences == 1; }, "begun");
  std::vector<std::thread> others;
  for (float i = 1; i <= 4; ++i) {
    others.emplace_back([&, i] {
      const auto answer = post(kInfer, infer_body(i));
      EXPECT_EQ(answer.status, 200) << answer.body;
    });
  }
  await([&](const json&) { return metric("pilotlight_queue_depth") == 3; }, "waiting");
  script_->release();
  deadly.join();
  for (auto& each : others) each.join();
  EXPECT_EQ(status()["engine"]["restarts"], 1);
}

// 1000 MiB, of which so many are held.
class MemoryTest : public FrontTest {
 protected:
  MemoryTest() {
    options_.memory = [held = held_, looks = looks_] {
      ++*looks;
      return CgroupMemory{.held = static_cast<std::uint64_t>(*held) << 20U, .limit = 1000ULL << 20U};
    };
  }
  void hold(int mebibytes) { *held_ = mebibytes; }
  void await_looks(int more) {
    await([this, until = *looks_ + more](const json&) { return *looks_ >= until; }, "looks at the memory");
  }

 private:
  std::shared_ptr<std::atomic<int>> held_ = std::make_shared<std::atomic<int>>(500);
  std::shared_ptr<std::atomic<int>> looks_ = std::make_shared<std::atomic<int>>(0);
};

TEST_F(MemoryTest, AnEngineThatHasGrownIsReplacedOnceItHasAnsweredWhatItHas) {
  run_until_ready();
  await_looks(2);
  std::thread slow([&] { EXPECT_EQ(post(kInfer, infer_body(testing::kSlow)).status, 200); });
  await([&](const json&) { return script_->inferences == 1; }, "begun");
  hold(920);
  await_looks(2);
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 503) << "no more are admitted";
  EXPECT_EQ(status()["ready"], true) << "full is not unready";
  EXPECT_EQ(status()["engine"]["restarts"], 0);
  script_->release();
  slow.join();
  hold(500);
  const auto now =
      await([](const json& s) { return s["ready"] == true && s["engine"]["restarts"] == 1; }, "replaced");
  EXPECT_EQ(now["engine"]["lastExit"], "920 MiB of the container's 1000 MiB in use");
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 200);
}

TEST_F(MemoryTest, AnEngineThatNeedsThatMuchFromTheStartIsKept) {
  hold(920);
  run_until_ready();
  await_looks(3);
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 200);
  EXPECT_EQ(status()["engine"]["restarts"], 0);
}

TEST_F(MemoryTest, AnEngineIsEndedBeforeTheKernelEndsTheContainer) {
  run_until_ready();
  std::thread hung([&] { EXPECT_EQ(post(kInfer, infer_body(testing::kSlow)).status, 503); });
  await([&](const json&) { return script_->inferences == 1; }, "begun");
  hold(960);
  await([](const json& s) { return s["engine"]["restarts"] == 1; }, "ended");
  hung.join();
  hold(500);
  const auto now = await([](const json& s) { return s["ready"] == true; }, "back");
  EXPECT_EQ(now["engine"]["lastExit"], "960 MiB of the container's 1000 MiB in use");
}

TEST_F(FrontTest, ACrashInTheCheckIsTheRevisionsFault) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kDies; });
  const auto now = await_phase("Failed");
  EXPECT_EQ(now["final"], true);
  EXPECT_EQ(now["failure"]["class"], "Revision");
  EXPECT_EQ(now["failure"]["reason"], "CrashedInCheck");
  EXPECT_EQ(now["failure"]["phase"], "Checking");
  EXPECT_THAT(now["failure"]["message"].get<std::string>(), HasSubstr("Segmentation fault"));
}

TEST_F(FrontTest, AForbiddenCallInTheCheckIsTheRevisionsFaultAndIsNamed) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kViolates; });
  const auto now = await_phase("Failed");
  EXPECT_EQ(now["final"], true);
  EXPECT_EQ(now["failure"]["class"], "Revision");
  EXPECT_EQ(now["failure"]["reason"], "SandboxViolation");
  EXPECT_EQ(now["failure"]["phase"], "Checking");
  EXPECT_EQ(now["failure"]["message"], "the model tried to open a file for writing (openat)");
}

TEST_F(FrontTest, AForbiddenCallThatCouldNotBeToldIsOneToo) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kViolatesSilently; });
  EXPECT_EQ(await_phase("Failed")["failure"]["reason"], "SandboxViolation");
}

TEST_F(FrontTest, AForbiddenCallWhileLoadingAPinnedRevisionIsThePodsFault) {
  run_until_ready();
  config_.pinned = status()["digest"];
  stop();
  std::filesystem::remove_all(options_.state);
  run([](ScriptedLauncher& script) { script.serve = OnLoad::kViolates; });
  const auto now = await_phase("Failed");
  EXPECT_EQ(now["failure"]["class"], "Pod");
  EXPECT_EQ(now["failure"]["reason"], "SandboxViolation");
}

TEST_F(FrontTest, AForbiddenCallWhileServingIsA503AndTheStatusSaysSo) {
  run_until_ready();
  script_->serve = OnLoad::kSilent;
  EXPECT_EQ(post(kInfer, infer_body(testing::kForbidden)).status, 503);
  const auto now =
      await([](const json& s) { return s["phase"] == "Loading" && s.contains("failure"); }, "away");
  EXPECT_EQ(now["failure"]["class"], "World");
  EXPECT_EQ(now["failure"]["reason"], "SandboxViolation");
  EXPECT_EQ(now["failure"]["message"], "while serving, the model tried to open a file for writing (openat)");
  EXPECT_EQ(now["engine"]["lastExit"], "the model tried to open a file for writing (openat)");
}

// Devices: the engine tells when its own has become unusable.

TEST_F(FrontTest, ADeviceThatFailsWhileServingIsA503AndANewEngine) {
  run_until_ready();
  script_->serve = OnLoad::kSilent;
  EXPECT_EQ(post(kInfer, infer_body(testing::kDeviceFails)).status, 503);
  const auto now =
      await([](const json& s) { return s["phase"] == "Loading" && s.contains("failure"); }, "away");
  EXPECT_EQ(now["failure"]["class"], "World");
  EXPECT_EQ(now["failure"]["reason"], "DeviceFailed");
  EXPECT_EQ(now["failure"]["message"], "cuda:0: ECC");
  EXPECT_EQ(now["engine"]["lastExit"], "cuda:0: ECC");
  await([this](const json&) { return script_->serves == 2; }, "a new engine");
}

TEST_F(FrontTest, ADeviceThatFailsOnceIsForgotten) {
  run_until_ready();
  EXPECT_EQ(post(kInfer, infer_body(testing::kDeviceFails)).status, 503);
  const auto now =
      await([](const json& s) { return s["ready"] == true && s["engine"]["restarts"] == 1; }, "restarted");
  EXPECT_FALSE(now.contains("failure"));
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 200);
}

// It may be theirs: an index that no table has fails an assertion on the device.
TEST_F(FrontTest, InputsThatADeviceFailedWithTwiceAreRefused) {
  run_until_ready();
  for (const int failures : {1, 2}) {
    EXPECT_EQ(post(kInfer, infer_body(testing::kDeviceFails)).status, 503);
    await([&](const json& s) { return s["ready"] == true && s["engine"]["restarts"] == failures; },
          "restarted");
  }
  EXPECT_EQ(post(kInfer, infer_body(testing::kDeviceFails)).status, 422);
}

TEST_F(FrontTest, ADeviceThatThenFailsTheProofIsThisPodsFault) {
  run_until_ready();
  script_->serve = OnLoad::kBreaksDevice;
  EXPECT_EQ(post(kInfer, infer_body(testing::kDeviceFails)).status, 503);
  const auto now = await_phase("Failed");
  EXPECT_EQ(now["final"], true);
  EXPECT_EQ(now["failure"]["class"], "Pod");
  EXPECT_EQ(now["failure"]["reason"], "DeviceFailed");
}

TEST_F(FrontTest, ADeviceThatFailsBeforeAnyProofIsTriedAgain) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kBreaksDevice; });
  const auto now = await_phase("Retrying");
  EXPECT_EQ(now["final"], false);
  EXPECT_EQ(now["failure"]["reason"], "DeviceFailed");
  EXPECT_EQ(now["failure"]["phase"], "Checking");
}

TEST_F(FrontTest, AnEngineThatServesCanBlameNothingButItsDevice) {
  run_until_ready();
  script_->serve = OnLoad::kSilent;
  EXPECT_EQ(post(kInfer, infer_body(testing::kSaysOther)).status, 503);
  const auto now =
      await([](const json& s) { return s["phase"] == "Loading" && s.contains("failure"); }, "away");
  EXPECT_EQ(now["failure"]["class"], "World");
  EXPECT_EQ(now["failure"]["reason"], "EngineCrashed");
}

TEST_F(FrontTest, AKillInTheCheckIsTheWorldsFault) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kKilled; });
  const auto now = await_phase("Retrying");
  EXPECT_EQ(now["failure"]["reason"], "OutOfMemory");
  EXPECT_EQ(now["final"], false);
}

TEST_F(FrontTest, ACheckThatDoesNotEndIsGivenUp) {
  config_.validation_timeout = std::chrono::duration<double>(0.1);
  run([](ScriptedLauncher& script) { script.check = OnLoad::kSilent; });
  EXPECT_EQ(await_phase("Failed")["failure"]["reason"], "CheckTimeout");
}

// What becomes of the model must not depend on where LibTorch's own passes fail.
class GraphTest : public FrontTest, public ::testing::WithParamInterface<OnLoad> {};

TEST_P(GraphTest, OneThatDoesNotComeBackFromTheCheckIsGivenUp) {
  run([](ScriptedLauncher& script) { script.check = GetParam(); });
  const auto now = await_phase("Ready");
  EXPECT_EQ(now["proof"]["runtime"]["graph"], "frozen");
  EXPECT_EQ(script_->checks, 2);
  EXPECT_EQ(now["engine"]["restarts"], 0);
}

TEST_P(GraphTest, OneThatDoesNotComeBackFromLoadingIsGivenUp) {
  run([](ScriptedLauncher& script) { script.serve = GetParam(); });
  const auto now = await_phase("Ready");
  EXPECT_EQ(now["proof"]["runtime"]["graph"], "frozen");
  EXPECT_EQ(script_->checks, 1);
  EXPECT_EQ(now["engine"]["restarts"], 1);
  EXPECT_FALSE(now.contains("failure"));
}

TEST_F(FrontTest, AGraphThatTheContainerEndedOverIsNotTriedAgain) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kGraphSilent; });
  const auto verdict = [&] {
    std::ifstream file(options_.state / "verdict.json");
    return json::parse(file, nullptr, false);
  };
  await([&](const json&) { return verdict().value("trying", "") == "optimized"; },
        "noted before it is tried");
  stop();
  run([](ScriptedLauncher& script) { script.check = OnLoad::kGraphSilent; });
  EXPECT_EQ(await_phase("Ready")["proof"]["runtime"]["graph"], "frozen");
}

INSTANTIATE_TEST_SUITE_P(Ends, GraphTest,
                         ::testing::Values(OnLoad::kGraphDies, OnLoad::kGraphHangs,
                                           OnLoad::kGraphBreaksDevice));

TEST_F(FrontTest, WhatTheCheckFindsIsReportedAndRemembered) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kFailed; });
  const auto now = await_phase("Failed");
  EXPECT_EQ(now["failure"]["reason"], "GoldenMismatch");
  EXPECT_EQ(now["failure"]["remedy"], "r");
  std::ifstream words(options_.termination_log);
  std::string text;
  std::getline(words, text);
  EXPECT_THAT(text, HasSubstr("GoldenMismatch: m r"));
  stop();
  run();  // the container was restarted
  EXPECT_EQ(await_phase("Failed")["failure"]["reason"], "GoldenMismatch");
  EXPECT_EQ(script_->checks, 0) << "a final verdict is not tried again";
}

TEST_F(FrontTest, ARestartedFrontRepeatsNoWork) {
  run_until_ready();
  stop();
  std::filesystem::remove(folder_ / "digits.tar");
  run();
  await_phase("Ready");
  EXPECT_EQ(script_->checks, 0);
}

TEST_F(FrontTest, ARestartedFrontStillTellsWhatTheCheckFoundOfEachGraph) {
  run([](ScriptedLauncher& script) { script.proof["graphs"] = {{{"graph", "plain"}, {"ms", 1.5}}}; });
  const auto graphs = await_phase("Ready")["proof"]["graphs"];
  stop();
  run();
  EXPECT_EQ(await_phase("Ready")["proof"]["graphs"], graphs);
  EXPECT_EQ(graphs[0]["ms"], 1.5);
}

TEST_F(FrontTest, AFrontThatWasRestartedBetweenTwoAttemptsCountsOn) {
  std::filesystem::rename(folder_ / "digits.tar", folder_ / "away");
  run();
  const auto before = await_phase("Retrying")["attempt"].get<int>();
  stop();
  std::filesystem::rename(folder_ / "away", folder_ / "digits.tar");
  run();
  EXPECT_GT(await_phase("Ready")["attempt"], before);
}

TEST_F(FrontTest, TheTerminationMessageIsThatOfThePhaseAndNotOfAnEarlierFailure) {
  const auto words = [&] {
    std::ifstream file(options_.termination_log);
    return std::string(std::istreambuf_iterator(file), {});
  };
  run([](ScriptedLauncher& script) { script.check = OnLoad::kKilled; });
  await_phase("Retrying");
  EXPECT_THAT(words(), ::testing::StartsWith("OutOfMemory: "));
  script_->check = OnLoad::kSilent;
  await_phase("Checking");
  EXPECT_THAT(words(), ::testing::StartsWith("ended while Checking"));
  EXPECT_THAT(words(), HasSubstr("(before that, OutOfMemory: the engine was killed"));
  std::promise<void> drained;
  boost::asio::post(*io_, [&] { front_->drain([&] { drained.set_value(); }); });
  drained.get_future().wait();
  EXPECT_EQ(words(), "") << "it ends as it was told to";
}

TEST_F(FrontTest, APodWithAnotherIdentityKnowsNothingOfTheVerdict) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kFailed; });
  await_phase("Failed");
  stop();
  config_.identity.pod_uid = "another";
  run();
  await_phase("Ready");
}

// Bytes.

TEST_F(FrontTest, AnotherDigestThanTheUsersIsTheRevisionsFault) {
  config_.digest = "sha256:" + std::string(64, '0');
  run();
  const auto now = await_phase("Failed");
  EXPECT_EQ(now["failure"]["class"], "Revision");
  EXPECT_EQ(now["failure"]["reason"], "DigestMismatch");
  EXPECT_THAT(now["failure"]["message"].get<std::string>(), HasSubstr(config_.digest));
}

TEST_F(FrontTest, OtherBytesThanThePinIsThePodsFault) {
  config_.pinned = "sha256:" + std::string(64, '0');
  run();
  const auto now = await_phase("Failed");
  EXPECT_EQ(now["failure"]["class"], "Pod");
  EXPECT_EQ(now["failure"]["reason"], "SourceChanged");
}

TEST_F(FrontTest, APinnedRevisionIsNotCheckedApart) {
  run_until_ready();
  config_.pinned = status()["digest"];
  stop();
  std::filesystem::remove_all(options_.state);
  run();
  await_phase("Ready");
  EXPECT_EQ(script_->checks, 0);
  EXPECT_EQ(script_->serves, 1);
}

TEST_F(FrontTest, AMissingFileIsWaitedFor) {
  std::filesystem::remove(folder_ / "digits.tar");
  run();
  const auto now = await_phase("Retrying");
  EXPECT_EQ(now["failure"]["reason"], "NotFound");
  EXPECT_EQ(now["final"], false);
  std::ofstream(folder_ / "digits.tar") << "the model";
  const auto ready = await_phase("Ready");
  EXPECT_GE(ready["attempt"], 2);
}

TEST_F(FrontTest, AnInvalidConfigurationIsReportedOnTheAdminPort) {
  config_.invalid =
      wire::Failure{.failure_class = wire::FailureClass::kRevision, .reason = "InvalidContract"};
  run();
  EXPECT_EQ(await_phase("Failed")["failure"]["reason"], "InvalidContract");
  EXPECT_EQ(http::testing::call(admin_, "GET", "/livez").status, 200);
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 503);
}

TEST_F(FrontTest, MachineCodeOfNobodyIsNotEvenFetched) {
  config_.load.format = wire::ModelFormat::kAotInductor;
  const signature::testing::Signer signer;
  const std::vector<std::optional<SignatureDemand>> demands = {
      std::nullopt,
      SignatureDemand{.required = false, .uri = config_.uri + ".sig", .keys = {signer.public_key()}},
      SignatureDemand{.required = true, .uri = config_.uri + ".sig", .keys = {}}};
  for (const auto& demand : demands) {
    config_.signature = demand;
    run();
    const auto failure = await_phase("Failed")["failure"];
    EXPECT_EQ(failure["class"], "Revision");
    EXPECT_EQ(failure["reason"], "SignatureMissing");
    EXPECT_THAT(failure["message"].get<std::string>(), HasSubstr("machine code"));
    EXPECT_EQ(script_->checks, 0);
    stop();
    std::filesystem::remove_all(options_.state);
  }
}

// Signatures.

class SignedFrontTest : public FrontTest {
 protected:
  SignedFrontTest() {
    config_.signature = SignatureDemand{.uri = config_.uri + ".sig", .keys = {signer_.public_key()}};
  }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ / name, std::ios::trunc) << text;
  }
  void sign(const signature::testing::Signer& signer) const {
    write("digits.tar.sig", signature::testing::sign_model(signer, digest_));
  }
  json await_failure() const { return await_phase("Failed")["failure"]; }

  // Of "the model".
  const std::string digest_ = "sha256:36cc7e3d6f6200756c81e18470827e9dac1c602fcd87761cbb0b8f015611c098";
  signature::testing::Signer signer_;
};

TEST_F(SignedFrontTest, AModelThatATrustedKeyHasSignedServesAndTheProofNamesTheKey) {
  sign(signer_);
  run_until_ready();
  EXPECT_EQ(status()["digest"], digest_);
  EXPECT_EQ(status()["proof"]["signature"],
            (json{{"keyId", signer_.public_key().id()}, {"subject", "digits.tar"}}));
  EXPECT_FALSE(status()["proof"].contains("warnings"));
}

TEST_F(SignedFrontTest, MachineCodeOfSomebodyKnownIsGivenToAnEngine) {
  config_.load.format = wire::ModelFormat::kAotInductor;
  sign(signer_);
  run_until_ready();
  EXPECT_EQ(status()["proof"]["signature"]["keyId"], signer_.public_key().id());
}

TEST_F(SignedFrontTest, MachineCodeThatSomebodyElseHasSignedIsRefused) {
  config_.load.format = wire::ModelFormat::kAotInductor;
  sign(signature::testing::Signer());
  run();
  EXPECT_EQ(await_failure()["reason"], "SignatureInvalid");
}

TEST_F(SignedFrontTest, AnUnsignedModelIsRefusedAndNoEngineSeesIt) {
  run([](ScriptedLauncher& script) { script.check = OnLoad::kDies; });  // would be another failure
  const auto failure = await_failure();
  EXPECT_EQ(failure["class"], "Revision");
  EXPECT_EQ(failure["reason"], "SignatureMissing");
  EXPECT_THAT(failure["message"].get<std::string>(), HasSubstr("digits.tar.sig' does not exist"));
  EXPECT_EQ(status()["final"], true);
  EXPECT_EQ(script_->serves, 0);
}

TEST_F(SignedFrontTest, AModelThatSomebodyElseHasSignedIsRefused) {
  sign(signature::testing::Signer("P-256"));
  run([](ScriptedLauncher& script) { script.check = OnLoad::kDies; });
  const auto failure = await_failure();
  EXPECT_EQ(failure["class"], "Revision");
  EXPECT_EQ(failure["reason"], "SignatureInvalid");
  EXPECT_EQ(failure["phase"], "Fetching");
  EXPECT_THAT(failure["message"].get<std::string>(), HasSubstr("digits.tar.sig' has 1 signature, none by"));
  EXPECT_THAT(failure["message"].get<std::string>(), HasSubstr(signer_.public_key().id()));
}

TEST_F(SignedFrontTest, TheSignatureOfAnotherModelIsRefusedAndBothDigestsAreShown) {
  sign(signer_);
  write("digits.tar", "another model");
  run();
  const auto failure = await_failure();
  EXPECT_EQ(failure["reason"], "SignatureInvalid");
  EXPECT_THAT(failure["message"].get<std::string>(), HasSubstr("signs " + digest_));
  EXPECT_THAT(failure["message"].get<std::string>(), HasSubstr("the model has sha256:"));
}

TEST_F(SignedFrontTest, APodOfAProvenRevisionSpeaksOnlyForItself) {
  config_.pinned = digest_;
  run();
  EXPECT_EQ(await_failure()["class"], "Pod");
  stop();
  std::filesystem::remove_all(options_.state);
  sign(signature::testing::Signer());
  run();
  EXPECT_EQ(await_failure()["class"], "Pod");
  EXPECT_EQ(status()["failure"]["reason"], "SignatureInvalid");
}

TEST_F(SignedFrontTest, ASignatureThatCannotBeHadNowIsWaitedFor) {
  std::atomic<bool> up = false;
  http::Server server("127.0.0.1:0", [&](const http::Request& request) {
    if (!request.target.ends_with(".sig")) return http::Response{.body = "the model", .content_type = "a/b"};
    if (!up) return http::error(503, "later");
    return http::Response{.body = signature::testing::sign_model(signer_, digest_), .content_type = "a/b"};
  });
  ASSERT_TRUE(server.start());
  config_.uri = std::format("http://127.0.0.1:{}/digits.tar", server.port());
  config_.signature->uri = config_.uri + ".sig";
  run();
  const auto now = await_phase("Retrying");
  EXPECT_EQ(now["failure"]["class"], "World");
  EXPECT_EQ(now["failure"]["reason"], "FetchFailed");
  EXPECT_THAT(now["failure"]["message"].get<std::string>(),
              HasSubstr("digits.tar.sig': the server answers 503"));
  up = true;
  EXPECT_TRUE(await_phase("Ready")["proof"].contains("signature"));
}

TEST_F(SignedFrontTest, WhereAWarningIsEnoughItServesWithOne) {
  config_.signature->required = false;
  run([](ScriptedLauncher& script) { script.proof["warnings"] = {"one"}; });
  auto proof = await_phase("Ready")["proof"];
  EXPECT_FALSE(proof.contains("signature"));
  ASSERT_EQ(proof["warnings"].size(), 2);
  EXPECT_THAT(proof["warnings"][1].get<std::string>(), ::testing::StartsWith("SignatureMissing: '"));
  stop();
  std::filesystem::remove_all(options_.state);
  sign(signature::testing::Signer());
  run();
  proof = await_phase("Ready")["proof"];
  EXPECT_THAT(proof["warnings"][0].get<std::string>(), ::testing::StartsWith("SignatureInvalid: '"));
  stop();
  std::filesystem::remove_all(options_.state);
  sign(signer_);
  run();
  proof = await_phase("Ready")["proof"];
  EXPECT_TRUE(proof.contains("signature"));
  EXPECT_FALSE(proof.contains("warnings"));
}

TEST_F(SignedFrontTest, WhereAWarningIsEnoughAStoreThatIsDownIsOneToo) {
  http::Server server("127.0.0.1:0", [](const http::Request&) { return http::error(503, "later"); });
  ASSERT_TRUE(server.start());
  config_.signature->required = false;
  config_.signature->uri = std::format("http://127.0.0.1:{}/digits.tar.sig", server.port());
  run();
  const auto proof = await_phase("Ready")["proof"];
  EXPECT_THAT(proof["warnings"][0].get<std::string>(), ::testing::StartsWith("FetchFailed: '"));
}

TEST_F(SignedFrontTest, AnotherEnginesProofNamesTheKeyAsWell) {
  sign(signer_);
  run_until_ready();
  EXPECT_EQ(post(kInfer, infer_body(testing::kCrash)).status, 503);
  const auto now =
      await([](const json& s) { return s["ready"] == true && s["engine"]["restarts"] == 1; }, "back");
  EXPECT_EQ(now["proof"]["signature"]["keyId"], signer_.public_key().id());
}

TEST_F(SignedFrontTest, ARestartedFrontVerifiesAgain) {
  sign(signer_);
  run_until_ready();
  stop();
  // What has passed the check is not checked again; but who may sign has changed.
  config_.signature->keys = {signature::testing::Signer().public_key()};
  run();
  EXPECT_EQ(await_failure()["reason"], "SignatureInvalid");
  EXPECT_EQ(script_->checks, 0);
}

TEST_F(SignedFrontTest, ARestartedFrontNeedsTheStoreForNothing) {
  sign(signer_);
  run_until_ready();
  stop();
  std::filesystem::remove(folder_ / "digits.tar");
  std::filesystem::remove(folder_ / "digits.tar.sig");
  run();
  EXPECT_TRUE(await_phase("Ready")["proof"].contains("signature"));
}

TEST_F(SignedFrontTest, StagedBytesThatWereChangedAreNotBelieved) {
  sign(signer_);
  run_until_ready();
  stop();
  const auto staged = options_.state / "artifact" / "model";
  std::filesystem::permissions(staged, std::filesystem::perms::owner_all);
  std::ofstream(staged) << "evil";
  std::filesystem::remove(folder_ / "digits.tar");
  run();
  EXPECT_EQ(await_phase("Retrying")["failure"]["reason"], "NotFound") << "fetched again";
}

TEST_F(FrontTest, WhatTheEngineSaysOfASignatureIsNotBelieved) {
  run([](ScriptedLauncher& script) { script.proof["signature"] = {{"keyId", "sha256:mine"}}; });
  const auto proof = await_phase("Ready")["proof"];
  EXPECT_EQ(proof["level"], "Answers");
  EXPECT_FALSE(proof.contains("signature"));
}

// Golden re-checks.

class RecheckTest : public FrontTest {
 protected:
  RecheckTest() { config_.recheck_interval = std::chrono::duration<double>(0.02); }
  void run_with_cases(const std::function<void(ScriptedLauncher&)>& prepare = {}) {
    run([&](ScriptedLauncher& script) {
      script.proof["cases"] = 3;
      if (prepare) prepare(script);
    });
    await_phase("Ready");
  }
  json await_result(std::string_view result) const {
    return await(
        [&](const json& now) { return now.contains("recheck") && now["recheck"]["result"] == result; },
        result);
  }
  // Until the engine has been asked so often.
  void await_rechecks(int count) const {
    await([&](const json&) { return script_->rechecks >= count; }, "asked");
  }
};

TEST_F(RecheckTest, TheCasesAreRunAgainAndAgainOneAfterTheOther) {
  run_with_cases();
  const auto now = await_result("Passed")["recheck"];
  EXPECT_EQ(now["cases"], 3);
  EXPECT_EQ(now["worstError"]["case"], "case-2") << "the worst of all of them";
  EXPECT_THAT(now["at"].get<std::string>(), ::testing::EndsWith("Z"));
  EXPECT_FALSE(now.contains("failure"));
  await_rechecks(9);
  await([&](const json&) { return metric("pilotlight_golden_rechecks_total{result=\"passed\"}") >= 3; },
        "counted");
  EXPECT_EQ(metric("pilotlight_golden_recheck_failing"), 0);
  EXPECT_GT(metric("pilotlight_golden_recheck_timestamp_seconds"), 1e9);
}

TEST_F(RecheckTest, OneThatFailsTwiceIsReportedAndThePodStaysReady) {
  run_with_cases([](ScriptedLauncher& script) { script.bad_case = 1; });
  const auto now = await_result("Failed");
  EXPECT_EQ(now["ready"], true);
  EXPECT_FALSE(now.contains("failure")) << "it serves";
  const auto& failure = now["recheck"]["failure"];
  EXPECT_EQ(failure["class"], "Pod");
  EXPECT_EQ(failure["reason"], "GoldenMismatch");
  EXPECT_EQ(failure["phase"], "Ready");
  EXPECT_EQ(failure["message"], "case one: expected 3, got 2");
  EXPECT_THAT(failure["remedy"].get<std::string>(), HasSubstr("the node's hardware"));
  EXPECT_EQ(now["recheck"]["cases"], 2);
  EXPECT_EQ(metric("pilotlight_golden_recheck_failing"), 1);
  EXPECT_GE(metric("pilotlight_golden_rechecks_total{result=\"failed\"}"), 1);
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 200);
  script_->bad_case = ScriptedLauncher::kNone;
  await_result("Passed");
  EXPECT_EQ(metric("pilotlight_golden_recheck_failing"), 0);
}

TEST_F(RecheckTest, OneThatFailsOnceDoesNotCount) {
  run_with_cases([](ScriptedLauncher& script) {
    script.bad_case = 1;
    script.failures_left = 1;
  });
  const auto now = await_result("Passed");
  EXPECT_EQ(now["recheck"]["cases"], 3);
  EXPECT_EQ(metric("pilotlight_golden_rechecks_total{result=\"failed\"}"), -1);
  EXPECT_EQ(metric("pilotlight_golden_rechecks_total{result=\"unconfirmed\"}"), 1);
}

TEST_F(RecheckTest, ARecheckThatHangsIsAnEngineThatHangs) {
  config_.endpoint_timeout = std::chrono::duration<double>(0.2);
  run_with_cases([](ScriptedLauncher& script) { script.bad_case = ScriptedLauncher::kSilent; });
  await_rechecks(1);
  script_->bad_case = ScriptedLauncher::kNone;
  await([](const json& now) { return now["engine"]["restarts"] == 1; }, "ended");
  await_result("Passed");
}

TEST_F(RecheckTest, WhenTheEngineDiesInARecheckNoRequestIsLostOrToBlame) {
  run_with_cases([](ScriptedLauncher& script) { script.bad_case = ScriptedLauncher::kDies; });
  await_rechecks(1);
  std::vector<std::thread> behind;
  for (int i = 0; i < 2; ++i) {
    behind.emplace_back([&] { EXPECT_EQ(post(kInfer, infer_body(1)).status, 200); });
  }
  await([&](const json&) { return metric("pilotlight_queue_depth") == 1; }, "one in hand, one waiting");
  script_->bad_case = ScriptedLauncher::kNone;
  script_->release();
  for (auto& each : behind) each.join();
  EXPECT_EQ(status()["engine"]["restarts"], 1);
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 200) << "refused as the one that the engine died of";
}

TEST_F(RecheckTest, WhileDrainingNoneIsBegun) {
  options_.drain = {.quiet = milliseconds(0), .least = milliseconds(0), .most = milliseconds(10'000)};
  config_.recheck_interval = std::chrono::duration<double>(0.001);
  run_with_cases();
  await_rechecks(3);
  RawClient slow(port_);
  const auto body = infer_body(testing::kSlow);
  slow.send(
      std::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", kInfer, body.size(), body));
  await([&](const json&) { return script_->inferences == 1; }, "begun");
  std::promise<void> done;
  boost::asio::post(*io_, [&] { front_->drain([&] { done.set_value(); }); });
  await_phase("Draining");
  script_->release();
  const int before = script_->rechecks;
  EXPECT_EQ(slow.read().status, 200);
  done.get_future().wait();
  EXPECT_LE(script_->rechecks, before + 1) << "but what is under way";
}

// Leaving.

TEST_F(FrontTest, DrainsWithoutLosingARequest) {
  options_.drain = {.quiet = milliseconds(300), .least = milliseconds(300), .most = milliseconds(5000)};
  run_until_ready();
  RawClient idle(port_);
  idle.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_FALSE(idle.read().closed);
  RawClient slow(port_);
  const auto body = infer_body(testing::kSlow);
  slow.send(
      std::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", kInfer, body.size(), body));
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (metric("pilotlight_inferences_in_flight") < 1 && std::chrono::steady_clock::now() < until) {
  }

  std::promise<void> done;
  boost::asio::post(*io_, [&] { front_->drain([&] { done.set_value(); }); });
  await_phase("Draining");
  EXPECT_EQ(http::testing::call(admin_, "GET", "/readyz").status, 503);
  RawClient late(port_);  // whoever has not heard yet is still answered
  late.send("GET /v2/models/digits HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto answer = late.read();
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.closed);
  EXPECT_TRUE(idle.closed_by_server());
  auto finished = done.get_future();
  EXPECT_EQ(finished.wait_for(milliseconds(0)), std::future_status::timeout) << "a request is in flight";
  script_->release();
  EXPECT_EQ(slow.read().status, 200);
  EXPECT_EQ(finished.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  EXPECT_EQ(RawClient(port_).send("GET / HTTP/1.1\r\n\r\n"), false);
}

}  // namespace
}  // namespace pilotlight::front
