#include "operator/kube/cpprest_transport.h"

#include <gmock/gmock.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "operator/kube/testing/raw_server.h"

namespace pilotlight::kube {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<Transport> To(const RawServer& server, HttpSettings settings = {}) {
  settings.server = server.url();
  auto transport = MakeCppRestTransport(settings);
  EXPECT_TRUE(transport) << transport.error();
  return std::move(*transport);
}

Result<HttpResponse> Get(Transport& transport, const CallOptions& options = {},
                         const std::stop_token& stop = {}) {
  return transport.Call({"GET", "/x?y=%2F", {{"Accept", "application/json"}}, {}}, options, stop);
}

ErrorCode CodeOf(const auto& result) {
  EXPECT_FALSE(result);
  return result ? ErrorCode::Invalid : result.error().code;
}

TEST(CppRestTransport, SendsWhatItIsGivenAndReturnsWhatItGets) {
  std::string seen;
  RawServer server([&](RawServer::Connection& connection) {
    seen = connection.ReadRequest();
    connection.Write(Answer(201, R"({"a":1})"));
  });
  const auto transport = To(server);
  const auto response =
      transport->Call({"PATCH",
                       "/apis/g/v1/things/n?fieldManager=p&labelSelector=a%3Db%2Cc",
                       {{"Content-Type", "application/apply-patch+yaml"}, {"Authorization", "Bearer t"}},
                       "{}"},
                      {}, {});
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->body, R"({"a":1})");
  EXPECT_THAT(
      seen, testing::StartsWith("PATCH /apis/g/v1/things/n?fieldManager=p&labelSelector=a%3Db%2Cc HTTP/1.1"));
  EXPECT_THAT(seen, HasSubstr("Content-Type:application/apply-patch+yaml\r\n"));
  EXPECT_THAT(seen, HasSubstr("Authorization:Bearer t\r\n"));
  EXPECT_THAT(seen, testing::EndsWith("\r\n\r\n{}"));
}

TEST(CppRestTransport, AnAnswerOutside2xxIsAnErrorWithTheServersReason) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write(Answer(429, R"({"kind":"Status","message":"slow down","reason":"TooManyRequests"})",
                            "Retry-After: 7\r\n"));
  });
  const auto response = Get(*To(server));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::TooManyRequests);
  EXPECT_EQ(response.error().message, "slow down");
  EXPECT_EQ(response.error().retry_after, 7s);
}

TEST(CppRestTransport, ARedirectIsNotFollowedWithOurCredentials) {
  RawServer other([](RawServer::Connection& connection) { connection.ReadRequest(); });
  RawServer server([&](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write(Answer(302, "", "Location: " + other.url() + "/\r\n"));
  });
  EXPECT_EQ(CodeOf(Get(*To(server))), ErrorCode::Transport);
  EXPECT_EQ(other.connections(), 0);
}

TEST(CppRestTransport, ADeadlineHoldsWhileBytesTrickle) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write(kChunkedHead);
    while (connection.Write(Chunk("x"))) std::this_thread::sleep_for(5ms);
  });
  const auto transport = To(server);
  const auto start = steady_clock::now();
  EXPECT_EQ(CodeOf(Get(*transport, {.deadline = 150ms})), ErrorCode::Timeout);
  EXPECT_LT(steady_clock::now() - start, 2s);
}

TEST(CppRestTransport, AStopEndsACallAtOnce) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.AwaitClose();
  });
  const auto transport = To(server);
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(50ms);
    stop.request_stop();
  });
  const auto start = steady_clock::now();
  EXPECT_EQ(CodeOf(Get(*transport, {}, stop.get_token())), ErrorCode::Canceled);
  EXPECT_LT(steady_clock::now() - start, 1s);
}

TEST(CppRestTransport, ABodyThatIsTooLongIsNotRead) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write(kChunkedHead);
    while (connection.Write(Chunk(std::string(10000, 'x')))) {
    }
  });
  EXPECT_EQ(CodeOf(Get(*To(server), {.body_limit = 100000})), ErrorCode::Decode);
}

TEST(CppRestTransport, ABodyThatIsCutIsAnError) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"items\":[");
  });
  EXPECT_EQ(CodeOf(Get(*To(server))), ErrorCode::Transport);
}

TEST(CppRestTransport, NobodyThereIsAnError) {
  std::string url;
  {
    RawServer server([](RawServer::Connection&) {});
    url = server.url();
  }
  auto transport = MakeCppRestTransport({.server = url});
  ASSERT_TRUE(transport);
  EXPECT_EQ(CodeOf(Get(**transport)), ErrorCode::Transport);
}

class Lines {
 public:
  LineSink sink() {
    return [this](std::string_view line) {
      lines.emplace_back(line);
      return line != "stop";
    };
  }
  std::vector<std::string> lines;
};
const HttpRequest kWatch{"GET", "/watch", {}, {}};

TEST(CppRestTransport, AStreamHandsOutWholeLinesHoweverTheyAreChunked) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write(kChunkedHead + Chunk("one\ntw") + Chunk("o\n\nth") + Chunk("ree\nrest") + "0\r\n\r\n");
  });
  Lines lines;
  EXPECT_TRUE(To(server)->Stream(kWatch, {}, lines.sink(), {}));
  EXPECT_THAT(lines.lines, ElementsAre("one", "two", "three"));
}

TEST(CppRestTransport, AStreamThatIsCutSaysSoAfterItsLastWholeLine) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write(kChunkedHead + Chunk("one\ntw"));
  });
  Lines lines;
  EXPECT_EQ(CodeOf(To(server)->Stream(kWatch, {}, lines.sink(), {})), ErrorCode::Transport);
  EXPECT_THAT(lines.lines, ElementsAre("one"));
}

TEST(CppRestTransport, AStreamThatIsRefusedGivesTheSinkNothing) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write(Answer(410, "{\"kind\":\"Status\",\"reason\":\"Expired\",\"message\":\"too old\"}\n"));
  });
  Lines lines;
  const auto result = To(server)->Stream(kWatch, {}, lines.sink(), {});
  EXPECT_EQ(CodeOf(result), ErrorCode::Gone);
  EXPECT_EQ(result.error().message, "too old");
  EXPECT_THAT(lines.lines, ElementsAre());
}

TEST(CppRestTransport, AStreamThatFallsSilentTimesOutAndOneThatDoesNotGoesOn) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write(kChunkedHead);
    for (int i = 0; i < 6; ++i) {
      connection.Write(Chunk("x\n"));
      std::this_thread::sleep_for(100ms);
    }
    connection.AwaitClose();
  });
  Lines lines;
  EXPECT_EQ(CodeOf(To(server)->Stream(kWatch, {.idle_timeout = 400ms}, lines.sink(), {})),
            ErrorCode::Timeout);
  EXPECT_EQ(lines.lines.size(), 6U);
}

TEST(CppRestTransport, AStreamEndsWhenStoppedAndWhenTheSinkSaysSo) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write(kChunkedHead + Chunk("one\nstop\ntwo\n"));
    connection.AwaitClose();
  });
  Lines lines;
  EXPECT_TRUE(To(server)->Stream(kWatch, {}, lines.sink(), {}));
  EXPECT_THAT(lines.lines, ElementsAre("one", "stop"));

  std::stop_source stop;
  const auto result = To(server)->Stream(
      kWatch, {},
      [&](std::string_view) {
        std::thread([&] { stop.request_stop(); }).join();
        return true;
      },
      stop.get_token());
  EXPECT_EQ(CodeOf(result), ErrorCode::Canceled);
}

TEST(CppRestTransport, ALineWithoutEndIsRefused) {
  RawServer server([](RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write(kChunkedHead);
    while (connection.Write(Chunk(std::string(1000, 'x')))) {
    }
  });
  Lines lines;
  EXPECT_EQ(CodeOf(To(server)->Stream(kWatch, {.line_limit = 10000}, lines.sink(), {})), ErrorCode::Decode);
}

TEST(CppRestTransport, ManyStreamsLeaveRoomForCalls) {
  std::atomic<int> streams = 0;
  RawServer server([&](RawServer::Connection& connection) {
    if (connection.ReadRequest().starts_with("GET /watch")) {
      connection.Write(kChunkedHead);
      ++streams;
      connection.AwaitClose();
    } else {
      connection.Write(Answer(200, "ok"));
    }
  });
  const auto transport = To(server);
  std::stop_source stop;
  std::vector<std::jthread> watches;
  for (int i = 0; i < 12; ++i) {
    watches.emplace_back([&] {
      (void)transport->Stream(kWatch, {}, [](std::string_view) { return true; }, stop.get_token());
    });
  }
  while (streams < 12) std::this_thread::yield();
  EXPECT_TRUE(Get(*transport, {.deadline = 5s}));
  stop.request_stop();
}

// TLS.

class TlsTest : public testing::Test {
 protected:
  static void Hello(RawServer::Connection& connection) {
    connection.ReadRequest();
    connection.Write(Answer(200, "sni=" + connection.server_name()));
  }
  const TestCertificate mine_ = MakeCertificate("IP:127.0.0.1,DNS:api.example");
  const TestCertificate other_ = MakeCertificate("IP:127.0.0.1");
};

TEST_F(TlsTest, TrustsItsAuthorityAndSendsNoNameForAnAddress) {
  RawServer server(Hello, {.tls = mine_});
  const auto response = Get(*To(server, {.ca = {.data = mine_.certificate}}));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "sni=");
}

TEST_F(TlsTest, TrustsNobodyElse) {
  RawServer server(Hello, {.tls = mine_});
  EXPECT_EQ(CodeOf(Get(*To(server, {.ca = {.data = other_.certificate}}))), ErrorCode::Transport);
  EXPECT_EQ(CodeOf(Get(*To(server))), ErrorCode::Transport)
      << "without an authority the system's roots decide";
}

TEST_F(TlsTest, WithAnAuthorityTheSystemsRootsAreNotTrusted) {
  // The server's certificate stands in for one that a root of the system has signed.
  std::string path = testing::TempDir() + "roots-XXXXXX";
  ::close(::mkstemp(path.data()));
  std::ofstream(path) << mine_.certificate;
  ::setenv("SSL_CERT_FILE", path.c_str(), 1);
  RawServer server(Hello, {.tls = mine_});
  EXPECT_TRUE(Get(*To(server))) << "the test's own premise";
  EXPECT_EQ(CodeOf(Get(*To(server, {.ca = {.data = other_.certificate}}))), ErrorCode::Transport);
  ::unsetenv("SSL_CERT_FILE");
  ::unlink(path.c_str());
}

TEST_F(TlsTest, ChecksTheHostOrTheNameThatItWasTold) {
  const TestCertificate named = MakeCertificate("DNS:api.example");
  RawServer server(Hello, {.tls = named});
  EXPECT_EQ(CodeOf(Get(*To(server, {.ca = {.data = named.certificate}}))), ErrorCode::Transport);
  const auto response =
      Get(*To(server, {.tls_server_name = "api.example", .ca = {.data = named.certificate}}));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "sni=api.example");
}

TEST(CppRestTransport, AnIPv6AddressIsRefusedWithAWayOut) {
  const auto refused = MakeCppRestTransport({.server = "https://[::1]:6443"});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(), HasSubstr("name"));
}

TEST_F(TlsTest, RefusesOldVersions) {
  RawServer server(Hello, {.tls = mine_, .max_tls_version = TLS1_1_VERSION});
  EXPECT_EQ(CodeOf(Get(*To(server, {.ca = {.data = mine_.certificate}}))), ErrorCode::Transport);
}

TEST_F(TlsTest, SkipsVerificationOnlyWhenTold) {
  RawServer server(Hello, {.tls = mine_});
  EXPECT_TRUE(Get(*To(server, {.insecure_skip_tls_verify = true})));
}

TEST_F(TlsTest, ShowsItsClientCertificate) {
  RawServer server(Hello, {.tls = mine_, .client_ca = other_.certificate});
  EXPECT_TRUE(Get(*To(server, {.ca = {.data = mine_.certificate},
                               .client_certificate = {.data = other_.certificate},
                               .client_key = {.data = other_.key}})));
  EXPECT_FALSE(Get(*To(server, {.ca = {.data = mine_.certificate}})));
}

TEST_F(TlsTest, BadCertificatesAreNamedBeforeAnyConnection) {
  const auto bad = MakeCppRestTransport({.server = "https://127.0.0.1:1", .ca = {.data = "not PEM"}});
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error(), HasSubstr("certificates"));
  const auto missing = MakeCppRestTransport({.server = "https://127.0.0.1:1", .ca = {.file = "/no/ca.crt"}});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error(), HasSubstr("/no/ca.crt"));
}

}  // namespace
}  // namespace pilotlight::kube
