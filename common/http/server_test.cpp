#include "common/http/server.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "common/http/listener.h"
#include "common/http/testing.h"

namespace pilotlight::http {
namespace {

using std::chrono::milliseconds;
using testing::Answer;
using testing::call;
using testing::RawClient;

class ServerTest : public ::testing::Test {
 protected:
  Server& start(Limits limits = {}) {
    server_.emplace(
        "127.0.0.1:0",
        [](const Request& request) {
          if (request.path == "/throw") throw std::runtime_error("secret");
          return Response{.body = std::string(request.method) + " " + std::string(request.path) + "?" +
                                  std::string(request.query) + " " + request.body,
                          .content_type = "text/plain"};
        },
        limits);
    const auto started = server_->start();
    EXPECT_TRUE(started) << started.error();
    return *server_;
  }

  std::optional<Server> server_;
};

// The listener on the test's own thread, so that a moment can be held.
class LeavingTest : public ::testing::Test, protected Service {
 protected:
  LeavingTest() {
    EXPECT_TRUE(listener_.listen("127.0.0.1:0"));
    listener_.close_after_answers();
  }
  std::expected<std::uint64_t, Response> admit(Request& /*head*/) override { return 100; }
  void serve(const std::shared_ptr<Exchange>& exchange) override { exchange->respond({.body = "here"}); }

  // While the loop turns in the background.
  Answer answer(RawClient& client) {
    const std::jthread loop([this] { io_.run_for(std::chrono::seconds(3)); });
    const Answer answer = client.read();
    io_.stop();
    return answer;
  }
  void turn(milliseconds time) {
    io_.restart();
    io_.run_for(time);
    io_.restart();
  }

  boost::asio::io_context io_;
  Listener listener_{io_, *this, Limits{}};
};

constexpr std::string_view kGetA = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

TEST_F(ServerTest, AnswersAGetAndAPost) {
  const auto port = start().port();
  EXPECT_EQ(call(port, "GET", "/a?b=c").body, "GET /a?b=c ");
  EXPECT_EQ(call(port, "POST", "/a", "hello").body, "POST /a? hello");
}

TEST_F(ServerTest, KeepsTheConnectionAndAnswersPipelinedRequestsInOrder) {
  RawClient client(start().port());
  client.send(
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhiGET /3 "
      "HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.read().body, "GET /1? ");
  EXPECT_EQ(client.read().body, "POST /2? hi");
  EXPECT_EQ(client.read().body, "GET /3? ");
}

TEST_F(LeavingTest, AConnectionThatTheKernelHasAcceptedIsServed) {
  RawClient client(listener_.port());
  client.send(kGetA);
  listener_.stop_accepting();
  EXPECT_EQ(answer(client).body, "here");
}

TEST_F(LeavingTest, AConnectionThatHasJustBeenMadeMaySendItsRequest) {
  RawClient client(listener_.port());
  turn(milliseconds(20));
  listener_.stop_accepting();
  turn(milliseconds(300));
  client.send(kGetA);
  const Answer last = answer(client);
  EXPECT_EQ(last.body, "here");
  EXPECT_TRUE(last.closed);
}

TEST_F(LeavingTest, AConnectionThatNeverSendsAnythingIsClosedSoon) {
  RawClient client(listener_.port());
  turn(milliseconds(20));
  listener_.stop_accepting();
  turn(milliseconds(1600));
  EXPECT_EQ(listener_.connections(), 0U);
}

TEST_F(LeavingTest, ARequestThatHasArrivedAndWasNotReadYetIsAnswered) {
  RawClient client(listener_.port());
  turn(milliseconds(20));
  client.send(kGetA);
  listener_.stop_accepting();
  EXPECT_EQ(answer(client).body, "here");
}

TEST_F(ServerTest, ReadsAHeadThatComesByteByByte) {
  RawClient client(start().port());
  for (const char c : kGetA) client.send({&c, 1});
  EXPECT_EQ(client.read().status, 200);
}

TEST_F(ServerTest, TakesTheAbsoluteForm) {
  RawClient client(start().port());
  client.send("GET http://other/a?b HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.read().body, "GET /a?b ");
}

TEST_F(ServerTest, ClosesWhenTheClientAsksForIt) {
  RawClient client(start().port());
  client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n");
  EXPECT_TRUE(client.read().closed);
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(ServerTest, ClosesAfterHttp10) {
  RawClient client(start().port());
  client.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(client.read().closed);
}

TEST_F(ServerTest, AnswersHeadWithoutABody) {
  RawClient client(start().port());
  client.send("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.read(true).field("content-length"), "9");
  client.send(kGetA);
  EXPECT_EQ(client.read().status, 200);
}

TEST_F(ServerTest, RefusesAnAmbiguousHeadAndCloses) {
  RawClient client(start().port());
  client.send(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  const auto answer = client.read();
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, R"({"error":"Content-Length and Transfer-Encoding exclude each other"})");
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(ServerTest, RefusesALargeBodyFromItsHeader) {
  RawClient client(start().port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\n");
  const auto answer = client.read();  // and nothing of the body was sent
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.body, R"({"error":"the body has 65537 bytes; at most 65536 are accepted"})");
}

TEST_F(ServerTest, LetsAClientThatIsStillSendingReadTheRefusal) {
  RawClient client(start().port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n");
  const std::string piece(100'000, 'x');
  for (int i = 0; i < 40; ++i) client.send(piece);
  EXPECT_EQ(client.read().status, 413);
}

TEST_F(ServerTest, SaysContinueOnlyToABodyThatItWillRead) {
  RawClient client(start().port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read(true).status, 100);
  client.send("ok");
  EXPECT_EQ(client.read().body, "POST /? ok");
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read().status, 413);
}

TEST_F(ServerTest, RefusesOtherExpectations) {
  EXPECT_EQ(call(start().port(), "GET", "/", {}, "expect: miracles\r\n").status, 417);
}

TEST_F(ServerTest, GivesASlowHead408) {
  RawClient client(start({.head_time = milliseconds(40)}).port());
  client.send("GET / HT");
  EXPECT_EQ(client.read().status, 408);
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(ServerTest, GivesASlowBody408) {
  RawClient client(start({.head_time = milliseconds(40), .grace = milliseconds(40)}).port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
  const auto answer = client.read();
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(answer.body, R"({"error":"3 of the body's 10 bytes arrived in time"})");
}

TEST_F(ServerTest, ClosesAnIdleConnectionWithoutAWord) {
  RawClient client(start({.head_time = milliseconds(40), .idle_time = milliseconds(40)}).port());
  client.send(kGetA);
  EXPECT_EQ(client.read().status, 200);
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(ServerTest, RefusesOneConnectionTooMany) {
  const auto port = start({.connections = 2}).port();
  RawClient first(port);
  RawClient second(port);
  first.send(kGetA);
  second.send(kGetA);
  EXPECT_EQ(first.read().status, 200);
  EXPECT_EQ(second.read().status, 200);
  const auto third = call(port, "GET", "/");
  EXPECT_EQ(third.status, 503);
  EXPECT_EQ(third.field("retry-after"), "1");
}

TEST_F(ServerTest, KeepsAHandlersExceptionToItself) {
  const auto answer = call(start().port(), "GET", "/throw");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body, R"({"error":"internal error"})");
}

TEST_F(ServerTest, IsNotHeldUpByStalledBodies) {
  const auto port = start().port();
  std::vector<std::unique_ptr<RawClient>> stalled;
  for (int i = 0; i < 100; ++i) {
    stalled.push_back(std::make_unique<RawClient>(port));
    stalled.back()->send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n");
  }
  EXPECT_EQ(call(port, "GET", "/").status, 200);
  for (auto& client : stalled) {
    client->send("0123456789");
    EXPECT_EQ(client->read().status, 200);
  }
}

TEST_F(ServerTest, StopsWhileConnectionsAreOpen) {
  auto& server = start();
  RawClient client(server.port());
  client.send(kGetA);
  EXPECT_EQ(client.read().status, 200);
  server.stop();
  EXPECT_TRUE(client.closed_by_server());
}

TEST(ServerAddress, IsRefusedWithTheReason) {
  const auto handler = [](const Request&) { return Response{}; };
  EXPECT_EQ(Server("8080", handler).start().error(),
            "'8080' is not an address to listen on: it has no ':port'");
  EXPECT_EQ(Server(":99999", handler).start().error(),
            "':99999' is not an address to listen on: the port is not 0 to 65535");
  EXPECT_EQ(Server("example.org:1", handler).start().error(),
            "'example.org:1' is not an address to listen on: 'example.org' is no IP address");
}

TEST(ServerAddress, InUseIsAnError) {
  const auto handler = [](const Request&) { return Response{}; };
  Server first(":0", handler);
  ASSERT_TRUE(first.start());
  Server second(":" + std::to_string(first.port()), handler);
  EXPECT_FALSE(second.start());
}

}  // namespace
}  // namespace pilotlight::http
