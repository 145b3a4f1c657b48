// The shadow: what was answered here is sent to a candidate once more, and nobody notices.

#include "sidecar/front/split/mirror.h"

#include <gmock/gmock.h>

#include <array>
#include <format>
#include <mutex>
#include <optional>
#include <thread>

#include "common/log/log.h"
#include "sidecar/front/split/choice.h"
#include "sidecar/front/split/tls_peer_for_test.h"
#include "sidecar/front/split/two_fronts_for_test.h"

namespace pilotlight::front {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::system_clock;
using testing::infer_body;
using testing::kInfer;
using testing::kJson;
using testing::TlsPeerForTest;

class MirrorTest : public testing::TwoFronts {
 protected:
  static void all(json& body) { body["mirror"] = {{"percent", 100}}; }

  // The last segment, once what was mirrored has come to so many ends.
  json await_ends(std::uint64_t count) const {
    return stable_
        .await([&](const json& now) { return ends(now["split"]["segments"].back()) == count; },
               std::format("{} mirrored", count))["split"]["segments"]
        .back();
  }
  static std::uint64_t ends(const json& segment) {
    std::uint64_t sum = segment.value("mirrorDropped", std::uint64_t{0});
    for (const auto& pod : segment.value("mirrored", json::object()))
      sum += pod["compared"].get<std::uint64_t>();
    return sum;
  }
  // A split to the scripted peer in place of the candidate.
  void run_with(TlsPeerForTest& peer, const HopIdentity& its,
                const std::function<void(json&)>& change = all) {
    stable_.options_.peer_port = peer.port();
    stable_.run_until_ready();
    certificate_ = fingerprint_text(its.fingerprint());
    ASSERT_EQ(split(0, change).status, 200);
  }
};

TEST_F(MirrorTest, AWrongCandidateThatIsFastAndAnswersIsFound) {
  run_with_weight(0, all);
  candidate_.script_->factor = -2;
  for (std::uint64_t i = 1; i <= 4; ++i) {
    EXPECT_EQ(who(infer()), "200 r1");
    await_ends(i);
  }
  const auto now = segment();
  const auto found = now["mirrored"]["candidate-1"];
  EXPECT_EQ(found["compared"], 4);
  EXPECT_EQ(found["disagreed"], 4);
  EXPECT_EQ(found["failed"], 0);
  EXPECT_EQ(found["top1"], (json{{"rows", 4}, {"agreed", 0}}));
  EXPECT_EQ(found["elements"], 12);
  EXPECT_EQ(found["worstDifference"], 12.0);
  EXPECT_EQ(found["meanDifference"], 8.0);
  const auto events = now["revisions"]["r2"]["counted"]["candidate-1"]["disagreement"];
  EXPECT_GE(events["bad"], 1);
  EXPECT_EQ(events["requests"], events["bad"]);
  EXPECT_EQ(stable_.metric("pilotlight_mirror_requests_total{result=\"disagreed\"}"), 4);
}

TEST_F(MirrorTest, ACandidateThatAnswersAlikeAgreesInEachForm) {
  run_with_weight(0, all);
  const std::string head =
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"parameters":{"binary_data_size":12}}],)"
      R"("outputs":[{"name":"y","parameters":{"binary_data":true}}]})";
  const std::array<float, 3> numbers{0.5F, -1.0F, 3.0F};
  const std::string raw(reinterpret_cast<const char*>(numbers.data()), sizeof numbers);
  const auto octets = [](std::size_t length) {
    return std::format("content-type: application/octet-stream\r\ninference-header-content-length: {}\r\n",
                       length);
  };
  EXPECT_EQ(who(infer()), "200 r1");
  await_ends(1);
  EXPECT_EQ(who(stable_.post("/predict", "[[1,2,3],[4,5,6]]")), "200 r1");
  await_ends(2);
  EXPECT_EQ(who(stable_.post("/predict", "[1,2,3]")), "200 r1");
  await_ends(3);
  EXPECT_EQ(who(stable_.post(kInfer, head + raw, octets(head.size()))), "200 r1");
  await_ends(4);
  EXPECT_EQ(who(stable_.post(kInfer, raw, octets(0))), "200 r1");
  EXPECT_EQ(await_ends(5)["mirrored"]["candidate-1"],
            json::parse(R"({"compared":5,"disagreed":0,"failed":0,"top1":{"rows":6,"agreed":6},
                            "elements":18,"meanDifference":0.0,"worstDifference":0.0})"));
  EXPECT_EQ(stable_.metric("pilotlight_mirror_requests_total{result=\"agreed\"}"), 5);
}

TEST_F(MirrorTest, WhatIsNoNumberOnBothSidesAgrees) {
  run_with_weight(0, all);
  stable_.script_->always = testing::kNan;
  candidate_.script_->always = testing::kNan;
  EXPECT_EQ(who(infer()), "200 r1");
  const auto found = await_ends(1)["mirrored"]["candidate-1"];
  EXPECT_EQ(found["disagreed"], 0);
  EXPECT_EQ(found["elements"], 0);
  EXPECT_EQ(found["meanDifference"], 0.0);
  candidate_.script_->always = 0;
  infer();
  EXPECT_EQ(await_ends(2)["mirrored"]["candidate-1"]["disagreed"], 1);
}

TEST_F(MirrorTest, TheToleranceIsTheSplits) {
  run_with_weight(0, all);
  candidate_.script_->factor = 2.25F;
  infer();
  EXPECT_EQ(await_ends(1)["mirrored"]["candidate-1"]["disagreed"], 1);
  ASSERT_EQ(split(0, [](json& b) { b["mirror"] = {{"percent", 100}, {"absoluteTolerance", 0.2}}; }).status,
            200);
  infer();
  EXPECT_EQ(await_ends(1)["mirrored"]["candidate-1"]["disagreed"], 0) << "0.75 is within a fifth of 6";
}

TEST_F(MirrorTest, WhatIsMirroredIsARequestOfNeitherSide) {
  run_with_weight(0, all);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    infer();
    await_ends(i);
  }
  EXPECT_EQ(counts("r1")["requests"], 3);
  EXPECT_EQ(counts("r2")["requests"], 0);
  EXPECT_EQ(counts("r2")["counted"]["candidate-1"]["errors"]["requests"], 0);
  EXPECT_EQ(stable_.metric("pilotlight_split_requests_total{arm=\"candidate\",result=\"good\"}"), 0);
  // The candidate tells them apart, too.
  EXPECT_EQ(candidate_.metric("pilotlight_mirror_received_total{code=\"200\"}"), 3);
  EXPECT_EQ(candidate_.metric("pilotlight_requests_total{code=\"200\",route=\"infer\"}"), -1);
  EXPECT_EQ(stable_.metric("pilotlight_requests_total{code=\"200\",route=\"infer\"}"), 3)
      << "as it is called";
  EXPECT_EQ(candidate_.status()["split"]["segments"].back()["revisions"]["r2"]["requests"], 0);
}

TEST_F(MirrorTest, TheAccessLogTellsThemApart) {
  run_with_weight(0, all);
  std::mutex mutex;
  std::string lines;
  log::Configure({.level = log::Level::Info, .sink = [&](std::string_view line) {
                    const std::scoped_lock lock(mutex);
                    lines += line;
                  }});
  infer("x-request-id: shadowed\r\n");
  await_ends(1);
  log::Configure({.level = log::Level::Error, .sink = [](std::string_view) {}});
  const std::scoped_lock lock(mutex);
  EXPECT_THAT(lines, ::testing::ContainsRegex(R"("request_id":"shadowed".*"hop":"mirror")"));
  EXPECT_THAT(lines, ::testing::ContainsRegex(R"("request_id":"shadowed".*"hop":"")"));
}

TEST_F(MirrorTest, AShareIsChosenByANumberOfItsOwn) {
  run_with_weight(50, [](json& b) {
    b["mirror"] = {{"percent", 50}};
    b["sticky"] = {{"header", "x-session"}};
  });
  std::uint64_t expected = 0;
  for (int i = 0; i < 40; ++i) {
    const auto id = std::format("request-{}", i);
    const bool here = !falls_to_candidate(draw("attempt-1", std::format("session-{}", i % 4)), 5000);
    expected += here && falls_to_mirror(draw("attempt-1", id), 5000) ? 1 : 0;
    EXPECT_EQ(infer(std::format("x-request-id: {}\r\nx-session: session-{}\r\n", id, i % 4)).status, 200);
    await_ends(expected);
  }
  EXPECT_GT(expected, 2);
  EXPECT_EQ(ends(segment()), expected);
}

TEST_F(MirrorTest, OnlyGoodAnswersOfTheSplitsOwnAreMirrored) {
  run_with_weight(0, [](json& b) {
    all(b);
    b["holdBytes"] = infer_body(1).size();
    b["allowRevisionHeader"] = true;
  });
  EXPECT_EQ(stable_.post(kInfer, "{}").status, 400);
  EXPECT_EQ(who(infer("", 1.5F)), "200 r1") << "too large to hold";
  EXPECT_EQ(who(stable_.post("/v2/models/digits/versions/r1/infer", infer_body(1))), "200 r1")
      << "it was named";
  EXPECT_EQ(who(infer("x-pilotlight-revision: r1\r\n")), "200 r1");
  EXPECT_EQ(stable_.get("/v2/models/digits").status, 200);
  stable_.script_->always = testing::kThrow;
  EXPECT_EQ(who(infer()), "500 r1");
  stable_.script_->always = 0;
  infer();
  await_ends(1);
  EXPECT_EQ(candidate_.script_->inferences, 1);
}

TEST_F(MirrorTest, AnOutputThatThereIsNotIsTheClientsMistakeAlsoWhereOnlyTheModelKnowsThem) {
  candidate_.run_until_ready();
  stable_.options_.peer_port = candidate_.front_->hop_port();
  stable_.run([](testing::ScriptedLauncher& script) { script.contract.outputs.clear(); });
  stable_.await_phase("Ready");
  tell_candidate();
  ASSERT_EQ(split(0, all).status, 200);
  EXPECT_EQ(stable_.post(kInfer, R"({"outputs":[{"name":"z"}],)" + infer_body(1).substr(1)).status, 400);
  EXPECT_EQ(who(infer()), "200 r1");
  EXPECT_EQ(await_ends(1)["mirrored"]["candidate-1"]["disagreed"], 0);
  EXPECT_EQ(candidate_.script_->inferences, 1);
}

TEST_F(MirrorTest, WhatFellToTheCandidateAndCameBackIsNotSentAgain) {
  run_with_weight(100, all);
  candidate_.script_->always = testing::kThrow;
  EXPECT_EQ(who(infer()), "200 r1");
  candidate_.script_->always = 0;
  ASSERT_EQ(split(0, all).status, 200);
  infer();
  await_ends(1);
  EXPECT_EQ(ends(stable_.status()["split"]["segments"][0]), 0);
  EXPECT_EQ(candidate_.script_->inferences, 2);
}

TEST_F(MirrorTest, WithoutAMirrorOrAfterItsEndNothingIsSent) {
  run_with_weight(0);
  infer();
  EXPECT_FALSE(segment().contains("mirrored"));
  ASSERT_EQ(split(0,
                  [](json& b) {
                    all(b);
                    b["stableIsFull"] = false;
                    b["expiresAt"] = FormatTime(system_clock::now() - seconds(1));
                  })
                .status,
            200);
  infer();
  EXPECT_EQ(ends(segment()), 0);
  ASSERT_EQ(split(0, all).status, 200);
  infer();
  await_ends(1);
  EXPECT_EQ(candidate_.script_->inferences, 1);
}

TEST_F(MirrorTest, WhatTheCandidateFailsIsADisagreementAndNobodyElsesBusiness) {
  run_with_weight(0, all);
  candidate_.script_->always = testing::kThrow;
  EXPECT_EQ(who(infer()), "200 r1");
  auto found = await_ends(1)["mirrored"]["candidate-1"];
  EXPECT_EQ(found["failed"], 1);
  EXPECT_EQ(found["disagreed"], 1);
  candidate_.script_->always = testing::kCrash;
  EXPECT_EQ(who(infer()), "200 r1");
  found = await_ends(2)["mirrored"]["candidate-1"];
  EXPECT_EQ(found["failed"], 2);
  EXPECT_EQ(stable_.metric("pilotlight_mirror_requests_total{result=\"failed\"}"), 2);
}

TEST_F(MirrorTest, ACandidateThatHasEnoughToDoRefusesWhatNobodyWaitsFor) {
  run_with_weight(0, all);
  candidate_.script_->always = testing::kSlow;
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i) callers.emplace_back([&] { candidate_.post(kInfer, infer_body(1)); });
  candidate_.await([&](const json&) { return candidate_.metric("pilotlight_inferences_in_flight") == 2; },
                   "two are there");
  EXPECT_EQ(who(infer()), "200 r1");
  EXPECT_EQ(await_ends(1)["mirrorDropped"], 1) << "which says nothing about the model";
  EXPECT_EQ(segment()["mirrored"], json::object());
  EXPECT_EQ(candidate_.metric("pilotlight_mirror_received_total{code=\"429\"}"), 1);
  candidate_.script_->release();
  for (auto& caller : callers) caller.join();
}

TEST_F(MirrorTest, NobodyWaitsForACandidateThatHangs) {
  const auto identity = std::make_shared<HopIdentity>();
  TlsPeerForTest silent(identity, {});
  run_with(silent, *identity);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(who(infer()), "200 r1");
  EXPECT_GE(segment()["mirrorDropped"], 1) << "so many are not kept";
  EXPECT_EQ(stable_.status()["split"]["peers"][0]["state"], "Up") << "requests that count have their own say";
}

TEST_F(MirrorTest, ACandidateThatIsTooLateHasFailed) {
  const auto identity = std::make_shared<HopIdentity>();
  TlsPeerForTest silent(identity, {});
  run_with(silent, *identity, [](json& b) {
    all(b);
    b["hopTimeoutSeconds"] = 0.1;
  });
  EXPECT_EQ(who(infer()), "200 r1");
  EXPECT_EQ(await_ends(1)["mirrored"]["candidate-1"]["failed"], 1);
  EXPECT_THAT(silent.last_request(), ::testing::HasSubstr("x-request-timeout-ms: 100\r\n"));
}

TEST_F(MirrorTest, WhateverACandidateAnswersTheCallerSeesNothingOfIt) {
  const auto json_answer = [](std::string_view body, std::string_view fields = "") {
    return TlsPeerForTest::answer(200, body, fields);
  };
  const std::string head = R"({"outputs":[{"name":"y","datatype":"FP32","shape":[1,3]}]})";
  const auto length = std::format("inference-header-content-length: {}\r\n", head.size());
  // Would agree, if it could be so large.
  const std::array<float, 3> right{2, 4, 6};
  const std::string more = R"({"outputs":[{"name":"y","datatype":"FP32","shape":[1,3]},)"
                           R"({"name":"z","datatype":"UINT8","shape":[2000000]}]})";
  const auto large =
      json_answer(more + std::string(reinterpret_cast<const char*>(right.data()), sizeof right) +
                      std::string(2'000'000, 'x'),
                  std::format("inference-header-content-length: {}\r\n", more.size()));
  struct Case {
    const char* what;
    TlsPeerForTest::Act act;
    bool failed;
  };
  for (const auto& [what, act, failed] : std::initializer_list<Case>{
           {"resets", {.parts = {}, .reset = true}, true},
           {"breaks off",
            {.parts = {"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"}, .reset = true},
            true},
           {"speaks no HTTP", {.parts = {"hello\r\n\r\n"}}, true},
           {"answers 500", {.parts = {TlsPeerForTest::answer(500, "x")}}, true},
           {"answers 204", {.parts = {TlsPeerForTest::answer(204, "")}}, true},
           {"answers no tensors", {.parts = {json_answer("{}")}}, true},
           {"answers another form", {.parts = {json_answer(head)}}, true},
           {"answers too few bytes", {.parts = {json_answer(head + "123", length)}}, true},
           {"answers more than there may be", {.parts = {large}}, true},
           {"answers 500 and tensors",
            {.parts = {TlsPeerForTest::answer(500, head + std::string(12, '\0'), length)}},
            true},
           {"answers other numbers",
            {.parts = {json_answer(head + std::string(12, '\0'), length)}},
            false}}) {
    const auto identity = std::make_shared<HopIdentity>();
    TlsPeerForTest peer(identity, act);
    run_with(peer, *identity);
    EXPECT_EQ(who(infer()), "200 r1") << what;
    const auto found = await_ends(1)["mirrored"]["candidate-1"];
    EXPECT_EQ(found["disagreed"], 1) << what;
    EXPECT_EQ(found["failed"], failed ? 1 : 0) << what;
    EXPECT_EQ(stable_.status()["split"]["peers"][0]["state"], "Up") << what;
    stable_.stop();
  }
}

TEST_F(MirrorTest, ThePeerIsTheOneThatTheSplitNames) {
  const auto identity = std::make_shared<HopIdentity>();
  TlsPeerForTest forger(identity, {.parts = {TlsPeerForTest::answer(200, "{}")}});
  run_with(forger, HopIdentity());
  infer();
  EXPECT_EQ(await_ends(1)["mirrored"]["candidate-1"]["failed"], 1);
  EXPECT_EQ(forger.requests, 0);
}

TEST_F(MirrorTest, TheRequestIsMarkedAndHasNothingElseOfTheClients) {
  const auto identity = std::make_shared<HopIdentity>();
  TlsPeerForTest peer(identity, {.parts = {TlsPeerForTest::answer(429, "busy")}});
  run_with(peer, *identity);
  infer("x-request-id: one\r\nx-secret: s\r\n");
  EXPECT_EQ(await_ends(1)["mirrorDropped"], 1);
  EXPECT_EQ(
      peer.last_request(),
      std::format("POST {} HTTP/1.1\r\nhost: hop\r\nx-request-id: one\r\nx-request-timeout-ms: 5000\r\n"
                  "content-length: {}\r\ncontent-type: application/json\r\nx-pilotlight-mirror: 1\r\n\r\n{}",
                  kInfer, infer_body(1).size(), infer_body(1)));
}

TEST_F(MirrorTest, WithItsMirrorASplitLetsGoOfItsConnections) {
  const auto identity = std::make_shared<HopIdentity>();
  TlsPeerForTest peer(identity, {.parts = {TlsPeerForTest::answer(429, "busy")}});
  run_with(peer, *identity);
  infer();
  await_ends(1);
  EXPECT_EQ(peer.ended, 0);
  ASSERT_EQ(split(0).status, 200);
  stable_.await([&](const json&) { return peer.ended == 1; }, "ended");
}

TEST_F(MirrorTest, AClientCannotSetTheMark) {
  run_with_weight(0);
  const auto answer = infer("x-pilotlight-mirror: 1\r\n");
  EXPECT_EQ(who(answer), "200 r1");
  EXPECT_EQ(answer.field("content-type"), "application/json");
  EXPECT_EQ(counts("r1")["requests"], 1);
  EXPECT_EQ(stable_.metric("pilotlight_mirror_received_total{code=\"200\"}"), -1);
}

TEST_F(MirrorTest, WithoutAPeerItIsDropped) {
  run_with_weight(0, [](json& b) {
    all(b);
    b.erase("peers");
  });
  EXPECT_EQ(who(infer()), "200 r1");
  EXPECT_EQ(await_ends(1)["mirrorDropped"], 1);
}

// Its bounds, without anybody to send to.

class MirrorBounds : public ::testing::Test {
 protected:
  MirrorBounds() {
    tally_.apply(1,
                 {.hundredths = 0,
                  .salt = "s",
                  .sticky_header = "",
                  .candidate = "r2",
                  .label = "",
                  .mirror = Tolerance()},
                 system_clock::now());
    begin({.requests = 2, .bytes = 100, .answer_bytes = 60});
  }
  void begin(Mirror::Limits limits) { mirror_.emplace(io_, timers_, identity_, 1, limits, tally_); }
  std::shared_ptr<Mirror::Kept> keep(std::size_t bytes) {
    return mirror_->keep(1, "head", std::string(bytes, 'x'));
  }
  // Of our own, of so many bytes.
  void answer(std::shared_ptr<Mirror::Kept> kept, std::size_t bytes) {
    const std::vector<std::byte> numbers(bytes);
    const auto shape = static_cast<std::int64_t>(bytes);
    const std::vector<OutputTensor> outputs = {
        {.name = "y", .datatype = wire::Datatype::kUint8, .shape = std::span(&shape, 1), .bytes = numbers}};
    mirror_->send(std::move(kept), outputs);
  }
  std::uint64_t dropped() const { return tally_.total(Shadow::kDropped); }
  // One that never answers.
  std::unique_ptr<TlsPeerForTest> begin_with_a_peer() {
    const auto theirs = std::make_shared<HopIdentity>();
    auto peer = std::make_unique<TlsPeerForTest>(theirs, TlsPeerForTest::Act{});
    mirror_.emplace(io_, timers_, identity_, peer->port(), Mirror::Limits{}, tally_);
    SplitDocument document;
    document.mirror = MirrorOrder{};
    document.peers = {{.pod_uid = "p",
                       .ip = boost::asio::ip::address_v4::loopback(),
                       .certificate = theirs->fingerprint()}};
    mirror_->apply(document);
    return peer;
  }
  // All that it would still send finds no peer.
  void flush() {
    io_.run();
    io_.restart();
  }

  boost::asio::io_context io_{1};
  LoopTimers timers_{io_};
  HopIdentity identity_;
  Tally tally_;
  std::optional<Mirror> mirror_;
};

TEST_F(MirrorBounds, SoManyRequestsAreKeptAndNoMore) {
  auto first = keep(1);
  const auto second = keep(1);
  EXPECT_TRUE(first && second);
  EXPECT_EQ(keep(1), nullptr);
  EXPECT_EQ(dropped(), 1);
  first.reset();
  EXPECT_NE(keep(1), nullptr) << "as nobody wants the first any more";
  EXPECT_EQ(dropped(), 1);
}

TEST_F(MirrorBounds, SoManyBytesOfThemAreKeptAndNoMore) {
  auto first = keep(70);
  EXPECT_EQ(keep(31), nullptr);
  EXPECT_NE(keep(30), nullptr);
  EXPECT_EQ(dropped(), 1);
  answer(std::move(first), 31);
  EXPECT_EQ(dropped(), 2) << "with its answer it would be too much";
  auto again = keep(40);
  answer(std::move(again), 60);
  EXPECT_EQ(dropped(), 2);
  EXPECT_EQ(keep(1), nullptr) << "it waits to be sent";
  flush();
  EXPECT_EQ(dropped(), 4);
  EXPECT_NE(keep(100), nullptr) << "there was nobody to send it to";
}

TEST_F(MirrorBounds, AnAnswerThatIsTooLargeIsNotCompared) {
  answer(keep(1), 61);
  EXPECT_EQ(dropped(), 1);
  answer(keep(1), 60);
  EXPECT_EQ(dropped(), 1);
}

TEST_F(MirrorBounds, AnAnswerOfTooManyNumbersIsNotCompared) {
  begin({.answer_numbers = 60});
  answer(keep(1), 61);
  EXPECT_EQ(dropped(), 1);
  answer(keep(1), 60);
  EXPECT_EQ(dropped(), 1);
}

TEST_F(MirrorBounds, SoManyConnectionsToAPodAreMadeAndNoMore) {
  const auto silent = begin_with_a_peer();
  for (int i = 0; i < 8; ++i) answer(keep(1), 1);
  EXPECT_EQ(dropped(), 0);
  while (dropped() == 0 && io_.run_one_for(seconds(10)) > 0) continue;
  EXPECT_EQ(dropped(), 6);
}

TEST_F(MirrorBounds, WhatWasKeptForACandidateIsNotSentToTheNext) {
  const auto silent = begin_with_a_peer();
  auto kept = keep(1);
  tally_.apply(2, {.salt = "s", .candidate = "r3", .mirror = Tolerance()}, system_clock::now());
  answer(std::move(kept), 1);
  while (dropped() == 0 && io_.run_one_for(seconds(10)) > 0) continue;
  EXPECT_EQ(dropped(), 1);
}

TEST_F(MirrorBounds, WhatIsKeptMayOutliveTheMirror) {
  const auto kept = keep(1);
  answer(keep(1), 1);
  mirror_.reset();
  flush();
  EXPECT_EQ(dropped(), 0);
}

}  // namespace
}  // namespace pilotlight::front
