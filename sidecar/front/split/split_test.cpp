// The split, over two whole fronts.

#include <gmock/gmock.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <format>

#include "sidecar/front/split/choice.h"
#include "sidecar/front/split/identity.h"
#include "sidecar/front/split/two_fronts_for_test.h"

namespace pilotlight::front {
namespace {

namespace asio = boost::asio;
using http::testing::RawClient;
using nlohmann::json;
using std::chrono::seconds;
using std::chrono::system_clock;
using ::testing::HasSubstr;
using testing::infer_body;
using testing::infer_request;
using testing::kInfer;
using testing::kJson;
using ::testing::Not;
using testing::OperatorForTest;

using SplitTest = testing::TwoFronts;

// Who answers.

TEST_F(SplitTest, WithoutASplitTheStableFrontAnswers) {
  run();
  EXPECT_EQ(who(infer()), "200 r1");
  EXPECT_FALSE(stable_.status().contains("split"));
}

TEST_F(SplitTest, AtAHundredPercentTheCandidateAnswers) {
  run_with_weight(100);
  const auto answer = infer();
  EXPECT_EQ(who(answer), "200 r2");
  EXPECT_EQ(answer.body, R"({"model_name":"digits","model_version":"r2","outputs":[)"
                         R"({"name":"y","datatype":"FP32","shape":[1,3],"data":[2,4,6]}]})");
  EXPECT_EQ(answer.field("content-type"), "application/json");
  EXPECT_EQ(who(stable_.post("/predict", "[1,2,3]")), "200 r2");
  EXPECT_EQ(stable_.script_->inferences, 0);
  EXPECT_EQ(counts("r2")["requests"], 2);
  EXPECT_EQ(counts("r1")["requests"], 0);
}

TEST_F(SplitTest, AtNoPercentTheStableFrontAnswersAndCounts) {
  run_with_weight(0);
  EXPECT_EQ(who(infer()), "200 r1");
  EXPECT_EQ(counts("r1")["requests"], 1);
  EXPECT_EQ(candidate_.script_->inferences, 0);
}

TEST_F(SplitTest, EachRequestGoesWhereItsDieFell) {
  run_with_weight(25);
  int handed_over = 0;
  for (int i = 0; i < 100; ++i) {
    const auto id = std::format("request-{}", i);
    const bool expected = falls_to_candidate(draw("attempt-1", id), 2500);
    const auto answer = infer(std::format("x-request-id: {}\r\n", id));
    EXPECT_EQ(who(answer), expected ? "200 r2" : "200 r1") << id;
    EXPECT_EQ(answer.field("x-request-id"), id);
    handed_over += expected ? 1 : 0;
  }
  EXPECT_EQ(counts("r2")["requests"], handed_over);
  EXPECT_EQ(counts("r1")["requests"], 100 - handed_over);
  EXPECT_EQ(stable_.metric("pilotlight_split_requests_total{arm=\"candidate\",result=\"good\"}"),
            handed_over);
  EXPECT_EQ(stable_.metric("pilotlight_split_weight"), 25);
  EXPECT_EQ(stable_.metric("pilotlight_split_peers{state=\"up\"}"), 1);
}

TEST_F(SplitTest, ASessionStaysWhereItIsWhileTheWeightGrows) {
  run();
  std::array<bool, 12> before{};
  for (const double weight : {20.0, 60.0, 100.0}) {
    ASSERT_EQ(split(weight, [](json& b) { b["sticky"] = {{"header", "x-session"}}; }).status, 200);
    for (std::size_t session = 0; session < before.size(); ++session) {
      const auto field = std::format("X-Session: {}\r\n", session);
      const bool now = infer(field).field("x-pilotlight-revision") == "r2";
      EXPECT_EQ(infer(field).field("x-pilotlight-revision") == "r2", now);
      EXPECT_TRUE(now || !before[session]);
      before[session] = now;
    }
  }
  EXPECT_EQ(counts("r2")["sessions"], (json{{"counted", 12}, {"bad", 0}, {"oneIn", 1}}));
  EXPECT_EQ(counts("r2")["requests"], 24);
}

TEST_F(SplitTest, TensorsCrossInBinary) {
  run_with_weight(100);
  const std::string head =
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"parameters":{"binary_data_size":12}}],)"
      R"("parameters":{"binary_data_output":true}})";
  const std::array<float, 3> numbers{0.5F, -1.0F, 3.0F};
  const auto answer = stable_.post(
      kInfer, head + std::string(reinterpret_cast<const char*>(numbers.data()), sizeof numbers),
      std::format("content-type: application/octet-stream\r\ninference-header-content-length: {}\r\n",
                  head.size()));
  ASSERT_EQ(who(answer), "200 r2") << answer.body;
  EXPECT_EQ(answer.field("content-type"), "application/octet-stream");
  const auto length = std::stoul(answer.field("inference-header-content-length"));
  EXPECT_EQ(answer.body.size(), length + 12);
}

TEST_F(SplitTest, OnlyInferencesAreSplit) {
  run_with_weight(100);
  EXPECT_EQ(who(stable_.get("/v2/models/digits")), "200 r1");
  EXPECT_EQ(who(stable_.get("/openapi.json")), "200 r1");
  EXPECT_EQ(who(stable_.post("/v2/models/digits/versions/r1/infer", infer_body(1))), "200 r1")
      << "it was named";
  EXPECT_EQ(who(stable_.post("/v2/models/digits/versions/r2/infer", infer_body(1))), "404 r1");
  EXPECT_EQ(candidate_.script_->inferences, 0);
  EXPECT_EQ(segment()["unsplit"]["asked"], 1);
}

TEST_F(SplitTest, WhatIsTooLargeToHoldIsAnsweredHereAndCountsForNobody) {
  run_with_weight(100, [](json& b) { b["holdBytes"] = infer_body(1).size(); });
  EXPECT_EQ(who(infer()), "200 r2");
  EXPECT_EQ(who(infer("", 1.5F)), "200 r1");
  EXPECT_EQ(segment()["unsplit"], (json{{"tooLarge", 1}}));
  EXPECT_EQ(counts("r1")["requests"], 0);
}

TEST_F(SplitTest, AClientsOwnMistakeIsTheCandidatesToTell) {
  run_with_weight(100);
  EXPECT_EQ(who(stable_.post(kInfer, "{}")), "400 r2");
  EXPECT_EQ(counts("r2")["clientErrors"], 1);
  EXPECT_EQ(counts("r2")["counted"]["candidate-1"]["errors"]["bad"], 0);
}

TEST_F(SplitTest, BothSidesErrorsCountInTheSameWay) {
  run_with_weight(50);
  const auto id_of = [](bool candidate) {
    for (int i = 0;; ++i) {
      if (falls_to_candidate(draw("attempt-1", std::to_string(i)), 5000) == candidate)
        return std::to_string(i);
    }
  };
  stable_.script_->always = testing::kThrow;
  EXPECT_EQ(who(infer(std::format("x-request-id: {}\r\n", id_of(false)))), "500 r1");
  candidate_.script_->always = testing::kThrow;
  EXPECT_EQ(who(infer(std::format("x-request-id: {}\r\n", id_of(true)))), "500 r1") << "both fail";
  for (const char* revision : {"r1", "r2"}) {
    EXPECT_EQ(counts(revision)["requests"], 1) << revision;
    EXPECT_EQ(counts(revision)["bad"]["error"], 1) << revision;
  }
  EXPECT_EQ(counts("r1")["counted"].size(), 1);
  EXPECT_EQ(counts("r1")["counted"]["stable-1"]["errors"]["bad"], 1);
  EXPECT_EQ(counts("r2")["counted"].size(), 1);
  EXPECT_EQ(counts("r2")["counted"]["candidate-1"]["errors"]["bad"], 1);
}

TEST_F(SplitTest, TheOperatorFindsItsOwnWordsAgain) {
  run();
  EXPECT_EQ(stable_.status()["lastEpoch"], 0);
  const auto ask = [&](const char* id, const char* label, double weight) {
    ASSERT_EQ(split(weight,
                    [&](json& b) {
                      b["id"] = id;
                      b["segment"] = label;
                    })
                  .status,
              200);
  };
  ask("a", "step-1", 100);
  infer();
  ask("b", "step-1", 100);
  EXPECT_EQ(stable_.status()["lastEpoch"], epoch_);
  EXPECT_EQ(stable_.status()["split"]["id"], "b");
  EXPECT_EQ(stable_.status()["split"]["segments"].size(), 1);
  EXPECT_EQ(segment()["label"], "step-1");
  EXPECT_EQ(segment()["candidate"], "r2");
  ask("b", "step-2", 100);
  EXPECT_EQ(stable_.status()["split"]["segments"].size(), 2);
  EXPECT_EQ(segment()["label"], "step-2");
  EXPECT_EQ(counts("r2")["requests"], 0);
}

TEST_F(SplitTest, BothSidesAreTimedFromTheFirstByteToTheAnswer) {
  run();
  for (const double weight : {0.0, 100.0}) {
    ASSERT_EQ(split(weight, [](json& b) { b["latencyThresholdSeconds"] = 1e-9; }).status, 200);
    EXPECT_EQ(infer().status, 200);
    auto counted = weight == 0 ? counts("r1")["counted"]["stable-1"] : counts("r2")["counted"]["candidate-1"];
    ASSERT_EQ(counted["slow"].size(), 3);
    for (const auto& slow : counted["slow"]) EXPECT_EQ(slow["bad"], 1);
    EXPECT_EQ(counted["errors"]["bad"], 0);
  }
}

// A bad candidate, and no failed request.

TEST_F(SplitTest, WhatTheCandidateFailsIsAnsweredHere) {
  run_with_weight(100);
  candidate_.script_->always = testing::kThrow;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(who(infer()), "200 r1");
  EXPECT_EQ(counts("r2")["requests"], 20);
  EXPECT_EQ(counts("r2")["bad"]["error"], 20);
  const auto errors = counts("r2")["counted"]["candidate-1"]["errors"];
  EXPECT_LT(errors["bad"], 20) << "what fails within a second counts once";
  EXPECT_EQ(errors["requests"], errors["bad"]);
  EXPECT_EQ(counts("r1")["requests"], 0) << "it is not the stable side's";
}

TEST_F(SplitTest, ACandidateThatCrashesIsNoticedByNobody) {
  run_with_weight(100);
  candidate_.script_->always = testing::kCrash;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(who(infer()), "200 r1");
  EXPECT_EQ(counts("r2")["bad"]["error"], 20) << "also while its engine starts again";
}

TEST_F(SplitTest, ACandidateThatHangsIsGivenUp) {
  run_with_weight(100, [](json& b) { b["hopTimeoutSeconds"] = 0.1; });
  candidate_.script_->always = testing::kSlow;
  EXPECT_EQ(who(infer()), "200 r1");
  EXPECT_GE(counts("r2")["bad"]["hopFailure"].get<int>() + counts("r2")["bad"]["error"].get<int>(), 1);
}

TEST_F(SplitTest, TheHopLeavesHalfOfTheTimeForAnsweringHere) {
  run_with_weight(100, [](json& b) { b["hopTimeoutSeconds"] = 300; });
  candidate_.script_->always = testing::kSlow;
  EXPECT_EQ(who(infer("x-request-timeout-ms: 400\r\n")), "200 r1");
}

TEST_F(SplitTest, ACandidateThatIsGoneIsLeftAloneAndTheRestIsAnsweredHere) {
  run_with_weight(100);
  EXPECT_EQ(who(infer()), "200 r2");
  candidate_.stop();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(who(infer()), "200 r1");
  EXPECT_GE(counts("r2")["bad"]["hopFailure"], 1);
  EXPECT_GE(segment()["unsplit"]["noPeer"], 10);
  EXPECT_EQ(stable_.status()["split"]["peers"][0]["state"], "Down");
}

TEST_F(SplitTest, ACandidateThatWasStartedAgainIsAnotherUntilTheOperatorSaysSo) {
  run_with_weight(100);
  EXPECT_EQ(who(infer()), "200 r2");
  candidate_.stop();
  candidate_.options_.hop_address = std::format("127.0.0.1:{}", stable_.options_.peer_port);
  candidate_.run_until_ready();
  stable_.await(
      [&](const json& now) {
        EXPECT_EQ(who(infer()), "200 r1");
        return now["split"]["peers"][0].value("lastFailure", "") == "Untrusted";
      },
      "untrusted");
  tell_candidate();
  ASSERT_EQ(split(100).status, 200);
  EXPECT_EQ(who(infer()), "200 r2");
}

TEST_F(SplitTest, WhatMustNotRunTwiceFailsWithTheReason) {
  run_with_weight(100, [](json& b) { b["fallback"] = "Off"; });
  candidate_.script_->always = testing::kThrow;
  EXPECT_EQ(who(infer()), "500 r2");
  candidate_.stop();
  const auto answer = infer();
  EXPECT_EQ(who(answer), "502 r2");
  EXPECT_THAT(answer.body, HasSubstr("revision 'r2' gave no answer ("));
  EXPECT_EQ(counts("r2")["bad"], (json{{"error", 1}, {"hopFailure", 1}}));
  EXPECT_EQ(stable_.script_->inferences, 0);
}

TEST_F(SplitTest, WhatMustNotRunTwiceAndHangsIsATimeout) {
  run_with_weight(100, [](json& b) {
    b["fallback"] = "Off";
    b["hopTimeoutSeconds"] = 0.1;
  });
  // The engine alone hangs: the peer's own answer, that it came too late, may be first.
  candidate_.script_->always = testing::kSlow;
  const auto answer = infer();
  EXPECT_TRUE(answer.status == 504 || answer.status == 503) << answer.status;
}

TEST_F(SplitTest, AClientThatLeavesTakesItsRequestWithIt) {
  run_with_weight(100);
  candidate_.script_->always = testing::kSlow;
  {
    RawClient client(stable_.port_);
    client.send(infer_request(1));
    candidate_.await_begun();
  }
  stable_.await(
      [&](const json& now) { return now["split"]["segments"].back()["revisions"]["r2"]["cancelled"] == 1; },
      "cancelled");
  EXPECT_EQ(counts("r2")["requests"], 0);
  EXPECT_EQ(stable_.status()["split"]["peers"][0]["inFlight"], 0);
}

// The end of a split.

TEST_F(SplitTest, AnExpiredSplitEndsIfTheStableSideIsFull) {
  run_with_weight(100, [](json& b) { b["expiresAt"] = FormatTime(system_clock::now() - seconds(1)); });
  EXPECT_EQ(who(infer()), "200 r1");
  const auto now = stable_.status()["split"];
  EXPECT_EQ(now["expired"], true);
  EXPECT_EQ(now["weight"], 100.0);
  EXPECT_EQ(now["weightInForce"], 0.0);
  EXPECT_EQ(segment()["unsplit"], (json{{"expired", 1}}));
}

TEST_F(SplitTest, AnExpiredSplitHoldsIfItIsNot) {
  run_with_weight(100, [](json& b) {
    b["expiresAt"] = FormatTime(system_clock::now() - seconds(1));
    b["stableIsFull"] = false;
  });
  EXPECT_EQ(who(infer()), "200 r2");
  candidate_.stop();
  EXPECT_EQ(who(infer()), "200 r1") << "peers that fail drop out";
}

TEST_F(SplitTest, ASplitWithoutPeersIsAnsweredHere) {
  run_with_weight(100, [](json& b) { b.erase("peers"); });
  EXPECT_EQ(who(infer()), "200 r1");
  EXPECT_EQ(segment()["unsplit"], (json{{"noPeer", 1}}));
}

TEST_F(SplitTest, AStableFrontThatDrainsGoesOnHandingOver) {
  stable_.options_.drain = {.quiet = seconds(60), .least = seconds(60), .most = seconds(60)};
  run_with_weight(100);
  ASSERT_EQ(http::testing::call(stable_.admin_, "PUT", "/drain",
                                operator_.sign("PUT /drain", stable_.config_.identity, ++epoch_))
                .status,
            200);
  EXPECT_EQ(stable_.status()["phase"], "Draining");
  EXPECT_EQ(who(infer()), "200 r2");
}

TEST_F(SplitTest, ACandidateThatDrainsAnswersAndSaysThatItLeaves) {
  candidate_.options_.drain = {.quiet = seconds(60), .least = seconds(60), .most = seconds(60)};
  run_with_weight(100);
  candidate_.on_its_thread([&] { candidate_.front_->drain([] {}); });
  EXPECT_EQ(who(infer()), "200 r2");
  EXPECT_EQ(stable_.status()["split"]["peers"][0]["state"], "Leaving");
  EXPECT_EQ(who(infer()), "200 r1");
  EXPECT_EQ(counts("r2")["counted"]["candidate-1"]["errors"]["bad"], 0);
}

// A client's wish.

TEST_F(SplitTest, AClientMayNameTheRevisionWhereTheSplitAllowsIt) {
  run_with_weight(0, [](json& b) { b["allowRevisionHeader"] = true; });
  EXPECT_EQ(who(infer("x-pilotlight-revision: r2\r\n")), "200 r2");
  EXPECT_EQ(who(infer("X-Pilotlight-Revision: r1\r\n")), "200 r1");
  const auto unknown = infer("x-pilotlight-revision: r3\r\n");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_THAT(json::parse(unknown.body)["error"].get<std::string>(),
              HasSubstr(R"(no revision "r3"; there is 'r1' (stable) and 'r2' (candidate))"));
  EXPECT_EQ(counts("r1")["requests"].get<int>() + counts("r2")["requests"].get<int>(), 0)
      << "those who choose are no sample";
}

TEST_F(SplitTest, WhoNamesTheCandidateIsToldTheTruthAboutIt) {
  run_with_weight(0, [](json& b) { b["allowRevisionHeader"] = true; });
  candidate_.script_->always = testing::kThrow;
  EXPECT_EQ(who(infer("x-pilotlight-revision: r2\r\n")), "500 r2");
  candidate_.stop();
  EXPECT_EQ(infer("x-pilotlight-revision: r2\r\n").status, 502);
  const auto gone = infer("x-pilotlight-revision: r2\r\n");
  EXPECT_EQ(gone.status, 503);
  EXPECT_THAT(gone.body, HasSubstr("no pod of revision 'r2'"));
}

// What nobody can forge.

TEST_F(SplitTest, WithoutLeaveAClientsHeadersMoveNothing) {
  run_with_weight(0);
  EXPECT_EQ(who(infer("x-pilotlight-revision: r2\r\nx-pilotlight-hop: 1\r\nx-pilotlight-weight: 100\r\n")),
            "200 r1");
  EXPECT_EQ(candidate_.script_->inferences, 0);
}

TEST_F(SplitTest, ASplitThatIsRefusedChangesNothing) {
  run_with_weight(0);
  const auto before = stable_.status()["split"];
  const auto call = [&](const std::string& envelope) {
    return http::testing::call(stable_.admin_, "PUT", "/split", envelope);
  };
  EXPECT_EQ(call(document(100).dump()).status, 401);
  EXPECT_EQ(call(OperatorForTest().sign("PUT /split", stable_.config_.identity, 99, document(100))).status,
            401);
  EXPECT_EQ(call(operator_.sign("PUT /split", candidate_.config_.identity, 99, document(100))).status, 403);
  EXPECT_EQ(call(operator_.sign("PUT /split", stable_.config_.identity, 1, document(100))).status, 409);
  const auto invalid = split(101);
  EXPECT_EQ(invalid.status, 400);
  EXPECT_THAT(invalid.body, HasSubstr("weight is not a number from 0 to 100"));
  EXPECT_EQ(split(100, [](json& b) { b["peers"][0]["ip"] = "169.254.169.254"; }).status, 400);
  EXPECT_EQ(stable_.status()["split"], before);
  EXPECT_EQ(who(infer()), "200 r1");
}

TEST_F(SplitTest, LoopbackIsNoPeerOutsideOfTests) {
  stable_.options_.loopback_peers = false;
  run();
  EXPECT_THAT(split(100).body, HasSubstr("is a loopback address"));
}

// A TLS client that is not a front of ours: what it gets to read, or why it does not.
std::string knock(std::uint16_t port, asio::ssl::context& context, const std::string& request) {
  asio::io_context io;
  asio::ssl::stream<asio::ip::tcp::socket> tls(io, context);
  boost::system::error_code failed;
  tls.next_layer().connect({asio::ip::address_v4::loopback(), port}, failed);
  if (failed) return "not reachable";
  tls.handshake(asio::ssl::stream_base::client, failed);
  if (failed) return "no handshake";
  asio::write(tls, asio::buffer(request), failed);
  std::string answer(1000, '\0');
  answer.resize(tls.read_some(asio::buffer(answer), failed));
  return failed ? "ended" : answer;
}

TEST_F(SplitTest, WhoIsNotNamedCannotHandOver) {
  run();
  const auto port = candidate_.front_->hop_port();
  asio::ssl::context nobody(asio::ssl::context::tls_client);
  EXPECT_EQ(knock(port, nobody, infer_request(1)), "ended");
  const HopIdentity another;
  const auto context = another.client();
  SSL_CTX_set_verify(context->native_handle(), SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_cert_verify_callback(
      context->native_handle(), [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
  EXPECT_EQ(knock(port, *context, infer_request(1)), "ended");
  EXPECT_EQ(candidate_.script_->inferences, 0);
  // Its certificate was all that was wrong.
  auto body = document(0);
  body.erase("peers");
  body["callers"] = {fingerprint_text(another.fingerprint())};
  ASSERT_EQ(put(candidate_, body).status, 200);
  EXPECT_THAT(knock(port, *context, infer_request(1)), ::testing::StartsWith("HTTP/1.1 200"));
}

TEST_F(SplitTest, TheHopIsNotSpokenInTheClearNorInAnOlderTls) {
  run();
  const auto port = candidate_.front_->hop_port();
  EXPECT_EQ(http::testing::call(port, "POST", kInfer, infer_body(1), kJson).status, 0);
  asio::ssl::context old(asio::ssl::context::tls_client);
  SSL_CTX_set_max_proto_version(old.native_handle(), TLS1_2_VERSION);
  EXPECT_EQ(knock(port, old, infer_request(1)), "no handshake");
}

TEST_F(SplitTest, WhoIsNamedNoMoreIsRefusedOnTheConnectionThatItHas) {
  run_with_weight(100);
  EXPECT_EQ(who(infer()), "200 r2");
  auto body = document(0);
  body.erase("peers");
  ASSERT_EQ(put(candidate_, body).status, 200);
  EXPECT_EQ(who(infer()), "200 r1");
  EXPECT_EQ(counts("r2")["bad"]["error"], 1);
}

TEST_F(SplitTest, ACandidateThatNobodyAsksMakesGoldenRequestsOfItself) {
  candidate_.run([](testing::ScriptedLauncher& script) { script.proof["cases"] = 2; });
  candidate_.await_phase("Ready");
  EXPECT_FALSE(candidate_.status().contains("probes"));
  auto body = document(0);
  body.erase("peers");
  body["probeSeconds"] = 0.1;
  ASSERT_EQ(put(candidate_, body).status, 200);
  const auto await_probes = [&](const char* what, int least) {
    return candidate_.await(
        [&](const json& now) { return now.contains("probes") && now["probes"][what] >= least; }, what);
  };
  EXPECT_EQ(await_probes("requests", 3)["probes"]["bad"], 0);
  EXPECT_FALSE(candidate_.status().contains("recheck")) << "what is found out by these counts by itself";
  candidate_.script_->bad_case = 1;
  await_probes("bad", 2);
}

TEST_F(SplitTest, WhoseCandidateIsReplacedWhileItsBodyComesIsAnsweredHere) {
  run_with_weight(100);
  for (const bool replaced : {true, false}) {
    RawClient client(stable_.port_);
    const auto body = infer_body(1);
    client.send(
        std::format("POST {} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n{}content-length: {}\r\n\r\n",
                    kInfer, kJson, body.size()));
    ASSERT_EQ(client.read(true).status, 100) << "it is placed";
    ASSERT_EQ(split(100, [&](json& b) { b["peers"][0]["revision"] = replaced ? "r3" : "r2"; }).status, 200);
    client.send(body);
    EXPECT_EQ(who(client.read()), replaced ? "200 r1" : "200 r2");
    ASSERT_EQ(split(100).status, 200);
  }
}

TEST_F(SplitTest, TheHopTakesInferencesAndNothingElse) {
  run();
  const HopIdentity caller;
  auto body = document(0);
  body.erase("peers");
  body["callers"] = {fingerprint_text(caller.fingerprint())};
  ASSERT_EQ(put(candidate_, body).status, 200);
  const auto context = caller.client();
  SSL_CTX_set_cert_verify_callback(
      context->native_handle(), [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
  for (const char* line : {"GET /v2", "GET /status", "PUT /split", "GET /predict", "POST /"}) {
    EXPECT_THAT(knock(candidate_.front_->hop_port(), *context,
                      std::format("{} HTTP/1.1\r\nhost: hop\r\ncontent-length: 0\r\n\r\n", line)),
                ::testing::StartsWith("HTTP/1.1 404"))
        << line;
  }
}

TEST_F(SplitTest, ThereIsOneHopAtMost) {
  stable_.options_.hop_address = "127.0.0.1:0";
  run_with_weight(100);
  // The candidate has a split of its own, to a pod that is not there.
  auto body = document(100);
  body["callers"] = {certificate(stable_)};
  body["peers"][0]["revision"] = "r3";
  body["fallback"] = "Off";
  ASSERT_EQ(put(candidate_, body).status, 200);
  EXPECT_EQ(who(infer("x-pilotlight-revision: r3\r\n")), "200 r2");
  EXPECT_EQ(who(candidate_.post(kInfer, infer_body(1))), "502 r3") << "of its own requests it does";
}

TEST_F(SplitTest, TheStatusTellsNoSecret) {
  run_with_weight(50);
  const auto text = stable_.status()["split"].dump();
  EXPECT_THAT(text, Not(HasSubstr("attempt-1")));
  EXPECT_THAT(text, Not(HasSubstr("127.0.0.1")));
  const auto hop = stable_.status()["hop"];
  EXPECT_EQ(hop["port"], stable_.front_->hop_port());
  EXPECT_NE(hop["certificate"], certificate_);
}

TEST_F(SplitTest, WithoutAHopsPortThereIsNone) {
  stable_.options_.hop_address.clear();
  stable_.run_until_ready();
  EXPECT_EQ(stable_.front_->hop_port(), 0);
  EXPECT_FALSE(stable_.status().contains("hop"));
}

}  // namespace
}  // namespace pilotlight::front
