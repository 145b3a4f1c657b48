#include "operator/kube/manager.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "common/time/fake_clock.h"
#include "operator/kube/client.h"
#include "operator/kube/metrics.h"
#include "operator/kube/testing/scripted_transport.h"

namespace pilotlight::kube {
namespace {

using namespace std::chrono_literals;

class ManagerTest : public testing::Test {
 protected:
  // Lists are empty once `listable`; a lease is whatever was last written, once `leases` work.
  Result<HttpResponse> Answer(const HttpRequest& request) {
    if (!request.target.contains("/leases")) {
      if (!listable) return std::unexpected(StatusError(503, "ServiceUnavailable"));
      return HttpResponse{200, R"({"metadata":{"resourceVersion":"7"},"items":[]})"};
    }
    if (!leases) return std::unexpected(Error{.code = ErrorCode::Transport, .message = "down"});
    const std::scoped_lock lock(mutex_);
    if (request.method == "GET" && lease_.is_null()) return std::unexpected(StatusError(404, "NotFound"));
    if (request.method != "GET") {
      lease_ = nlohmann::json::parse(request.body);
      lease_["metadata"]["resourceVersion"] = std::to_string(++version_);
    }
    return HttpResponse{200, lease_.dump()};
  }
  Manager Make(bool election) {
    ManagerOptions options;
    if (election) options.leader_election = LeaderElectorOptions{.lease = {"ns", "l"}, .identity = "me"};
    return Manager(std::move(options), transport_, client_, clock_, metrics_);
  }
  void AwaitWithTime(const std::function<bool()>& condition) {
    while (!condition()) {
      if (clock_.Settled(1)) clock_.Advance(50ms);
      std::this_thread::sleep_for(1ms);
    }
  }
  static void AwaitStop(const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait(lock, stop, [] { return false; });
  }

  std::atomic<bool> listable = true;
  std::atomic<bool> leases = true;
  FakeClock clock_;
  Metrics metrics_;
  ScriptedTransport transport_{[this](const HttpRequest& request) { return Answer(request); }};
  Client client_{transport_};
  std::stop_source stop_;
  std::atomic<bool> working_ = false;

 private:
  std::mutex mutex_;
  nlohmann::json lease_;
  int version_ = 0;
};

TEST_F(ManagerTest, WorkBeginsWhenEveryStoreHasItsListAndNotBefore) {
  Manager manager = Make(false);
  manager.Watch<int>({.resource = Pods()}, {.decode = [](Json) { return 0; }});
  manager.AddRunnable([&](const std::stop_token& stop) {
    EXPECT_TRUE(manager.synced());
    working_ = true;
    AwaitStop(stop);
    working_ = false;
  });
  listable = false;
  int code = -1;
  std::jthread runner([&] { code = manager.Run(stop_.get_token()); });
  AwaitWithTime([&] { return transport_.requests().size() >= 3; });
  EXPECT_FALSE(working_);
  listable = true;
  AwaitWithTime([&] { return working_.load(); });
  EXPECT_TRUE(manager.leading());
  stop_.request_stop();
  runner.join();
  EXPECT_EQ(code, 0);
  EXPECT_FALSE(working_);
}

TEST_F(ManagerTest, WithoutTheLeaseItWatchesAndDoesNotWork) {
  Manager manager = Make(true);
  manager.Watch<int>({.resource = Pods()}, {.decode = [](Json) { return 0; }});
  manager.AddRunnable([&](const std::stop_token&) { working_ = true; });
  leases = false;
  int code = -1;
  std::jthread runner([&] { code = manager.Run(stop_.get_token()); });
  AwaitWithTime([&] { return manager.synced(); });
  clock_.Advance(1min);
  EXPECT_FALSE(manager.leading());
  EXPECT_FALSE(working_);
  stop_.request_stop();
  runner.join();
  EXPECT_EQ(code, 0);
}

TEST_F(ManagerTest, LosingTheLeaseEndsTheWorkAndThenEverythingWithAnError) {
  Manager manager = Make(true);
  manager.AddRunnable([&](const std::stop_token& stop) {
    working_ = true;
    AwaitStop(stop);
    working_ = false;
  });
  int code = -1;
  std::jthread runner([&] { code = manager.Run(stop_.get_token()); });
  AwaitWithTime([&] { return working_.load(); });
  leases = false;
  AwaitWithTime([&] { return !working_.load(); });
  runner.join();
  EXPECT_EQ(code, 1);
}

TEST_F(ManagerTest, EachNamespaceIsWatchedByItself) {
  ManagerOptions options;
  options.namespaces = {"a", "b"};
  Manager manager(std::move(options), transport_, client_, clock_, metrics_);
  manager.Watch<int>({.resource = Pods()}, {.decode = [](Json) { return 0; }});
  std::jthread runner([&] { manager.Run(stop_.get_token()); });
  AwaitWithTime([&] { return manager.synced(); });
  stop_.request_stop();
  runner.join();
  std::vector<std::string> lists;
  for (const auto& request : transport_.requests()) {
    if (!request.target.contains("watch=")) lists.push_back(request.target);
  }
  EXPECT_THAT(lists, testing::UnorderedElementsAre("/api/v1/namespaces/a/pods?limit=500&resourceVersion=0",
                                                   "/api/v1/namespaces/b/pods?limit=500&resourceVersion=0"));
}

}  // namespace
}  // namespace pilotlight::kube
