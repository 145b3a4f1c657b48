#include "operator/control/scraper.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

#include "common/http/message.h"
#include "common/http/server.h"
#include "common/time/clock.h"

namespace pilotlight::control {
namespace {

using std::chrono::milliseconds;
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
    const std::scoped_lock lock(mutex_);
    ++asked_;
    path_ = std::string(request.path);
    changed_.notify_all();
    return {.status = status_, .body = body_};
  }
  std::unique_ptr<Scraper> Make(ScraperOptions options = {}) {
    options.port = server_.port();
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
  kube::Key last_;
  http::Server server_;
};

const kube::Key kModel{"ml", "digits"};

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

}  // namespace
}  // namespace pilotlight::control
