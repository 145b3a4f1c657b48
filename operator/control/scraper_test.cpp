#include "operator/control/scraper.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>

#include "common/http/message.h"
#include "common/http/server.h"
#include "common/text/base64.h"
#include "common/time/clock.h"
#include "common/time/fake_clock.h"
#include "operator/control/operator_key.h"
#include "operator/kube/mandate.h"
#include "operator/kube/metrics.h"

namespace pilotlight::control {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// A sidecar on loopback, whose answer the test sets.
class Scraping : public ::testing::Test {
 protected:
  Scraping() : server_("127.0.0.1:0", [this](const http::Request& request) { return Answer(request); }) {
    const auto started = server_.start();
    EXPECT_TRUE(started) << started.error();
  }

  http::Response Answer(const http::Request& request) {
    std::unique_lock lock(mutex_);
    if (request.method != "GET") return Obey(lock, request);
    ++asked_;
    path_ = std::string(request.path);
    changed_.notify_all();
    return {.status = status_, .body = body_};
  }
  // Notes what it was told, and answers once it may.
  http::Response Obey(std::unique_lock<std::mutex>& lock, const http::Request& request) {
    const json envelope = json::parse(request.body);
    const json payload = json::parse(DecodeBase64(envelope["payload"].get<std::string>()).value());
    EXPECT_EQ(payload["call"], std::string(request.method) + " " + std::string(request.target));
    told_.push_back(payload["podUID"].get<std::string>() + " " + payload["epoch"].dump());
    changed_.notify_all();
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), [this] { return may_answer_ > 0; }));
    --may_answer_;
    return {.status = refusal_.empty() ? 200U : 409U,
            .body = refusal_.empty() ? R"({"epoch": 1})" : refusal_};
  }
  std::unique_ptr<Scraper> Make(ScraperOptions options = {}, bool with_key = true) {
    options.port = server_.port();
    if (with_key) options.key = std::make_shared<const OperatorKey>(OperatorKey::Make().value());
    options.metrics = &metrics_;
    options.changed = [this](const kube::Key& key) {
      const std::scoped_lock lock(mutex_);
      ++changes_;
      last_ = key;
      changed_.notify_all();
    };
    return std::make_unique<Scraper>(std::move(options), SystemClock());
  }
  void Set(unsigned status, std::string body) {
    const std::scoped_lock lock(mutex_);
    status_ = status;
    body_ = std::move(body);
  }
  void Refuse(std::string body) {
    const std::scoped_lock lock(mutex_);
    refusal_ = std::move(body);
  }
  // So many orders from now on.
  void LetAnswer(int count) {
    const std::scoped_lock lock(mutex_);
    may_answer_ = count;
    changed_.notify_all();
  }
  // "<pod> <epoch>" of all that came.
  std::vector<std::string> Told() {
    const std::scoped_lock lock(mutex_);
    return told_;
  }
  bool AwaitTold(std::size_t count) {
    return Await([this, count] { return told_.size() >= count; });
  }
  bool Await(auto ready) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), ready);
  }
  bool AwaitChanges(int count) {
    return Await([this, count] { return changes_ >= count; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned status_ = 200;
  std::string body_ = R"({"podUID": "p1", "phase": "Fetching"})";
  int asked_ = 0;
  int changes_ = 0;
  std::string path_;
  std::vector<std::string> told_;
  std::string refusal_;  // of orders; empty: they are obeyed
  int may_answer_ = 1000;
  kube::Metrics metrics_;
  kube::Key last_;
  http::Server server_;
};

const kube::Key kModel{"ml", "digits"};

plan::Order Order(std::int64_t epoch, std::string pod = "p1") {
  return {.pod_uid = std::move(pod),
          .revision = "r",
          .call = "PUT /split",
          .epoch = epoch,
          .body = json::object()};
}

// Takes connections at 127.0.0.2 and never says a word.
class Silent {
 public:
  explicit Silent(std::uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
    inet_pton(AF_INET, "127.0.0.2", &address.sin_addr);
    EXPECT_EQ(bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(socket_, 16), 0);
  }
  ~Silent() { close(socket_); }
  Silent(const Silent&) = delete;
  Silent& operator=(const Silent&) = delete;

 private:
  int socket_;
};

TEST_F(Scraping, AsksOnlyWhomSomebodyWantsToHearOf) {
  const auto scraper = Make();
  EXPECT_FALSE(scraper->ReportOf("p1"));
  scraper->Want(kModel, {{"p1", "127.0.0.1", "c1", "1"}});
  ASSERT_TRUE(AwaitChanges(1));
  EXPECT_EQ(last_, kModel);
  EXPECT_EQ(path_, "/status");
  const auto report = scraper->ReportOf("p1");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->phase, "Fetching");
  EXPECT_EQ(report->container_id, "c1");
  EXPECT_EQ(report->error, "");
  scraper->Want(kModel, {});
  EXPECT_FALSE(scraper->ReportOf("p1"));
}

TEST_F(Scraping, TellsOfChangesOnly) {
  const auto scraper = Make({.interval = milliseconds(1)});
  scraper->Want(kModel, {{"p1", "127.0.0.1", "c1", "1"}});
  ASSERT_TRUE(Await([this] { return asked_ >= 20; }));
  EXPECT_EQ(changes_, 1);
  Set(200, R"({"podUID": "p1", "phase": "Ready"})");
  ASSERT_TRUE(AwaitChanges(2));
  EXPECT_EQ(scraper->ReportOf("p1")->phase, "Ready");
}

TEST_F(Scraping, AsksAtOnceWhenThePodHasChanged) {
  const auto scraper = Make({.interval = std::chrono::hours(1)});
  scraper->Want(kModel, {{"p1", "127.0.0.1", "c1", "1"}});
  ASSERT_TRUE(AwaitChanges(1));
  Set(200, R"({"podUID": "p1", "phase": "Ready"})");
  scraper->Want(kModel, {{"p1", "127.0.0.1", "c1", "2"}});
  EXPECT_TRUE(AwaitChanges(2));
}

TEST_F(Scraping, OneThatIsToBeAskedSeldomIsNotAskedBeforeAndItsProofIsNotKept) {
  Set(200,
      R"({"podUID": "p1", "phase": "Ready", "proof": {"level": "Answers"}, "recheck": {"failure": {"reason": "x"}}})");
  const auto scraper = Make({.interval = milliseconds(1)});
  scraper->Want({"ml", "other"}, {{"p2", "127.0.0.1", "c2", "1", std::chrono::hours(1)}});
  scraper->Want(kModel, {{"p1", "127.0.0.1", "c1", "1", milliseconds(20)}});
  ASSERT_TRUE(AwaitChanges(1));
  EXPECT_TRUE(scraper->ReportOf("p1")->proof.is_null());
  EXPECT_EQ(scraper->ReportOf("p1")->recheck_failure->reason, "x");
  ASSERT_TRUE(Await([this] { return asked_ >= 3; }));
  EXPECT_FALSE(scraper->ReportOf("p2"));
}

TEST_F(Scraping, OfOneThatIsAskedSeldomItIsNotKeptWhatASplitHasCounted) {
  Set(200, R"({"podUID": "p1", "split": {"id": "s", "segments": [{"label": "a"}]}})");
  const auto scraper = Make({.interval = std::chrono::hours(1)});
  scraper->Want(kModel, {{"p1", "127.0.0.1", "c1", "1"}});
  ASSERT_TRUE(AwaitChanges(1));
  EXPECT_EQ(scraper->ReportOf("p1")->split.segments.size(), 1U);
  scraper->Want(kModel, {{"p1", "127.0.0.1", "c1", "1", std::chrono::hours(1)}});
  EXPECT_EQ(scraper->ReportOf("p1")->split.id, "s");
  EXPECT_EQ(scraper->ReportOf("p1")->split.segments.size(), 0U);
}

TEST_F(Scraping, WhoNeedsTheProofAfterAllAsksAtOnce) {
  Set(200, R"({"podUID": "p1", "phase": "Ready", "proof": {"level": "Answers"}})");
  const auto scraper = Make({.interval = std::chrono::hours(1)});
  const auto want = [&](milliseconds every) {
    scraper->Want(kModel, {{"p1", "127.0.0.1", "c1", "1", every}});
  };
  want(milliseconds(0));
  ASSERT_TRUE(AwaitChanges(1));
  EXPECT_FALSE(scraper->ReportOf("p1")->proof.is_null());
  want(std::chrono::hours(1));
  EXPECT_TRUE(scraper->ReportOf("p1")->proof.is_null());
  want(milliseconds(0));
  ASSERT_TRUE(AwaitChanges(2));
  EXPECT_FALSE(scraper->ReportOf("p1")->proof.is_null());
}

TEST_F(Scraping, ForgetsWhatAnEndedContainerSaid) {
  const auto scraper = Make({.interval = std::chrono::hours(1)});
  scraper->Want(kModel, {{"p1", "127.0.0.1", "c1", "1"}});
  ASSERT_TRUE(AwaitChanges(1));
  scraper->Want(kModel, {{"p1", "127.0.0.1", "c2", "2"}});
  ASSERT_TRUE(AwaitChanges(2));
  EXPECT_EQ(scraper->ReportOf("p1")->container_id, "c2");
}

TEST_F(Scraping, SaysWhyThereIsNoAnswerAndSinceWhenButNoAddress) {
  const auto scraper = Make({.body_limit = 100});
  Set(500, "no");
  scraper->Want(kModel, {{"p1", "127.0.0.1", "c1", "1"}});
  ASSERT_TRUE(AwaitChanges(1));
  EXPECT_THAT(scraper->ReportOf("p1")->error, HasSubstr("HTTP status 500"));
  EXPECT_TRUE(scraper->ReportOf("p1")->unreachable_since);
  Set(200, std::string(1000, ' ') + "{}");
  ASSERT_TRUE(AwaitChanges(2));
  EXPECT_THAT(scraper->ReportOf("p1")->error, HasSubstr("too long"));
  Set(200, "no JSON");
  ASSERT_TRUE(AwaitChanges(3));
  EXPECT_THAT(scraper->ReportOf("p1")->error, HasSubstr("cannot be read"));
  server_.stop();
  ASSERT_TRUE(AwaitChanges(4));
  EXPECT_THAT(scraper->ReportOf("p1")->error, HasSubstr("refused"));
  EXPECT_THAT(scraper->ReportOf("p1")->error, Not(HasSubstr("127.0.0.1")));
}

// Who hands over to it is let in by that.
TEST_F(Scraping, KeepsTheCertificateOfOneThatDoesNotAnswerAnyMoreButOfNoOther) {
  const std::string certificate = "sha256:" + std::string(64, 'a');
  for (const bool own : {true, false}) {
    SCOPED_TRACE(own);
    const auto scraper = Make();
    const int before = changes_;
    Set(200, R"({"podUID": ")" + std::string(own ? "p1" : "p2") +
                 R"(", "phase": "Serving", "hop": {"port": 8082, "certificate": ")" + certificate + R"("}})");
    scraper->Want(kModel, {{"p1", "127.0.0.1", "c1", "1"}});
    ASSERT_TRUE(AwaitChanges(before + 1));
    Set(500, "no");
    ASSERT_TRUE(AwaitChanges(before + 2));
    EXPECT_NE(scraper->ReportOf("p1")->error, "");
    EXPECT_EQ(scraper->ReportOf("p1")->hop_certificate, own ? certificate : "");
  }
}

TEST_F(Scraping, OneThatIsSilentDelaysNoOther) {
  const Silent silent(server_.port());
  const auto scraper = Make({.timeout = std::chrono::seconds(10), .interval = milliseconds(5)});
  scraper->Want({"ml", "other"}, {{"silent", "127.0.0.2", "c", "1"}});
  scraper->Want(kModel, {{"p1", "127.0.0.1", "c1", "1"}});
  EXPECT_TRUE(Await([this] { return asked_ >= 20; }));
}

TEST_F(Scraping, GivesUpOnOneThatIsSilent) {
  const Silent silent(server_.port());
  const auto scraper = Make({.timeout = milliseconds(50)});
  scraper->Want(kModel, {{"silent", "127.0.0.2", "c", "1"}});
  ASSERT_TRUE(AwaitChanges(1));
  EXPECT_EQ(scraper->ReportOf("silent")->error, "no answer in time");
}

TEST_F(Scraping, EndsAtOnceWithQuestionsUnderWay) {
  const Silent silent(server_.port());
  auto scraper = Make({.timeout = std::chrono::seconds(60)});
  scraper->Want(kModel, {{"silent", "127.0.0.2", "c", "1"}});
  const auto begin = std::chrono::steady_clock::now();
  scraper.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

// A pod that was asked once, and would be asked again in an hour.
class Telling : public Scraping {
 protected:
  std::unique_ptr<Scraper> Wanting(ScraperOptions options = {.interval = std::chrono::hours(1)},
                                   bool with_key = true) {
    options.timeout = std::chrono::seconds(15);
    auto scraper = Make(std::move(options), with_key);
    scraper->Want(kModel, {{"p1", "127.0.0.1", "c1", "1"}, {"p2", "127.0.0.1", "c2", "1"}});
    EXPECT_TRUE(AwaitChanges(2));
    return scraper;
  }
};

TEST_F(Telling, AfterAnOrderThePodIsAskedAtOnceAndTheNextCanBeDecidedOn) {
  const auto scraper = Wanting();
  scraper->Tell(kModel, {Order(1)});
  EXPECT_TRUE(AwaitChanges(3)) << "although the report is the same";
  EXPECT_THAT(Told(), ElementsAre("p1 1"));
  EXPECT_EQ(asked_, 3);
  EXPECT_EQ(scraper->ReportOf("p1")->order_error, "");
  EXPECT_THAT(metrics_.Text(), HasSubstr(R"(pilotlight_orders_total{call="PUT /split",outcome="obeyed"} 1)"));
}

TEST_F(Telling, AnOrderThatWasObeyedIsNotSentAgainButTheNextIs) {
  const auto scraper = Wanting();
  scraper->Tell(kModel, {Order(1)});
  ASSERT_TRUE(AwaitChanges(3));
  scraper->Tell(kModel, {Order(1)});
  scraper->Tell(kModel, {Order(2)});
  ASSERT_TRUE(AwaitChanges(4));
  plan::Order drain = Order(2);
  drain.call = "PUT /drain";
  scraper->Tell(kModel, {drain});
  ASSERT_TRUE(AwaitTold(3));
  EXPECT_THAT(Told(), ElementsAre("p1 1", "p1 2", "p1 2"));
}

TEST_F(Telling, WhileAnOrderIsUnderWayNoOtherIsSentToThatPod) {
  const auto scraper = Wanting();
  LetAnswer(0);
  scraper->Tell(kModel, {Order(1)});
  ASSERT_TRUE(AwaitTold(1));
  scraper->Tell(kModel, {Order(1)});
  scraper->Tell(kModel, {Order(2)});
  LetAnswer(1000);
  ASSERT_TRUE(AwaitChanges(3));
  scraper->Tell(kModel, {Order(3)});
  ASSERT_TRUE(AwaitTold(2));
  EXPECT_THAT(Told(), ElementsAre("p1 1", "p1 3"));
}

TEST_F(Telling, AfterAFailureNothingIsSentBeforeTheUsualInterval) {
  Refuse(R"({"error": "older than 7, at 10.1.2.3"})");
  const auto scraper = Wanting();
  scraper->Tell(kModel, {Order(1)});
  ASSERT_TRUE(AwaitChanges(3));
  EXPECT_EQ(scraper->ReportOf("p1")->order_error, "the sidecar refuses it (409): older than 7, at <address>");
  EXPECT_EQ(scraper->ReportOf("p2")->order_error, "");
  scraper->Tell(kModel, {Order(1)});
  scraper->Tell(kModel, {Order(8)});
  // Another pod's is sent: it would have come after those.
  scraper->Tell(kModel, {Order(1, "p2")});
  ASSERT_TRUE(AwaitChanges(4));
  EXPECT_THAT(Told(), ElementsAre("p1 1", "p2 1"));
  EXPECT_THAT(metrics_.Text(),
              HasSubstr(R"(pilotlight_orders_total{call="PUT /split",outcome="refused"} 2)"));
}

TEST_F(Telling, OneThatFailedCanBeSentAgainAfterThatAndItsErrorStaysUntilOneIsObeyed) {
  Refuse(R"({"error": "no"})");
  const auto scraper = Wanting({.interval = milliseconds(20)});
  const auto insist = [&](std::size_t count) {
    for (int seen = 2; Told().size() < count; ++seen) {
      scraper->Tell(kModel, {Order(1)});
      // Each reading after the interval brings us back, although it says nothing new.
      ASSERT_TRUE(Told().size() >= count || AwaitChanges(seen + 1));
    }
  };
  insist(3);
  EXPECT_EQ(scraper->ReportOf("p1")->order_error, "the sidecar refuses it (409): no");
  Refuse("");
  const auto obeyed = [&] {
    for (int tries = 0; tries < 1000 && !scraper->ReportOf("p1")->order_error.empty(); ++tries) {
      int seen = 0;
      {
        const std::scoped_lock lock(mutex_);
        seen = changes_;
      }
      scraper->Tell(kModel, {Order(1)});
      if (!AwaitChanges(seen + 1)) return false;
    }
    return true;
  };
  EXPECT_TRUE(obeyed());
}

TEST_F(Telling, WhatCannotBeSentIsSaidWithoutAnAddress) {
  const auto scraper = Wanting();
  server_.stop();
  scraper->Tell(kModel, {Order(1)});
  ASSERT_TRUE(AwaitChanges(3));
  EXPECT_EQ(scraper->ReportOf("p1")->order_error, "the connection is refused or cannot be made");
  EXPECT_THAT(metrics_.Text(), HasSubstr(R"(pilotlight_orders_total{call="PUT /split",outcome="failed"} 1)"));
}

TEST_F(Telling, AnOrderToASilentPodEndsInTime) {
  const Silent silent(server_.port());
  const auto scraper = Make({.timeout = milliseconds(50), .interval = std::chrono::hours(1)});
  scraper->Want(kModel, {{"silent", "127.0.0.2", "c", "1"}});
  ASSERT_TRUE(AwaitChanges(1));
  scraper->Tell(kModel, {Order(1, "silent")});
  ASSERT_TRUE(AwaitChanges(2));
  EXPECT_EQ(scraper->ReportOf("silent")->order_error, "no answer in time");
}

TEST_F(Telling, WithoutAKeyNothingIsSentAndTheReportSaysSo) {
  const auto scraper = Wanting({.interval = std::chrono::hours(1)}, false);
  scraper->Tell(kModel, {Order(1)});
  ASSERT_TRUE(AwaitChanges(3));
  EXPECT_THAT(scraper->ReportOf("p1")->order_error, HasSubstr("no key to sign with"));
  EXPECT_THAT(Told(), ElementsAre());
}

TEST_F(Telling, WhoMayNoLongerLeadSendsNothing) {
  const FakeClock clock;
  kube::Mandate mandate(clock);
  const auto scraper = Wanting({.interval = milliseconds(20), .mandate = &mandate});
  scraper->Tell(kModel, {Order(1)});
  ASSERT_TRUE(AwaitChanges(3));
  EXPECT_THAT(scraper->ReportOf("p1")->order_error, HasSubstr("does not lead"));
  EXPECT_THAT(Told(), ElementsAre());
  mandate.GiveUntil(clock.Monotonic() + std::chrono::hours(1));
  for (int seen = 3; Told().empty(); ++seen) {
    scraper->Tell(kModel, {Order(1)});
    ASSERT_TRUE(!Told().empty() || AwaitChanges(seen + 1));
  }
}

TEST_F(Telling, OnlyPodsThatAreWantedForThatModelAreTold) {
  const auto scraper = Wanting();
  scraper->Tell({"ml", "other"}, {Order(1)});
  scraper->Tell(kModel, {Order(1, "p9"), Order(2)});
  ASSERT_TRUE(AwaitChanges(3));
  EXPECT_THAT(Told(), ElementsAre("p1 2"));
}

TEST_F(Telling, ANewContainerMayBeToldTheSameAndHasNoErrors) {
  Refuse(R"({"error": "no"})");
  const auto scraper = Wanting();
  scraper->Tell(kModel, {Order(1)});
  ASSERT_TRUE(AwaitChanges(3));
  Refuse("");
  scraper->Want(kModel, {{"p1", "127.0.0.1", "new", "2"}});
  ASSERT_TRUE(AwaitChanges(4));
  EXPECT_EQ(scraper->ReportOf("p1")->order_error, "");
  scraper->Tell(kModel, {Order(1)});
  ASSERT_TRUE(AwaitTold(2));
}

TEST_F(Telling, WhatAnEndedContainerAnswersIsNotTheAnswerOfItsSuccessor) {
  Refuse(R"({"error": "no"})");
  const auto scraper = Wanting();
  LetAnswer(0);
  scraper->Tell(kModel, {Order(1)});
  ASSERT_TRUE(AwaitTold(1));
  scraper->Want(kModel, {{"p1", "127.0.0.1", "new", "2"}});
  scraper->Tell(kModel, {Order(2)});
  LetAnswer(1);
  ASSERT_TRUE(AwaitChanges(3));
  EXPECT_EQ(scraper->ReportOf("p1")->container_id, "new");
  EXPECT_EQ(scraper->ReportOf("p1")->order_error, "");
  LetAnswer(1000);
}

TEST_F(Telling, OrdersDoNotMakeAPodBeAskedMoreOften) {
  const auto scraper =
      Wanting({.interval = milliseconds(1), .slow_interval = std::chrono::hours(1), .slow_after = {}});
  scraper->Tell(kModel, {Order(1)});
  ASSERT_TRUE(AwaitChanges(3));
  scraper->Tell(kModel, {Order(1, "p2")});
  ASSERT_TRUE(AwaitChanges(4));
  const std::scoped_lock lock(mutex_);
  EXPECT_EQ(asked_, 4) << "each once, and once more after its order";
}

// What ScraperOptions::body_limit is computed from.
TEST_F(Scraping, TheLongestReportThatAnHonestPodMakesIsRead) {
  json runs = json::array();
  for (int i = 0; i < 32; ++i) runs.push_back({1795658400 + i, 12345});
  const json counter = {{"requests", 123456789}, {"bad", 123456}, {"at", runs}};
  const json pod = {{"errors", counter}, {"slow", {counter, counter, counter}}};
  json side = {{"requests", 1}, {"bad", {{"error", 0}, {"hopFailure", 0}}}};
  for (int i = 0; i < 128; ++i) {
    const std::string uid = "01234567-89ab-cdef-0123-456789abc" + std::to_string(100 + i);
    side["counted"][uid] = pod;
    side["badPods"][uid] = {{"count", 123456}, {"at", runs}};
  }
  const json segment = {{"candidate", "digits-2"}, {"revisions", {{"digits-2", side}}}};
  const json document = {{"podUID", "p1"},
                         {"revision", "digits-1"},
                         {"split", {{"segments", json::array({segment, segment, segment, segment})}}}};
  Set(200, document.dump());
  EXPECT_GT(document.dump().size(), 1'500'000U);
  const auto scraper = Make();
  scraper->Want(kModel, {{"p1", "127.0.0.1", "c1", "1"}});
  ASSERT_TRUE(AwaitChanges(1));
  ASSERT_EQ(scraper->ReportOf("p1")->error, "");
  EXPECT_EQ(scraper->ReportOf("p1")->split.segments.at(3).candidate_side.pods.size(), 128U);
}

}  // namespace
}  // namespace pilotlight::control
