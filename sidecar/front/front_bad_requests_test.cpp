// Bad inputs: the rows of research/model-servers.md, section 4, on a front's data port.

#include <gmock/gmock.h>

#include <chrono>
#include <format>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/testing.h"
#include "sidecar/front/standing_front_for_test.h"
#include "sidecar/front/testing.h"

namespace pilotlight::front {
namespace {

using http::testing::RawClient;
using nlohmann::json;
using ::testing::HasSubstr;
using testing::infer_body;
using testing::infer_request;
using testing::kInfer;
using testing::kJson;
using testing::ScriptedLauncher;
using OnLoad = testing::ScriptedLauncher::OnLoad;
using std::chrono::milliseconds;

class FrontBadRequests : public testing::FrontTest {};

// HTTP layer. What only concerns a request's head is tested in common/http.

TEST_F(FrontBadRequests, HttpRowAmbiguousFramingIs400AndCloses) {
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

TEST_F(FrontBadRequests, HttpRowLongHeadersAre431AndALongUrlIs414) {
  run_until_ready();
  EXPECT_EQ(http::testing::call(port_, "GET", "/", {}, "a: " + std::string(9000, 'x') + "\r\n").status, 431);
  EXPECT_EQ(get("/" + std::string(3000, 'x')).status, 414);
}

TEST_F(FrontBadRequests, HttpRowALargeBodyIs413FromItsHeader) {
  config_.max_request_bytes = 1000;
  run_until_ready();
  RawClient client(port_);
  client.send(std::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n{}\r\n", kInfer, kJson));
  EXPECT_EQ(client.read().status, 413);  // without a byte of the body
}

TEST_F(FrontBadRequests, HttpRowChunkedIs411) {
  run_until_ready();
  RawClient client(port_);
  client.send(
      std::format("POST {} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", kInfer));
  EXPECT_EQ(client.read().status, 411);
}

TEST_F(FrontBadRequests, HttpRowACompressedBodyIs415) {
  run_until_ready();
  EXPECT_EQ(post(kInfer, infer_body(1), std::format("{}content-encoding: gzip\r\n", kJson)).status, 415);
}

TEST_F(FrontBadRequests, HttpRowSlowClientsAre408) {
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

TEST_F(FrontBadRequests, HttpRowContinueComesOnlyAfterTheChecks) {
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

TEST_F(FrontBadRequests, HttpRowStrangePathsAre404) {
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

TEST_F(FrontBadRequests, HttpRowPipelinedRequestsAreAnsweredInOrder) {
  run_until_ready();
  RawClient client(port_);
  client.send(infer_request(1) + infer_request(10));
  EXPECT_THAT(client.read().body, HasSubstr("[2,4,6]"));
  EXPECT_THAT(client.read().body, HasSubstr("[20,4,6]"));
}

TEST_F(FrontBadRequests, HttpRowWrongMethodIs405WithAllow) {
  run_until_ready();
  const auto answer = get(kInfer);
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.field("allow"), "POST");
  EXPECT_EQ(post("/v2", "{}").field("allow"), "GET, HEAD");
  EXPECT_EQ(http::testing::call(admin_, "POST", "/status", "{}").status, 405);
}

TEST_F(FrontBadRequests, HttpRowWrongContentTypeIs415) {
  run_until_ready();
  EXPECT_EQ(post(kInfer, infer_body(1), "content-type: text/plain\r\n").status, 415);
  EXPECT_EQ(post(kInfer, infer_body(1), "content-type: application/octet-stream\r\n").status, 415);
  EXPECT_EQ(post(kInfer, infer_body(1), "content-type: Application/JSON; charset=utf-8\r\n").status, 200);
  EXPECT_EQ(post(kInfer, infer_body(1), "").status, 200);
}

// Protocol layer; the rows about the body's content are in request_test.cpp.

TEST_F(FrontBadRequests, ProtocolRowTheJsonsLengthMustBeOneNumberInsideTheBody) {
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

TEST_F(FrontBadRequests, ProtocolRowUnknownModelsAndVersionsAre404) {
  run_until_ready();
  EXPECT_EQ(post("/v2/models/other/infer", infer_body(1)).status, 404);
  EXPECT_EQ(post("/v2/models/digits/versions/2/infer", infer_body(1)).status, 404);
  EXPECT_EQ(get("/v2/models/other/ready").status, 404);
}

TEST_F(FrontBadRequests, ProtocolRowAKnownModelThatIsNotReadyIs503) {
  run([](ScriptedLauncher& script) { script.serve = OnLoad::kSilent; });
  await_phase("Loading");
  const auto answer = post(kInfer, infer_body(1));
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.field("retry-after"), "1");
  EXPECT_EQ(get("/v2/health/ready").status, 503);
  EXPECT_EQ(get("/v2/models/digits").status, 503);
  EXPECT_EQ(get("/v2/health/live").status, 200);
}

TEST_F(FrontBadRequests, ProtocolRowNanOutputsAreNullInJsonAndCounted) {
  run_until_ready();
  EXPECT_THAT(post(kInfer, infer_body(testing::kNan)).body, HasSubstr("[null,null,null]"));
  EXPECT_EQ(metric("pilotlight_nonfinite_outputs_total"), 1);
  EXPECT_EQ(metric("pilotlight_nonfinite_inputs_total"), 0);
}

TEST_F(FrontBadRequests, ProtocolRowNonFiniteInputsAreTakenAndCounted) {
  run_until_ready();
  EXPECT_EQ(post_binary({1, 2, 3}).status, 200);
  EXPECT_EQ(metric("pilotlight_nonfinite_inputs_total"), 0);
  EXPECT_EQ(post_binary({1, std::numeric_limits<float>::infinity(), 3}).status, 200);
  EXPECT_EQ(post_binary({1, 2, std::numeric_limits<float>::quiet_NaN()}).status, 200);
  EXPECT_EQ(metric("pilotlight_nonfinite_inputs_total"), 2);
  EXPECT_EQ(metric("pilotlight_nonfinite_outputs_total"), 2);
}

TEST_F(FrontBadRequests, ProtocolRowABadBodyNamesTheField) {
  run_until_ready();
  const auto answer =
      post(kInfer, R"({"inputs":[{"name":"x","datatype":"FP64","shape":[1,3],"data":[1,2,3]}]})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, R"({"error":"inputs[0]: expected FP32, got FP64"})");
}

// Load layer.

TEST_F(FrontBadRequests, LoadRowAFullQueueIs503) {
  options_.waiting_requests = 1;
  run_until_ready();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 3; ++i) {  // two with the engine, one waiting
    clients.push_back(std::make_unique<RawClient>(port_));
    clients.back()->send(infer_request(testing::kSlow));
  }
  await([&](const json&) { return metric("pilotlight_queue_depth") >= 1; }, "waiting");
  const auto refused = post(kInfer, infer_body(1));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.field("retry-after"), "1");
  EXPECT_EQ(http::testing::call(admin_, "GET", "/readyz").status, 200) << "overload is not unreadiness";
  script_->release();
  for (const auto& client : clients) EXPECT_EQ(client->read().status, 200);
}

TEST_F(FrontBadRequests, LoadRowAPastDeadlineIs503AndNeverReachesTheEngine) {
  run_until_ready();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 2; ++i) {
    clients.push_back(std::make_unique<RawClient>(port_));
    clients.back()->send(infer_request(testing::kSlow));
  }
  await([&](const json&) { return metric("pilotlight_inferences_in_flight") >= 2; }, "with the engine");
  const auto late = post(kInfer, infer_body(1), std::format("{}x-request-timeout-ms: 20\r\n", kJson));
  EXPECT_EQ(late.status, 503);
  EXPECT_EQ(late.body, R"({"error":"the request waited for longer than its deadline"})");
  script_->release();
  for (const auto& client : clients) EXPECT_EQ(client->read().status, 200);
  EXPECT_EQ(script_->inferences, 2);
  EXPECT_EQ(post(kInfer, infer_body(1), std::format("{}x-request-timeout-ms: soon\r\n", kJson)).status, 400);
}

TEST_F(FrontBadRequests, LoadRowWhatWaitsForAClientThatLeftIsDropped) {
  run_until_ready();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<RawClient>(port_));
    clients.back()->send(infer_request(testing::kSlow));
    await(
        [&](const json&) {
          return metric("pilotlight_inferences_in_flight") + metric("pilotlight_queue_depth") == i + 1;
        },
        "with the engine, or waiting");
  }
  clients[2]->close();
  await([&](const json&) { return metric("pilotlight_queue_depth") == 0; }, "dropped");
  script_->release();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(clients[i]->read().status, 200);
  EXPECT_EQ(script_->inferences, 2);
}

TEST_F(FrontBadRequests, LoadRowAModelThatThrowsIs500WithTheRequestsIdAndNothingElse) {
  run_until_ready();
  const auto answer = post(kInfer, infer_body(testing::kThrow), std::format("{}x-request-id: q7\r\n", kJson));
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body,
            R"({"error":"the model failed on this request (id q7); its values or shape may not suit it"})");
}

TEST_F(FrontBadRequests, LoadRowWhatTheEngineAnswersIsNotBelieved) {
  run_until_ready();
  EXPECT_EQ(post(kInfer, infer_body(testing::kBadShape)).status, 500);
  EXPECT_EQ(post(kInfer, infer_body(testing::kOutside)).status, 500);
  EXPECT_EQ(post(kInfer, infer_body(testing::kTooLarge)).status, 500);
  EXPECT_EQ(status()["engine"]["restarts"], 0);
  EXPECT_EQ(post(kInfer, infer_body(testing::kGarbage)).status, 503);  // and that engine is ended
  await_phase("Ready");
  EXPECT_EQ(post(kInfer, infer_body(1)).status, 200);
}

}  // namespace
}  // namespace pilotlight::front
