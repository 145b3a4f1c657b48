// The hop's two ends, each against one that does what no front of ours would.

#include <gmock/gmock.h>

#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <format>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "sidecar/front/split/hop_client.h"
#include "sidecar/front/split/tls_peer_for_test.h"

namespace pilotlight::front {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using testing::TlsPeerForTest;

class HopTest : public ::testing::Test {
 protected:
  HopTest() { limits_.idle = seconds(60); }

  // A client whose only peer is at that port and must be `who`.
  void aim(std::uint16_t port, const HopIdentity& who) {
    client_ = std::make_unique<HopClient>(io_, timers_, own_, port, limits_);
    client_->set_peers({peer("p1", who)});
  }
  static SplitPeer peer(const char* uid, const HopIdentity& who) {
    return {.pod_uid = uid, .ip = asio::ip::address_v4::loopback(), .certificate = who.fingerprint()};
  }
  std::expected<HopClient::Sent, Unsplit> send(milliseconds deadline = seconds(10)) {
    result_.reset();
    return client_->send(
        {.head =
             std::format("POST /predict HTTP/1.1\r\nhost: hop\r\ncontent-length: {}\r\n\r\n", body_.size()),
         .body = body_,
         .keep = {},
         .deadline = timers_.now() + deadline,
         .done = [this](HopResult result) { result_ = std::move(result); }});
  }
  // Sends, and runs the loop until it is done.
  HopResult ask(milliseconds deadline = seconds(10)) {
    if (const auto sent = send(deadline); !sent) {
      ADD_FAILURE() << unsplit_name(sent.error());
      return std::unexpected(HopFailure::kMalformed);
    }
    run_until([this] { return result_.has_value(); });
    return *result_;
  }
  std::string failure(milliseconds deadline = seconds(10)) {
    const auto result = ask(deadline);
    return result ? std::format("answered {}", result->status)
                  : std::string(hop_failure_name(result.error()));
  }
  void run_until(const std::function<bool()>& holds) {
    const auto until = std::chrono::steady_clock::now() + seconds(10);
    while (!holds() && std::chrono::steady_clock::now() < until) {
      io_.restart();
      io_.run_for(milliseconds(5));
    }
    ASSERT_TRUE(holds()) << "not within 10 s";
  }
  std::string state() const { return client_->to_json()[0]["state"]; }

  asio::io_context io_{1};
  LoopTimers timers_{io_};
  HopIdentity own_;
  std::shared_ptr<HopIdentity> theirs_ = std::make_shared<HopIdentity>();
  HopClient::Limits limits_;
  std::unique_ptr<HopClient> client_;
  std::string body_ = "[1,2,3]";
  std::optional<HopResult> result_;
};

const std::string kGood = TlsPeerForTest::answer(200, "hello", "content-type: text/plain\r\nx-more: 1\r\n");

TEST_F(HopTest, AnAnswerComesBackWithWhatAClientMaySeeOfIt) {
  TlsPeerForTest other(theirs_, {.parts = {kGood}});
  aim(other.port(), *theirs_);
  const auto result = ask();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 200);
  EXPECT_EQ(result->body, "hello");
  EXPECT_EQ(result->content_type, "text/plain");
  EXPECT_TRUE(result->fields.empty());
  EXPECT_THAT(other.last_request(), HasSubstr("POST /predict HTTP/1.1\r\n"));
  EXPECT_THAT(other.last_request(), ::testing::EndsWith("[1,2,3]"));
}

TEST_F(HopTest, AConnectionIsUsedAgain) {
  TlsPeerForTest other(theirs_, {.parts = {kGood}});
  aim(other.port(), *theirs_);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(ask());
  EXPECT_EQ(other.requests, 20);
  EXPECT_EQ(other.connections, 1);
  EXPECT_EQ(client_->connections(), 1);
}

TEST_F(HopTest, APeerWithAnotherCertificateGetsNothing) {
  const auto forger = std::make_shared<HopIdentity>();
  TlsPeerForTest other(forger, {.parts = {kGood}});
  aim(other.port(), *theirs_);
  EXPECT_EQ(failure(), "Untrusted");
  EXPECT_EQ(other.requests, 0);
  EXPECT_EQ(client_->connections(), 0);
}

TEST_F(HopTest, AnAddressThatAnotherPodHasTakenOverIsNotTrusted) {
  std::uint16_t port = 0;
  {
    TlsPeerForTest first(theirs_, {.parts = {kGood}});
    port = first.port();
    aim(port, *theirs_);
    ASSERT_TRUE(ask());
  }
  TlsPeerForTest second(std::make_shared<HopIdentity>(), {.parts = {kGood}}, port);
  run_until([&] { return client_->connections() == 0; });
  EXPECT_EQ(failure(), "Untrusted");
  EXPECT_EQ(second.requests, 0);
  // The operator has heard of it.
  const auto restarted = std::make_shared<HopIdentity>();
  client_->set_peers({peer("p1", *restarted)});
  EXPECT_EQ(failure(), "Untrusted");
}

TEST_F(HopTest, AConnectionThatThePeerHasClosedIsNotUsed) {
  std::uint16_t port = 0;
  {
    TlsPeerForTest first(theirs_, {.parts = {kGood}});
    port = first.port();
    aim(port, *theirs_);
    ASSERT_TRUE(ask());
    EXPECT_EQ(client_->connections(), 1);
  }
  TlsPeerForTest again(theirs_, {.parts = {kGood}}, port);
  run_until([&] { return client_->connections() == 0; });
  EXPECT_TRUE(ask());
  EXPECT_EQ(again.requests, 1);
}

TEST_F(HopTest, APeerThatIsNotThereIsLeftAloneForAWhile) {
  std::uint16_t port = 0;
  {
    const TlsPeerForTest gone(theirs_, {});
    port = gone.port();
  }
  aim(port, *theirs_);
  EXPECT_EQ(failure(), "Unreachable");
  EXPECT_EQ(state(), "Down");
  EXPECT_EQ(client_->to_json()[0]["lastFailure"], "Unreachable");
  EXPECT_EQ(send().error(), Unsplit::kNoPeer);
  TlsPeerForTest back(theirs_, {.parts = {kGood}}, port);
  run_until([&] { return client_->usable() == 1; });
  EXPECT_TRUE(ask());
  EXPECT_EQ(state(), "Up");
}

TEST_F(HopTest, APeerThatIsComingBackGetsOneRequestAtATime) {
  std::uint16_t port = 0;
  {
    const TlsPeerForTest gone(theirs_, {});
    port = gone.port();
  }
  aim(port, *theirs_);
  EXPECT_EQ(failure(), "Unreachable");
  TlsPeerForTest slow(theirs_, {.parts = {kGood.substr(0, 20), kGood.substr(20)}}, port);
  run_until([&] { return client_->usable() == 1; });
  ASSERT_TRUE(send());
  EXPECT_EQ(send().error(), Unsplit::kNoPeer);
  run_until([&] { return slow.requests == 1; });
  slow.proceed();
  run_until([&] { return client_->usable() == 1 && client_->to_json()[0]["inFlight"] == 0; });
}

TEST_F(HopTest, WhatThePeerDoesWrongIsNoAnswer) {
  struct Case {
    const char* what;
    TlsPeerForTest::Act act;
    const char* failure;
  };
  const std::string half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
  for (const auto& [what, act, expected] : std::initializer_list<Case>{
           {"resets before a status", {.parts = {}, .reset = true}, "Reset"},
           {"resets in the head", {.parts = {"HTTP/1.1 200 OK\r\ncont"}, .reset = true}, "Reset"},
           {"resets in the body", {.parts = {half}, .reset = true}, "Reset"},
           {"answers 500 and breaks off",
            {.parts = {"HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\nhal"}, .reset = true},
            "Reset"},
           {"speaks no HTTP", {.parts = {"hello\r\n\r\n"}}, "Malformed"},
           {"sends more than it said", {.parts = {kGood + "more"}}, "Malformed"},
           {"has no length", {.parts = {"HTTP/1.1 200 OK\r\n\r\nhello"}, .reset = true}, "Reset"},
           {"answers a head without end",
            {.parts = {"HTTP/1.1 200 OK\r\nx: " + std::string(20'000, 'x')}},
            "Malformed"}}) {
    TlsPeerForTest other(theirs_, act);
    aim(other.port(), *theirs_);
    EXPECT_EQ(failure(), expected) << what;
    EXPECT_EQ(client_->connections(), 0) << what;
  }
}

TEST_F(HopTest, AnAnswerHasABound) {
  limits_.answer_bytes = 100;
  TlsPeerForTest other(theirs_, {.parts = {TlsPeerForTest::answer(200, std::string(101, 'x'))}});
  aim(other.port(), *theirs_);
  EXPECT_EQ(failure(), "TooLarge");
}

TEST_F(HopTest, APeerThatHangsOrDribblesIsGivenUpAtTheDeadline) {
  for (const auto& act :
       {TlsPeerForTest::Act{}, TlsPeerForTest::Act{.parts = {kGood.substr(0, 30), "never"}}}) {
    TlsPeerForTest other(theirs_, act);
    aim(other.port(), *theirs_);
    EXPECT_EQ(failure(milliseconds(100)), "Timeout");
    EXPECT_EQ(state(), "Down");
  }
}

TEST_F(HopTest, APeerThatNeverShakesHandsIsGivenUp) {
  asio::ip::tcp::acceptor silent(io_, {asio::ip::address_v4::loopback(), 0});
  limits_.connect = milliseconds(50);
  aim(silent.local_endpoint().port(), *theirs_);
  EXPECT_EQ(failure(), "Timeout");
}

TEST_F(HopTest, AnAnswerInPartsIsPutTogether) {
  TlsPeerForTest other(theirs_, {.parts = {kGood.substr(0, 5), kGood.substr(5, 30), kGood.substr(35)}});
  other.proceed();
  other.proceed();
  aim(other.port(), *theirs_);
  const auto result = ask();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->body, "hello");
}

TEST_F(HopTest, AnErrorIsAnAnswerAndThePeerStaysUp) {
  TlsPeerForTest other(theirs_, {.parts = {TlsPeerForTest::answer(503, "busy", "retry-after: 1\r\n")}});
  aim(other.port(), *theirs_);
  const auto result = ask();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 503);
  EXPECT_EQ(result->fields.at(0).first, "retry-after");
  EXPECT_EQ(state(), "Up");
}

TEST_F(HopTest, APeerThatSaysThatItLeavesGetsNoMore) {
  TlsPeerForTest other(theirs_,
                       {.parts = {TlsPeerForTest::answer(200, "x", "connection: close\r\n")}, .reset = true});
  aim(other.port(), *theirs_);
  ASSERT_TRUE(ask());
  EXPECT_EQ(state(), "Leaving");
  EXPECT_EQ(send().error(), Unsplit::kNoPeer);
  EXPECT_EQ(client_->connections(), 0);
}

TEST_F(HopTest, WhatIsCancelledEndsAtThePeerAndIsNotAnswered) {
  TlsPeerForTest other(theirs_, {});
  aim(other.port(), *theirs_);
  const auto sent = send();
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->pod_uid, "p1");
  run_until([&] { return other.requests == 1; });
  sent->cancel();
  EXPECT_EQ(client_->connections(), 0);
  run_until([&] { return other.ended == 1; });
  EXPECT_FALSE(result_);
  EXPECT_EQ(state(), "Up") << "it is not the peer's fault";
  sent->cancel();
}

TEST_F(HopTest, WhatIsCancelledAtOnceLeavesNothing) {
  TlsPeerForTest other(theirs_, {.parts = {kGood}});
  aim(other.port(), *theirs_);
  send()->cancel();
  EXPECT_EQ(client_->connections(), 0);
  EXPECT_TRUE(ask()) << "and the next one is sent";
}

TEST_F(HopTest, ConnectionsHaveABound) {
  limits_.connections_each = 3;
  TlsPeerForTest other(theirs_, {});
  aim(other.port(), *theirs_);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(send());
  EXPECT_EQ(send().error(), Unsplit::kNoRoom);
  limits_ = {.connections_each = 100, .connections = 2};
  aim(other.port(), *theirs_);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(send());
  EXPECT_EQ(send().error(), Unsplit::kNoRoom);
}

TEST_F(HopTest, AnIdleConnectionIsClosedAfterAWhile) {
  limits_.idle = milliseconds(30);
  TlsPeerForTest other(theirs_, {.parts = {kGood}});
  aim(other.port(), *theirs_);
  ASSERT_TRUE(ask());
  run_until([&] { return client_->connections() == 0; });
  EXPECT_EQ(state(), "Up");
}

TEST_F(HopTest, PeersThatAreNamedNoMoreAreLetGo) {
  TlsPeerForTest other(theirs_, {.parts = {kGood}});
  aim(other.port(), *theirs_);
  ASSERT_TRUE(ask());
  client_->set_peers({peer("p1", *theirs_)});
  EXPECT_EQ(client_->connections(), 1) << "the same peer keeps its connections";
  client_->set_peers({});
  EXPECT_EQ(client_->connections(), 0);
  EXPECT_EQ(send().error(), Unsplit::kNoPeer);
}

TEST_F(HopTest, WhatIsUnderWayToAPeerThatIsLetGoIsFinished) {
  TlsPeerForTest other(theirs_, {.parts = {kGood.substr(0, 20), kGood.substr(20)}});
  aim(other.port(), *theirs_);
  ASSERT_TRUE(send());
  run_until([&] { return other.requests == 1; });
  client_->set_peers({});
  other.proceed();
  run_until([this] { return result_.has_value(); });
  EXPECT_TRUE(result_->has_value());
  EXPECT_EQ(client_->connections(), 0) << "and its connection is not kept";
}

TEST_F(HopTest, RequestsGoToThePeerWithTheLeastToDo) {
  TlsPeerForTest other(theirs_, {});
  limits_.connections_each = 2;
  client_ = std::make_unique<HopClient>(io_, timers_, own_, other.port(), limits_);
  client_->set_peers({peer("p1", *theirs_), peer("p2", *theirs_), peer("p3", *theirs_)});
  std::multiset<std::string> uids;
  for (int i = 0; i < 6; ++i) uids.insert(send()->pod_uid);
  EXPECT_THAT(uids, ::testing::ElementsAre("p1", "p1", "p2", "p2", "p3", "p3"));
}

TEST_F(HopTest, ALargeBodyThatThePeerDoesNotReadHoldsNobodyUp) {
  // Answered before it was read: what it is written from stays until then.
  body_ = std::string(8 * 1024 * 1024, 'x');
  TlsPeerForTest other(theirs_, {});
  aim(other.port(), *theirs_);
  client_.reset();
  aim(other.port(), *theirs_);
  EXPECT_EQ(failure(milliseconds(200)), "Timeout");
  body_.clear();
}

TEST_F(HopTest, AClientThatIsDestroyedTellsNobodyAnything) {
  TlsPeerForTest other(theirs_, {});
  aim(other.port(), *theirs_);
  ASSERT_TRUE(send());
  run_until([&] { return other.requests == 1; });
  client_.reset();
  run_until([&] { return other.ended == 1; });
  EXPECT_FALSE(result_);
}

}  // namespace
}  // namespace pilotlight::front
