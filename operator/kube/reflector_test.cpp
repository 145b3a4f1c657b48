#include "operator/kube/reflector.h"

#include <gmock/gmock.h>

#include <thread>

#include "common/time/fake_clock.h"
#include "operator/kube/metrics.h"
#include "operator/kube/object_sink.h"
#include "operator/kube/testing/scripted_transport.h"

namespace pilotlight::kube {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

std::string Doc(const std::string& name, int version) {
  return R"({"metadata":{"name":")" + name + R"(","resourceVersion":")" + std::to_string(version) + "\"}}";
}
std::string Event(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}";
}
HttpResponse ListOf(const std::vector<std::string>& items, int version, const std::string& next = "") {
  std::string body = R"({"metadata":{"resourceVersion":")" + std::to_string(version) + R"(","continue":")" +
                     next + R"("},"items":[)";
  for (std::size_t i = 0; i < items.size(); ++i) body += (i == 0 ? "" : ",") + items[i];
  return {200, body + "]}"};
}

// Writes down what it is fed.
class Notebook final : public ObjectSink {
 public:
  void BeginList(const std::string& /*scope*/) override { Write("begin"); }
  std::expected<void, std::string> Stage(const std::string& /*scope*/, Json object) override {
    return WriteName("stage ", object);
  }
  void Replace(const std::string& /*scope*/, std::string_view version) override {
    Write("replace " + std::string(version));
  }
  std::expected<void, std::string> Upsert(const std::string& /*scope*/, Json object) override {
    return WriteName("upsert ", object);
  }
  std::expected<void, std::string> Remove(const std::string& /*scope*/, Json object) override {
    return WriteName("remove ", object);
  }
  void Progress(const std::string& /*scope*/, std::string_view version) override {
    Write("progress " + std::string(version));
  }
  std::vector<std::string> lines;

 private:
  void Write(std::string line) { lines.push_back(std::move(line)); }
  std::expected<void, std::string> WriteName(const std::string& what, Json object) {
    Write(what + ReadIdentity(object)->key.name);
    return {};
  }
};

class ReflectorTest : public testing::Test {
 protected:
  // Runs until the script says stop; waits for time take none. While the reflector is at work time stands
  // still, or a thread that got no processor would be late.
  void Run(ScriptedTransport::Answer answer, ScriptedTransport::Streamed streamed) {
    transport_ = std::make_unique<ScriptedTransport>(std::move(answer), std::move(streamed));
    Reflector reflector({.resource = Pods(), .ns = "ns", .label_selector = "a=b"}, *transport_, notebook_,
                        clock_, metrics_);
    std::jthread runner([&] { reflector.Run(stop_.get_token()); });
    while (!stop_.stop_requested()) {
      if (clock_.Settled(1)) clock_.Advance(100ms);
      std::this_thread::yield();
    }
    runner.join();
    synced_ = reflector.synced();
  }
  std::vector<std::string> Targets() const {
    std::vector<std::string> targets;
    for (const auto& request : transport_->requests()) {
      targets.push_back(request.target.substr(0, request.target.find("&timeoutSeconds")));
    }
    return targets;
  }
  Result<void> Stopped() {
    stop_.request_stop();
    return std::unexpected(Error{.code = ErrorCode::Canceled});
  }

  static constexpr const char* kList = "/api/v1/namespaces/ns/pods?labelSelector=a%3Db&limit=500";
  static constexpr const char* kWatch =
      "/api/v1/namespaces/ns/pods?watch=true&allowWatchBookmarks=true&labelSelector=a%3Db&resourceVersion=";
  FakeClock clock_;
  Metrics metrics_;
  Notebook notebook_;
  std::stop_source stop_;
  std::unique_ptr<ScriptedTransport> transport_;
  bool synced_ = false;
};

TEST_F(ReflectorTest, ListsInPagesAndThenWatchesFromThere) {
  Run(
      [](const HttpRequest& request) -> Result<HttpResponse> {
        return request.target.contains("continue=") ? ListOf({Doc("b", 6)}, 10)
                                                    : ListOf({Doc("a", 5)}, 10, "next");
      },
      [&](const HttpRequest&, const LineSink& sink, const std::stop_token&) -> Result<void> {
        EXPECT_TRUE(sink(Event("ADDED", Doc("c", 11))));
        EXPECT_TRUE(sink(Event("MODIFIED", Doc("a", 12))));
        EXPECT_TRUE(sink(Event("DELETED", Doc("b", 13))));
        EXPECT_TRUE(sink(Event("BOOKMARK", Doc("", 20))));
        return Stopped();
      });
  EXPECT_THAT(notebook_.lines, ElementsAre("begin", "stage a", "stage b", "replace 10", "upsert c",
                                           "upsert a", "remove b", "progress 20"));
  EXPECT_THAT(Targets(), ElementsAre(std::string(kList) + "&resourceVersion=0",
                                     std::string(kList) + "&continue=next", std::string(kWatch) + "10"));
  EXPECT_TRUE(synced_);
}

TEST_F(ReflectorTest, GoesOnBehindTheLastEventWhereverTheStreamIsCut) {
  int watches = 0;
  Run([](const HttpRequest&) -> Result<HttpResponse> { return ListOf({}, 10); },
      [&](const HttpRequest&, const LineSink& sink, const std::stop_token&) -> Result<void> {
        const int version = 10 + ++watches;
        if (watches == 4) return Stopped();
        sink(Event("ADDED", Doc("x", version)));
        return std::unexpected(Error{.code = ErrorCode::Transport, .message = "cut"});
      });
  EXPECT_THAT(Targets(), ElementsAre(std::string(kList) + "&resourceVersion=0", std::string(kWatch) + "10",
                                     std::string(kWatch) + "11", std::string(kWatch) + "12",
                                     std::string(kWatch) + "13"));
}

TEST_F(ReflectorTest, RelistsWhenTheVersionIsGoneInEitherForm) {
  for (const bool as_event : {false, true}) {
    stop_ = std::stop_source();
    int watches = 0;
    Run([](const HttpRequest&) -> Result<HttpResponse> { return ListOf({}, 10); },
        [&](const HttpRequest&, const LineSink& sink, const std::stop_token&) -> Result<void> {
          if (++watches == 2) return Stopped();
          if (!as_event) return std::unexpected(StatusError(410, "Expired"));
          EXPECT_FALSE(sink(Event("ERROR", R"({"kind":"Status","code":410,"reason":"Expired"})")));
          return {};
        });
    EXPECT_THAT(Targets(), ElementsAre(std::string(kList) + "&resourceVersion=0", std::string(kWatch) + "10",
                                       "/api/v1/namespaces/ns/pods?labelSelector=a%3Db&resourceVersion=10",
                                       std::string(kWatch) + "10"))
        << as_event;
  }
}

TEST_F(ReflectorTest, AListThatFailsIsTriedAgainAndIsNoTruth) {
  int lists = 0;
  Run(
      [&](const HttpRequest&) -> Result<HttpResponse> {
        switch (++lists) {
          case 1:
            return std::unexpected(StatusError(503, "ServiceUnavailable"));
          case 2:
            return std::unexpected(Error{.code = ErrorCode::Transport});
          case 3:
            return HttpResponse{200, R"({"metadata":{"resourceVersion":"9"},"items":[)"};
          default:
            return ListOf({Doc("a", 5)}, 10);
        }
      },
      [&](const HttpRequest&, const LineSink&, const std::stop_token&) { return Stopped(); });
  EXPECT_EQ(lists, 4);
  EXPECT_THAT(notebook_.lines, ElementsAre("begin", "begin", "begin", "begin", "stage a", "replace 10"));
  EXPECT_THAT(metrics_.Text(), HasSubstr("reflector_failures_total{resource=\"pods\"} 3"));
}

TEST_F(ReflectorTest, AWatchThatIsSilentForTooLongIsStartedAgain) {
  int watches = 0;
  StreamOptions seen;
  Run([](const HttpRequest&) -> Result<HttpResponse> { return ListOf({}, 10); },
      [&](const HttpRequest&, const LineSink&, const std::stop_token&) -> Result<void> {
        if (++watches == 2) return Stopped();
        clock_.Advance(11min);
        return std::unexpected(Error{.code = ErrorCode::Timeout});
      });
  EXPECT_THAT(Targets(), ElementsAre(std::string(kList) + "&resourceVersion=0", std::string(kWatch) + "10",
                                     std::string(kWatch) + "10"));
}

TEST_F(ReflectorTest, EndsSoonWhenStoppedInABackoff) {
  std::atomic<int> lists = 0;
  transport_ = std::make_unique<ScriptedTransport>([&](const HttpRequest&) -> Result<HttpResponse> {
    ++lists;
    return std::unexpected(StatusError(500, "InternalError"));
  });
  Reflector reflector({.resource = Pods()}, *transport_, notebook_, clock_, metrics_);
  std::jthread runner([&] { reflector.Run(stop_.get_token()); });
  clock_.AwaitWaiters(1);
  stop_.request_stop();
  runner.join();
  EXPECT_FALSE(reflector.synced());
}

}  // namespace
}  // namespace pilotlight::kube
