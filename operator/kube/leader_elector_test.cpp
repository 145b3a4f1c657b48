#include "operator/kube/leader_elector.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "common/time/fake_clock.h"
#include "operator/kube/client.h"
#include "operator/kube/mandate.h"
#include "operator/kube/metrics.h"
#include "operator/kube/testing/scripted_transport.h"

namespace pilotlight::kube {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

// The one object that leader election needs, with versions and conflicts.
class LeaseServer {
 public:
  Result<HttpResponse> Answer(const HttpRequest& request) {
    const std::scoped_lock lock(mutex_);
    if (down) return std::unexpected(Error{.code = ErrorCode::Transport, .message = "down"});
    if (request.method == "GET") {
      return lease_.is_null() ? Result<HttpResponse>(std::unexpected(StatusError(404, "NotFound"))) : Ok();
    }
    json sent = json::parse(request.body);
    if (request.method == "POST") {
      if (!lease_.is_null()) return std::unexpected(StatusError(409, "AlreadyExists"));
    } else if (sent["metadata"]["resourceVersion"] != lease_["metadata"]["resourceVersion"]) {
      return std::unexpected(StatusError(409, "Conflict"));
    }
    Store(std::move(sent));
    return Ok();
  }
  void Put(const std::string& holder, const std::string& renewed) {
    const std::scoped_lock lock(mutex_);
    Store({{"metadata", {{"name", "lease"}}},
           {"spec",
            {{"holderIdentity", holder},
             {"leaseDurationSeconds", 15},
             {"acquireTime", "2020-01-01T00:00:00.000000Z"},
             {"renewTime", renewed},
             {"leaseTransitions", 3}}}});
  }
  json Spec() {
    const std::scoped_lock lock(mutex_);
    return lease_["spec"];
  }
  std::string Holder() {
    const std::scoped_lock lock(mutex_);
    return lease_.is_null() ? "" : lease_["spec"].value("holderIdentity", "");
  }
  std::atomic<bool> down = false;

 private:
  void Store(json lease) {
    lease_ = std::move(lease);
    lease_["metadata"]["uid"] = "u";
    lease_["metadata"]["resourceVersion"] = std::to_string(++version_);
  }
  Result<HttpResponse> Ok() { return HttpResponse{200, lease_.dump()}; }

  std::mutex mutex_;
  json lease_;
  int version_ = 0;
};

class LeaderElectorTest : public testing::Test {
 protected:
  struct Candidate {
    Candidate(LeaderElectorTest& test, const std::string& name)
        : mandate(test.clock_),
          elector({.lease = {"ns", "lease"}, .identity = name, .mandate = &mandate}, test.client_,
                  test.clock_, test.metrics_),
          runs(++test.running_),  // before anybody lets time pass
          thread([this, &test] {
            outcome = elector.Run(stop.get_token(), [this](const std::stop_token& token) {
              working = true;
              std::mutex mutex;
              std::condition_variable_any never;
              std::unique_lock lock(mutex);
              never.wait(lock, token, [] { return false; });
              working = false;
            });
            --test.running_;
          }) {}
    ~Candidate() { stop.request_stop(); }

    Mandate mandate;
    LeaderElector elector;
    const int runs;
    std::stop_source stop;
    std::atomic<bool> working = false;
    std::atomic<LeaderElector::Outcome> outcome{};
    std::jthread thread;
  };
  // Lets time pass in small steps; nobody is late for any of them.
  void Pass(Clock::Duration duration, const std::function<bool()>& until = {}) {
    for (auto end = clock_.Monotonic() + duration; clock_.Monotonic() < end;) {
      if (until && until()) return;
      clock_.Advance(100ms);
      while (!clock_.Settled(running_) && !(until && until())) std::this_thread::yield();
    }
    // What is decided still takes a thread to be seen.
    const auto patience = std::chrono::steady_clock::now() + 2s;
    while (until && !until() && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
  }

  std::atomic<int> running_ = 0;
  FakeClock clock_;
  Metrics metrics_;
  LeaseServer server_;
  ScriptedTransport transport_{[this](const HttpRequest& request) { return server_.Answer(request); }};
  Client client_{transport_};
};

TEST_F(LeaderElectorTest, TakesALeaseThatIsNotThereAndGivesItUpAtTheEnd) {
  {
    Candidate a(*this, "a");
    Pass(5s, [&] { return a.working.load(); });
    EXPECT_TRUE(a.elector.is_leader());
    EXPECT_EQ(server_.Holder(), "a");
    a.stop.request_stop();
    a.thread.join();
    EXPECT_EQ(a.outcome, LeaderElector::Outcome::Stopped);
    EXPECT_FALSE(a.working);
  }
  EXPECT_EQ(server_.Holder(), "");
  EXPECT_EQ(server_.Spec()["leaseDurationSeconds"], 1);
}

TEST_F(LeaderElectorTest, RenewsAndKeepsWhenItWasAcquired) {
  Candidate a(*this, "a");
  Pass(5s, [&] { return a.working.load(); });
  const json before = server_.Spec();
  Pass(6s);
  const json after = server_.Spec();
  EXPECT_NE(before["renewTime"], after["renewTime"]);
  EXPECT_EQ(before["acquireTime"], after["acquireTime"]);
  EXPECT_EQ(after["leaseTransitions"], 0);
}

TEST_F(LeaderElectorTest, AnothersLeaseRunsOutByOurOwnWatchWhateverTimeIsWrittenInIt) {
  server_.Put("b", "2020-01-01T00:00:00.000000Z");  // long ago, by b's clock
  Candidate a(*this, "a");
  Pass(13s);
  EXPECT_FALSE(a.elector.is_leader());
  clock_.JumpWall(24h);
  Pass(1s);
  EXPECT_FALSE(a.elector.is_leader());
  Pass(6s, [&] { return a.working.load(); });
  EXPECT_TRUE(a.elector.is_leader());
  EXPECT_EQ(server_.Spec()["leaseTransitions"], 4);
}

TEST_F(LeaderElectorTest, ALeaseThatIsRenewedIsNeverTaken) {
  server_.Put("b", "2026-01-01T00:00:00.000000Z");
  Candidate a(*this, "a");
  for (int i = 0; i < 20; ++i) {
    server_.Put("b", "2026-01-01T00:00:" + std::to_string(10 + i) + ".000000Z");
    Pass(2s);
    ASSERT_FALSE(a.elector.is_leader()) << i;
  }
}

TEST_F(LeaderElectorTest, WithoutARenewalForTenSecondsItStopsWorkingAndSaysLost) {
  Candidate a(*this, "a");
  Pass(5s, [&] { return a.working.load(); });
  server_.down = true;
  Pass(7s);
  EXPECT_TRUE(a.working);
  Pass(6s, [&] { return !a.working; });
  a.thread.join();
  EXPECT_EQ(a.outcome, LeaderElector::Outcome::Lost);
  EXPECT_FALSE(a.working);
  EXPECT_FALSE(a.elector.is_leader());
  EXPECT_EQ(server_.Holder(), "a");  // what is lost is not given back
}

TEST_F(LeaderElectorTest, ThereIsAMandateFromTheFirstRenewalOnAndNoneOnceTheOthersMayLead) {
  Candidate a(*this, "a");
  EXPECT_FALSE(a.mandate.Holds());
  Pass(5s, [&] { return a.working.load(); });
  Pass(30s);
  EXPECT_TRUE(a.mandate.Holds());
  // It stands still: all its threads find the time passed at once.
  clock_.Advance(10s);
  EXPECT_FALSE(a.mandate.Holds());
}

TEST_F(LeaderElectorTest, SomebodyElseHavingItEndsTheMandateBeforeItsTime) {
  Candidate a(*this, "a");
  Pass(5s, [&] { return a.working.load(); });
  server_.Put("b", "2026-01-01T00:00:00.000000Z");
  Pass(5s, [&] { return !a.working; });
  EXPECT_FALSE(a.mandate.Holds());
}

TEST_F(LeaderElectorTest, AShortOutageIsSurvived) {
  Candidate a(*this, "a");
  Pass(5s, [&] { return a.working.load(); });
  server_.down = true;
  Pass(6s);
  server_.down = false;
  Pass(20s);
  EXPECT_TRUE(a.working);
}

TEST_F(LeaderElectorTest, OfTwoOneLeadsAndTheOtherFollowsWhenItIsStopped) {
  Candidate a(*this, "a");
  Pass(5s, [&] { return a.working.load(); });
  Candidate b(*this, "b");
  Pass(20s);
  EXPECT_TRUE(a.working);
  EXPECT_FALSE(b.working);
  a.stop.request_stop();
  a.thread.join();
  Pass(4s, [&] { return b.working.load(); });
  EXPECT_TRUE(b.working);
}

TEST_F(LeaderElectorTest, SomebodyElseHavingItMeansLost) {
  Candidate a(*this, "a");
  Pass(5s, [&] { return a.working.load(); });
  server_.Put("b", "2026-01-01T00:00:00.000000Z");
  Pass(5s, [&] { return !a.working; });
  a.thread.join();
  EXPECT_EQ(a.outcome, LeaderElector::Outcome::Lost);
}

TEST_F(LeaderElectorTest, TimesThatCannotWorkAreRefused) {
  const auto make = [&](LeaderElectorOptions options) {
    LeaderElector(std::move(options), client_, clock_, metrics_);
  };
  EXPECT_THROW(make({.lease = {"ns", "l"}, .identity = ""}), std::invalid_argument);
  EXPECT_THROW(make({.lease = {"ns", "l"}, .identity = "a", .lease_duration = 10s, .renew_deadline = 10s}),
               std::invalid_argument);
  EXPECT_THROW(make({.lease = {"ns", "l"}, .identity = "a", .renew_deadline = 2400ms, .retry_period = 2s}),
               std::invalid_argument);
}

}  // namespace
}  // namespace pilotlight::kube
